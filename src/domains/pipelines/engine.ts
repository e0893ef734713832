/**
 * Drives pipeline runs: what is ready starts, and the end of a step commits in one unit with the starts that it allows.
 * One attempt of a step is committed at most once: every move is guarded by state and attempt. Read next: rules.ts.
 */
import { systemCaller } from '#base/caller.ts'
import { digestOf } from '#base/digest.ts'
import { asFault, Fault, isFault } from '#base/errors.ts'
import { newId } from '#base/ids.ts'
import type { Db, Statement } from '#platform/db/index.ts'
import { durationMs } from '#platform/definitions/index.ts'
import type { Events } from '#platform/events/index.ts'
import { pipelineRunEnded, pipelineRunMoved, stepEnded } from './events.ts'
import { needsOf, readySteps } from './graph.ts'
import { type StepLogs, stepLogPath } from './logs.ts'
import type { Cause, Outputs, PipelineDefinition, StepDefinition, StepKindName, StepState } from './model.ts'
import type { CodeOrigin, StepContext, StepKind, StepResult } from './ports.ts'
import {
  pipelineRunLife,
  type RunAction,
  retryDelayMs,
  type StepAction,
  stepLife,
  verdictOf,
} from './rules.ts'
import type { PipelinesStore, RunRow, StepRow } from './store.ts'

export interface EngineDeps {
  readonly db: Db
  readonly events: Events
  readonly store: PipelinesStore
  readonly kinds: readonly StepKind[]
  readonly logs: StepLogs
  /** Steps that may run at once on this machine. */
  readonly slots?: number
}
export interface FrozenDefinition {
  readonly pipeline: PipelineDefinition
  readonly code: CodeOrigin
}

const slotsDefault = 2
export const runId = (number: number) => `r-${number}`

interface Active {
  row: RunRow
  readonly frozen: FrozenDefinition
  readonly steps: Map<string, StepRow>
  readonly aborts: Map<string, AbortController>
  readonly progress: Map<string, string>
  /** Moves of one run happen one after another. */
  turn: Promise<void>
}

export class Engine {
  readonly #deps: EngineDeps
  readonly #owner = newId()
  readonly #kinds: Map<StepKindName, StepKind>
  readonly #active = new Map<string, Active>()
  readonly #waitingForSlot: (() => void)[] = []
  readonly #admitting = new Map<string, Promise<void>>()
  readonly #running = new Set<Promise<void>>()
  #slots: number
  #stopping = false

  constructor(deps: EngineDeps) {
    this.#deps = deps
    this.#kinds = new Map(deps.kinds.map((k) => [k.kind, k]))
    this.#slots = deps.slots ?? slotsDefault
  }

  /** Takes up what a server before this one left: its children are dead, so each running attempt begins anew. */
  async start(): Promise<void> {
    const { store, db } = this.#deps
    for (const row of await store.runsIn(['running', 'waiting'])) {
      const active = await this.#load(row)
      const lost = [...active.steps.values()].filter((s) => s.state === 'running')
      await db.commit(
        lost.map((s) =>
          this.#move(active, s.name, 'again', { owner: null, summary: 'begun anew after a restart' }),
        ),
      )
      await this.#turn(active, () => this.#proceed(active, []))
    }
    for (const project of new Set((await store.runsIn(['queued'])).map((r) => r.project)))
      await this.admit(project)
  }

  async stop(): Promise<void> {
    this.#stopping = true
    for (const active of this.#active.values())
      for (const abort of active.aborts.values()) abort.abort(stopped())
    await Promise.allSettled(this.#running)
  }

  /** Starts queued runs whose concurrency group has room; one look at a time, lest two count the same room. */
  admit(project: string): Promise<void> {
    const next = (this.#admitting.get(project) ?? Promise.resolve()).then(() => this.#admitNow(project))
    this.#admitting.set(
      project,
      next.catch(() => undefined),
    )
    return next
  }

  async #admitNow(project: string): Promise<void> {
    const { store } = this.#deps
    const busy = await store.runsIn(['running', 'waiting'], project)
    for (const row of await store.runsIn(['queued'], project)) {
      const frozen = JSON.parse(row.definition) as FrozenDefinition
      const limit = frozen.pipeline.concurrency?.limit ?? Number.POSITIVE_INFINITY
      const group = row.conflict_group
      if (group !== null && busy.filter((b) => b.conflict_group === group).length >= limit) continue
      try {
        const active = await this.#load(row)
        await this.#turn(active, async () => {
          if (active.row.state !== 'queued') return
          await this.#proceed(active, [this.#moveRun(active, 'start', { started_at: Date.now() })])
        })
        busy.push(row)
      } catch (error) {
        // Another call admitted it in the meantime.
        if (!isFault(error, 'db.guard_failed')) throw error
      }
    }
  }

  progressOf(project: string, run: number, step: string): string | undefined {
    return this.#active.get(`${project}/${run}`)?.progress.get(step)
  }

  async cancel(row: RunRow, unit: readonly Statement[]): Promise<void> {
    const active = await this.#load(row)
    await this.#turn(active, async () => {
      const reason = new Fault('conflict', 'pipelines.cancelled', 'the pipeline run was cancelled')
      for (const abort of active.aborts.values()) abort.abort(reason)
      const open = [...active.steps.values()].filter((s) => stepLife.allows(s.state, 'cancel'))
      const moves = open.map((s) =>
        this.#move(active, s.name, 'cancel', { finished_at: Date.now(), owner: null }),
      )
      const end = this.#moveRun(active, 'cancel', { finished_at: Date.now() })
      await this.#deps.db.commit([...moves, end, this.#ended(active, 'cancelled'), ...unit])
      this.#forget(active)
    })
    await this.admit(row.project)
  }

  /** A step that waited goes on: its decision has come. */
  async resume(step: StepRow): Promise<void> {
    const row = await this.#deps.store.run(step.project, step.run)
    if (row === undefined || row.state !== 'waiting') return
    const active = await this.#load(row)
    await this.#turn(active, async () => {
      if (active.steps.get(step.name)?.state !== 'waiting') return
      const moves = [
        this.#moveRun(active, 'resume'),
        this.#move(active, step.name, 'resume', this.#claim(active, step.name)),
      ]
      await this.#deps.db.commit([...moves, this.#moved(active)])
      this.#launch(active, step.name)
    })
  }

  async retry(row: RunRow, unit: readonly Statement[]): Promise<void> {
    const active = await this.#load(row)
    await this.#turn(active, async () => {
      const again = [...active.steps.values()].filter((s) => stepLife.allows(s.state, 'reset'))
      const moves = again.map((s) =>
        this.#move(active, s.name, 'reset', { summary: '', finished_at: null, waiting_on: null }),
      )
      await this.#deps.db.commit([...moves, this.#moveRun(active, 'retry', { finished_at: null }), ...unit])
      this.#forget(active)
    })
    await this.admit(row.project)
  }

  async #load(row: RunRow): Promise<Active> {
    const key = `${row.project}/${row.number}`
    const known = this.#active.get(key)
    if (known !== undefined) return known
    const steps = await this.#deps.store.steps(row.project, row.number)
    const active: Active = {
      row,
      frozen: JSON.parse(row.definition),
      steps: new Map(steps.map((s) => [s.name, s])),
      aborts: new Map(),
      progress: new Map(),
      turn: Promise.resolve(),
    }
    const meanwhile = this.#active.get(key)
    if (meanwhile !== undefined) return meanwhile
    this.#active.set(key, active)
    return active
  }

  #turn(active: Active, work: () => Promise<void>): Promise<void> {
    const next = active.turn.then(work)
    // What memory says may be ahead of a commit that failed: read it again at the next turn.
    active.turn = next.catch(() => this.#forget(active))
    return next
  }

  /** Commits `unit` together with the starts and the ending that the state of the steps now allows. */
  async #proceed(active: Active, unit: readonly Statement[]): Promise<void> {
    const steps = active.frozen.pipeline.steps
    const states = () => [...active.steps.values()].map((s) => s.state)
    const failed = states().some((s) => s === 'failed' || s === 'refused')
    const views = [...active.steps.values()].map((s) => ({
      name: s.name,
      state: s.state,
      needs: needsOf(steps[s.name] ?? {}),
    }))
    const starting = failed || this.#stopping ? [] : readySteps(views)
    const starts = starting.map((name) => this.#move(active, name, 'start', this.#claim(active, name)))
    const verdict = verdictOf(states())
    const ending = verdict === undefined ? [] : this.#end(active, verdict)
    await this.#deps.db.commit([...unit, ...starts, ...ending])
    for (const name of starting) this.#launch(active, name)
    if (verdict === undefined) return
    if (verdict !== 'wait') this.#forget(active)
    setImmediate(() => void this.admit(active.row.project).catch(() => undefined))
  }

  #end(active: Active, verdict: 'succeed' | 'fail' | 'wait'): Statement[] {
    if (verdict === 'wait') {
      const already = active.row.state === 'waiting'
      return already ? [] : [this.#moveRun(active, 'wait'), this.#moved(active)]
    }
    const rest = [...active.steps.values()].filter(
      (s) => stepLife.allows(s.state, 'skip') && verdict === 'fail',
    )
    const skipped = rest.map((s) =>
      this.#move(active, s.name, 'skip', { finished_at: Date.now(), waiting_on: null }),
    )
    const bad = [...active.steps.values()].find((s) => s.state === 'failed' || s.state === 'refused')
    const summary = bad === undefined ? 'every step ended well' : `${bad.name}: ${bad.summary}`
    return [
      ...skipped,
      this.#moveRun(active, verdict, { finished_at: Date.now() }),
      this.#ended(active, summary),
    ]
  }

  #launch(active: Active, name: string): void {
    const abort = new AbortController()
    active.aborts.set(name, abort)
    const work = this.#attempt(active, name, abort.signal).finally(() => {
      active.aborts.delete(name)
      active.progress.delete(name)
      this.#running.delete(work)
    })
    this.#running.add(work)
  }

  async #attempt(active: Active, name: string, signal: AbortSignal): Promise<void> {
    const step = active.steps.get(name) as StepRow
    const log = this.#deps.logs.open(stepLogPath(step))
    try {
      const outcome = await this.#perform(active, step, signal, (line) => log.write(line))
      await log.close()
      await this.#turn(active, () => this.#settle(active, step, outcome))
    } catch (error) {
      log.write(`failed: ${asFault(error).message}`)
      await log.close()
      if (signal.aborted) return
      await this.#turn(active, () => this.#fail(active, step, asFault(error))).catch(() => undefined)
    }
  }

  /** Reuses what an equal key made before, else runs the step's kind. */
  async #perform(
    active: Active,
    step: StepRow,
    signal: AbortSignal,
    log: (line: string) => void,
  ): Promise<Outcome> {
    const kind = this.#kinds.get(step.kind as StepKindName)
    if (kind === undefined)
      throw new Fault('unsupported', 'pipelines.kind_unknown', `this server runs no ${step.kind} steps`)
    const context = this.#context(active, step, signal, log)
    const parts = await kind.keyParts(context)
    const key = parts === 'never' ? undefined : digestOf({ step: step.name, kind: step.kind, parts })
    if (key !== undefined && active.row.no_cache === 0) {
      const hit = await this.#deps.store.cached(active.row.project, key)
      if (hit !== undefined) {
        const result = {
          state: 'succeeded' as const,
          outputs: JSON.parse(hit.outputs) as Outputs,
          summary: hit.summary,
        }
        log(`cached: the same inputs as in ${runId(hit.run)}`)
        return {
          result,
          key,
          parts,
          reusedFrom: hit.run,
          ...(hit.run_id === null ? {} : { runId: hit.run_id }),
        }
      }
    }
    const release = await this.#slot(signal)
    try {
      const result = await kind.run(context)
      const id = result.state === 'waiting' ? undefined : result.runId
      return { result, key, parts, ...(id === undefined ? {} : { runId: id }) }
    } finally {
      release()
    }
  }

  #context(active: Active, step: StepRow, signal: AbortSignal, log: (line: string) => void): StepContext {
    const { row, frozen } = active
    return {
      caller: { ...systemCaller(row.project, 'pipelines'), requestId: runId(row.number) },
      pipelineRun: runId(row.number),
      pipeline: row.pipeline,
      step: step.name,
      attempt: step.attempt,
      definition: frozen.pipeline.steps[step.name] as StepDefinition,
      environment: frozen.pipeline.environment as StepContext['environment'],
      params: JSON.parse(row.params),
      trigger: { kind: row.trigger_kind as Cause['kind'], cause: JSON.parse(row.cause) },
      outputsOf: (name) => {
        const other = active.steps.get(name)
        return other === undefined ? undefined : JSON.parse(other.outputs)
      },
      code: frozen.code,
      signal,
      log,
      progress: (text) => void active.progress.set(step.name, text),
    }
  }

  async #settle(
    active: Active,
    step: StepRow,
    { result, key, parts, reusedFrom, runId: tracked }: Outcome,
  ): Promise<void> {
    const common = {
      summary: result.summary,
      outputs: JSON.stringify(result.outputs ?? {}),
      owner: null,
      cache_key: key ?? null,
      key_parts: parts === 'never' ? null : JSON.stringify(parts),
      run_id: tracked ?? null,
    }
    if (result.state === 'waiting') {
      const wait = this.#move(active, step.name, 'wait', { ...common, waiting_on: result.on })
      return this.#proceed(active, [wait, this.#stepFact(active, step.name)])
    }
    const action: StepAction =
      result.state === 'refused' ? 'refuse' : reusedFrom === undefined ? 'succeed' : 'reuse'
    const move = this.#move(active, step.name, action, {
      ...common,
      finished_at: Date.now(),
      waiting_on: null,
      reused_from: reusedFrom ?? null,
    })
    const remember =
      key !== undefined && action === 'succeed'
        ? [
            this.#deps.store.remember({
              project: step.project,
              cache_key: key,
              run: step.run,
              step: step.name,
              outputs: common.outputs,
              summary: common.summary,
              run_id: common.run_id,
              created_at: Date.now(),
            }),
          ]
        : []
    await this.#proceed(active, [move, ...remember, this.#stepFact(active, step.name)])
  }

  async #fail(active: Active, step: StepRow, fault: Fault): Promise<void> {
    const definition = active.frozen.pipeline.steps[step.name]
    const retry = definition !== undefined && 'retry' in definition ? definition.retry : undefined
    const policy = retry && { times: retry.times, backoffMs: durationMs(retry.backoff), on: retry.on }
    const reason = String(fault.details?.reason ?? fault.code)
    const delayMs = retryDelayMs(policy, step.attempt, reason)
    const summary = fault.remedy === undefined ? fault.message : `${fault.message} (${fault.remedy})`
    if (delayMs === undefined) {
      const move = this.#move(active, step.name, 'fail', { finished_at: Date.now(), owner: null, summary })
      return this.#proceed(active, [move, this.#stepFact(active, step.name)])
    }
    await this.#deps.db.commit([
      this.#move(active, step.name, 'again', { owner: null, summary: `attempt ${step.attempt}: ${summary}` }),
    ])
    setTimeout(
      () => void this.#turn(active, () => this.#proceed(active, [])).catch(() => undefined),
      delayMs,
    ).unref()
  }

  /** Compare-and-set of a step, in memory and as a statement. */
  #move(active: Active, name: string, action: StepAction, set: Partial<StepRow> = {}): Statement {
    const before = active.steps.get(name) as StepRow
    const to: StepState = stepLife.next(before.state, action)
    active.steps.set(name, { ...before, ...set, state: to })
    return this.#deps.store.moveStep(before, to, set)
  }

  #claim(active: Active, name: string): Partial<StepRow> {
    const before = active.steps.get(name) as StepRow
    return { attempt: before.attempt + 1, owner: this.#owner, started_at: before.started_at ?? Date.now() }
  }

  #moveRun(active: Active, action: RunAction, set: Partial<RunRow> = {}): Statement {
    const before = active.row
    const to = pipelineRunLife.next(before.state, action)
    active.row = { ...before, ...set, state: to }
    return this.#deps.store.moveRun(before, to, set)
  }

  #factAbout(active: Active) {
    return { run: runId(active.row.number), pipeline: active.row.pipeline, state: active.row.state }
  }
  #caller(active: Active) {
    return { ...systemCaller(active.row.project, 'pipelines'), requestId: runId(active.row.number) }
  }
  #moved(active: Active): Statement {
    const fact = {
      type: pipelineRunMoved,
      subject: `pipeline-run:${runId(active.row.number)}`,
      payload: this.#factAbout(active),
    }
    return this.#deps.events.record(this.#caller(active), { ...fact, atMs: active.row.happened_at })
  }
  #ended(active: Active, summary: string): Statement {
    const payload = { ...this.#factAbout(active), summary: summary.slice(0, 2_000) }
    const fact = { type: pipelineRunEnded, subject: `pipeline-run:${runId(active.row.number)}`, payload }
    return this.#deps.events.record(this.#caller(active), { ...fact, atMs: active.row.happened_at })
  }
  #stepFact(active: Active, name: string): Statement {
    const step = active.steps.get(name) as StepRow
    const payload = {
      run: runId(step.run),
      pipeline: active.row.pipeline,
      step: name,
      state: step.state,
      attempt: step.attempt,
      summary: step.summary.slice(0, 2_000),
    }
    const fact = { type: stepEnded, subject: `pipeline-run:${runId(step.run)}/${name}`, payload }
    return this.#deps.events.record(this.#caller(active), { ...fact, atMs: active.row.happened_at })
  }

  #forget(active: Active): void {
    this.#active.delete(`${active.row.project}/${active.row.number}`)
  }

  /** A place among the steps that may run at once. */
  async #slot(signal: AbortSignal): Promise<() => void> {
    if (this.#slots > 0) this.#slots--
    else await new Promise<void>((resolve) => this.#waitingForSlot.push(resolve))
    const release = () => {
      const next = this.#waitingForSlot.shift()
      if (next === undefined) this.#slots++
      else next()
    }
    if (!signal.aborted) return release
    release()
    throw signal.reason
  }
}

interface Outcome {
  readonly result: StepResult
  readonly key: string | undefined
  readonly parts: Readonly<Record<string, unknown>> | 'never'
  readonly reusedFrom?: number
  readonly runId?: string
}

const stopped = () =>
  new Fault(
    'unavailable',
    'pipelines.stopping',
    'the server is stopping; the step begins anew at its next start',
  )
