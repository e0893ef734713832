/** Verbs of pipelines: start, watch, explain, retry, cancel. Read next: engine.ts. */
import type { Caller } from '#base/caller.ts'
import { type Clock, isoInstant } from '#base/clock.ts'
import { Fault, isFault } from '#base/errors.ts'
import type { Db } from '#platform/db/index.ts'
import { type Definitions, durationMs } from '#platform/definitions/index.ts'
import type { Events, StoredEvent } from '#platform/events/index.ts'
import { Engine, type FrozenDefinition, runId } from './engine.ts'
import { pipelineRunQueued } from './events.ts'
import { openStepLogs, stepLogPath } from './logs.ts'
import {
  type Cause,
  kindOf,
  type PipelineDefinition,
  type PipelineRun,
  pipelinesBlock,
  type Step,
  type Trigger,
} from './model.ts'
import type { ParamValue, StepKind } from './ports.ts'
import { differingParts, fires } from './rules.ts'
import { type PipelinesStore, pipelinesStore, type RunRow, type StepRow } from './store.ts'

export interface PipelinesDeps {
  readonly db: Db
  readonly events: Events
  readonly definitions: Definitions
  readonly clockOf: (project: string) => Promise<Clock>
  readonly kinds: readonly StepKind[]
  readonly logsDirectory: string
  readonly slots?: number
  /** The last values of `monitor/metric`, oldest first (monitoring). */
  readonly metricSeries: (
    command: { monitor: string; metric: string; windows: number },
    caller: Caller,
  ) => Promise<(number | null)[]>
}
export interface StartPipelineRun {
  readonly pipeline: string
  readonly params?: Readonly<Record<string, ParamValue>>
  readonly trigger?: Cause
  /** Starts at most one run, however often it is asked. */
  readonly triggerKey?: string
  readonly noCache?: boolean
}
export interface CronTime {
  readonly pipeline: string
  readonly cron: string
  /** The time of the rule, on the project's clock. */
  readonly at: number
}
export interface Hook {
  readonly pipeline: string
  /** Name of the secret that signs its deliveries. */
  readonly secret: string | undefined
}
export interface HookDelivery {
  readonly pipeline: string
  readonly hook: string
  readonly delivery: string
  readonly type?: string | undefined
  readonly bodyDigest: string
  readonly params: Readonly<Record<string, ParamValue>>
}
const attemptsMax = 5

export function openPipelines(deps: PipelinesDeps) {
  const store = pipelinesStore(deps.db)
  const logs = openStepLogs({ directory: deps.logsDirectory })
  const engine = new Engine({ ...deps, store, logs })
  const house = { ...deps, store, engine }
  const runRow = async (run: string, caller: Caller): Promise<RunRow> => {
    const row = await store.run(caller.project, numberOf(run))
    if (row !== undefined) return row
    throw new Fault('not_found', 'pipelines.run_not_found', `there is no pipeline run ${run}`, {
      remedy: 'list them with: headrace status',
    })
  }
  const stepRow = async (run: string, step: string, caller: Caller) => {
    const row = await runRow(run, caller)
    const found = (await store.steps(caller.project, row.number)).find((s) => s.name === step)
    if (found !== undefined) return { row, step: found }
    throw new Fault('not_found', 'pipelines.step_not_found', `pipeline run ${run} has no step ${step}`)
  }
  const audit = (row: RunRow, caller: Caller, state: string) => {
    const payload = {
      run: runId(row.number),
      pipeline: row.pipeline,
      state,
      trigger: row.trigger_kind,
      cause: {},
    }
    return [
      deps.events.record(caller, {
        type: pipelineRunQueued,
        subject: `pipeline-run:${runId(row.number)}`,
        payload,
        atMs: row.happened_at,
      }),
    ]
  }
  return {
    start: () => engine.start(),
    stop: () => engine.stop(),
    startRun: (command: StartPipelineRun, caller: Caller) => startRun(house, command, caller),
    async getRun({ run }: { run: string }, caller: Caller): Promise<PipelineRun> {
      return runOf(house, await runRow(run, caller))
    },
    async listRuns(
      { pipeline, limit, below }: { pipeline?: string; limit: number; below?: number },
      caller: Caller,
    ) {
      const rows = await store.runs(caller.project, pipeline, below ?? Number.MAX_SAFE_INTEGER, limit)
      return { pipelineRuns: await Promise.all(rows.map((row) => runOf(house, row))) }
    },
    async listPipelines(_: object, caller: Caller) {
      const block = (await deps.definitions.blockOf(caller.project, pipelinesBlock)) ?? {}
      return { pipelines: Object.entries(block).map(([name, definition]) => ({ name, definition })) }
    },
    async cancel({ run }: { run: string }, caller: Caller): Promise<PipelineRun> {
      const row = await runRow(run, caller)
      await engine.cancel(row, audit(row, caller, 'cancelling'))
      return runOf(house, await runRow(run, caller))
    },
    async retry({ run }: { run: string }, caller: Caller): Promise<PipelineRun> {
      const row = await runRow(run, caller)
      await engine.retry(row, audit(row, caller, 'queued'))
      return runOf(house, await runRow(run, caller))
    },
    async why({ run, step }: { run: string; step: string }, caller: Caller): Promise<Why> {
      const found = await stepRow(run, step, caller)
      return explain(house, found.row, found.step, await logs.tail(stepLogPath(found.step), 20))
    },
    async logOf({ run, step, from }: { run: string; step: string; from: number }, caller: Caller) {
      const found = await stepRow(run, step, caller)
      return { ...(await logs.read(stepLogPath(found.step), from)), state: found.step.state }
    },
    /** Pipelines of a project that a webhook starts. */
    async hooksNamed(project: string, hook: string): Promise<Hook[]> {
      const block = (await deps.definitions.blockOf(project, pipelinesBlock)) ?? {}
      return Object.entries(block).flatMap(([pipeline, { triggers }]) =>
        triggers.flatMap((one) =>
          'webhook' in one && one.webhook === hook
            ? [{ pipeline, secret: one.secret?.slice('secret:'.length) }]
            : [],
        ),
      )
    },
    /** A webhook came; the same delivery again is the same run. */
    async onHook({ pipeline, hook, delivery, params, ...more }: HookDelivery, caller: Caller) {
      const trigger: Cause = { kind: 'webhook', cause: { hook, delivery, ...more } }
      const triggerKey = `${pipeline}:hook:${hook}:${delivery}`
      return startRun(house, { pipeline, params, trigger, triggerKey }, caller)
    },
    /** A decision that steps may wait on: `review:ID`. */
    async decided(on: string, project: string): Promise<void> {
      for (const step of await store.waiting(project, on)) await engine.resume(step)
    },
    onVersion: (event: StoredEvent) => onVersion(house, event),
    onWindow: (event: StoredEvent) => onWindow(house, event),
    /** A time of the pipeline's cron has come; asked again it is the same run. */
    async onTime({ pipeline, cron, at }: CronTime, caller: Caller): Promise<PipelineRun> {
      const trigger: Cause = { kind: 'cron', cause: { cron, at: isoInstant(at) } }
      const triggerKey = `${pipeline}:cron:${cron}:${at}`
      return startRun(house, { pipeline, trigger, triggerKey }, caller)
    },
    /** Resolves when no run of the project is queued or running; waiting ones do not count. */
    async settled(project: string): Promise<void> {
      while ((await store.runsIn(['queued', 'running'], project)).length > 0)
        await new Promise((resolve) => setTimeout(resolve, 5))
    },
  }
}
export type Pipelines = ReturnType<typeof openPipelines>
type House = PipelinesDeps & { store: PipelinesStore; engine: Engine }

export interface Why {
  readonly run: string
  readonly step: string
  readonly state: string
  readonly sentence: string
  readonly startedBy: string
  readonly key?: string
  readonly parts?: Record<string, unknown>
  readonly differs?: string[]
  readonly reusedFrom?: string
  readonly waitingOn?: string
  readonly lines: string[]
}

async function startRun(house: House, command: StartPipelineRun, caller: Caller): Promise<PipelineRun> {
  const applied = await house.definitions.applied(caller.project)
  const pipeline = (await house.definitions.blockOf(caller.project, pipelinesBlock))?.[command.pipeline]
  if (applied === undefined || pipeline === undefined) {
    throw new Fault('not_found', 'pipelines.not_found', `there is no pipeline ${command.pipeline}`, {
      remedy: 'headrace apply, or look at: headrace status',
    })
  }
  const frozen: FrozenDefinition = { pipeline, code: applied.code }
  const params = paramsOf(command, pipeline)
  const happened_at = (await house.clockOf(caller.project)).now()
  for (let attempt = 1; ; attempt++) {
    const number = (await house.store.lastNumber(caller.project)) + 1
    const row = queuedRow({ command, caller, number, params, frozen, happened_at })
    const fact = {
      type: pipelineRunQueued,
      subject: `pipeline-run:${runId(number)}`,
      payload: {
        run: runId(number),
        pipeline: row.pipeline,
        state: row.state,
        trigger: row.trigger_kind,
        cause: JSON.parse(row.cause),
      },
      atMs: happened_at,
    }
    try {
      await house.db.commit([
        house.store.insertRun(row),
        house.store.insertSteps(stepRows(row, pipeline)),
        house.events.record(caller, fact),
      ])
      await house.engine.admit(caller.project)
      return await runOf(house, (await house.store.run(caller.project, number)) ?? row)
    } catch (error) {
      if (!isFault(error, 'db.duplicate') || attempt >= attemptsMax) throw error
      const first = await startedBefore(house, row)
      if (first !== undefined) return runOf(house, first)
    }
  }
}

/** The run that an equal trigger started already, if it was that and not the number that was taken. */
async function startedBefore(house: House, row: RunRow): Promise<RunRow | undefined> {
  if (row.trigger_key === null) return undefined
  const runs = await house.store.runs(row.project, row.pipeline, Number.MAX_SAFE_INTEGER, 1_000)
  return runs.find((r) => r.trigger_key === row.trigger_key)
}

interface Queued {
  readonly command: StartPipelineRun
  readonly caller: Caller
  readonly number: number
  readonly params: Record<string, ParamValue>
  readonly frozen: FrozenDefinition
  readonly happened_at: number
}
const queuedRow = ({ command, caller, number, params, frozen, happened_at }: Queued): RunRow => ({
  project: caller.project,
  number,
  pipeline: command.pipeline,
  state: 'queued',
  params: JSON.stringify(params),
  trigger_kind: command.trigger?.kind ?? 'manual',
  cause: JSON.stringify(command.trigger?.cause ?? { by: caller.actor.name }),
  trigger_key: command.triggerKey ?? null,
  conflict_group: frozen.pipeline.concurrency?.group ?? null,
  definition: JSON.stringify(frozen),
  no_cache: command.noCache === true ? 1 : 0,
  happened_at,
  created_at: Date.now(),
  started_at: null,
  finished_at: null,
  created_by: caller.actor.name,
})

const stepRows = (row: RunRow, pipeline: PipelineDefinition): StepRow[] =>
  Object.entries(pipeline.steps).map(([name, definition], position) => ({
    project: row.project,
    run: row.number,
    name,
    position,
    kind: kindOf(definition),
    state: 'pending',
    attempt: 0,
    owner: null,
    started_at: null,
    finished_at: null,
    summary: '',
    run_id: null,
    outputs: '{}',
    waiting_on: null,
    cache_key: null,
    key_parts: null,
    reused_from: null,
  }))

/** Given parameters over the defaults, each of its type. @throws Fault invalid `pipelines.param_*` */
function paramsOf(command: StartPipelineRun, pipeline: PipelineDefinition): Record<string, ParamValue> {
  const unknown = Object.keys(command.params ?? {}).find((name) => !(name in pipeline.params))
  if (unknown !== undefined) {
    throw new Fault(
      'invalid',
      'pipelines.param_unknown',
      `${command.pipeline} has no parameter \`${unknown}\``,
      { remedy: `it has: ${Object.keys(pipeline.params).join(', ') || 'none'}` },
    )
  }
  const params: Record<string, ParamValue> = {}
  for (const [name, definition] of Object.entries(pipeline.params)) {
    const value = command.params?.[name] ?? definition.default
    if (value === undefined)
      throw new Fault('invalid', 'pipelines.param_missing', `parameter \`${name}\` has no value`, {
        remedy: `give it: -p ${name}=…`,
      })
    params[name] = typed(name, definition.type, value)
  }
  return params
}

function typed(name: string, type: string, value: ParamValue): ParamValue {
  if (type === 'duration') {
    durationMs(String(value))
    return String(value)
  }
  if (type === 'number' && Number.isFinite(Number(value))) return Number(value)
  if (type === 'boolean' && /^(true|false)$/.test(String(value))) return String(value) === 'true'
  if (type === 'string') return String(value)
  throw new Fault(
    'invalid',
    'pipelines.param_type',
    `parameter \`${name}\` is a ${type}, not ${JSON.stringify(value)}`,
  )
}

/** A new version starts the pipelines that wait for it; the event's number makes it once. */
async function onVersion(house: House, event: StoredEvent): Promise<void> {
  const { dataset, version, id } = event.payload as { dataset: string; version: number; id: string }
  const block = (await house.definitions.blockOf(event.project, pipelinesBlock)) ?? {}
  for (const [pipeline, { triggers }] of Object.entries(block)) {
    if (!triggers.some((t) => 'new_version' in t && t.new_version === dataset)) continue
    const trigger: Cause = { kind: 'new_version', cause: { dataset, version, id } }
    await startRun(
      house,
      { pipeline, trigger, triggerKey: `${pipeline}:event:${event.seq}` },
      triggerCaller(event),
    )
  }
}

/** A closed window starts a pipeline when its rule holds and its cool-down is over, on the project's clock. */
async function onWindow(house: House, event: StoredEvent): Promise<void> {
  const { monitor } = event.payload as { monitor: string }
  const block = (await house.definitions.blockOf(event.project, pipelinesBlock)) ?? {}
  for (const [pipeline, { triggers }] of Object.entries(block)) {
    for (const trigger of triggers) {
      if ('metric' in trigger && trigger.metric.startsWith(`${monitor}/`))
        await considerMetric(house, event, pipeline, trigger)
    }
  }
}

async function considerMetric(
  house: House,
  event: StoredEvent,
  pipeline: string,
  trigger: MetricTrigger,
): Promise<void> {
  const payload = event.payload as {
    window: { from: number; to: number }
    labelVersion?: { dataset: string; version: number }
  }
  const caller = triggerCaller(event)
  const [monitor = '', metric = ''] = trigger.metric.split('/')
  const values = await house.metricSeries({ monitor, metric, windows: trigger.for }, caller)
  const lastFired = await house.store.lastFired(event.project, pipeline)
  const rule = {
    above: trigger.above,
    below: trigger.below,
    for: trigger.for,
    cooldownMs: durationMs(trigger.cooldown),
  }
  if (!fires(rule, values, event.happenedAt, lastFired)) return
  const bound = trigger.above === undefined ? `< ${trigger.below}` : `> ${trigger.above}`
  const cause = {
    metric: trigger.metric,
    values,
    rule: `${trigger.metric} ${bound} for ${trigger.for} windows`,
    window: payload.window,
    labelVersion: payload.labelVersion,
  }
  await startRun(
    house,
    { pipeline, trigger: { kind: 'metric', cause }, triggerKey: `${pipeline}:event:${event.seq}` },
    caller,
  )
}
type MetricTrigger = Extract<Trigger, { metric: string }>

const triggerCaller = (event: StoredEvent): Caller => ({
  actor: { kind: 'system', name: 'system:triggers' },
  project: event.project,
  requestId: `event-${event.seq}`,
  grants: ['*:*'],
})

async function runOf(house: House, row: RunRow): Promise<PipelineRun> {
  const steps = await house.store.steps(row.project, row.number)
  return {
    id: runId(row.number),
    pipeline: row.pipeline,
    state: row.state,
    params: JSON.parse(row.params),
    trigger: { kind: row.trigger_kind as Cause['kind'], cause: JSON.parse(row.cause) },
    happenedAt: row.happened_at,
    createdAt: row.created_at,
    ...(row.started_at === null ? {} : { startedAt: row.started_at }),
    ...(row.finished_at === null ? {} : { finishedAt: row.finished_at }),
    createdBy: row.created_by,
    steps: steps.map((s) => stepOf(s, house.engine.progressOf(s.project, s.run, s.name))),
  }
}

const stepOf = (row: StepRow, progress: string | undefined): Step => ({
  name: row.name,
  kind: row.kind as Step['kind'],
  state: row.state,
  attempt: row.attempt,
  ...(row.started_at === null ? {} : { startedAt: row.started_at }),
  ...(row.finished_at === null ? {} : { finishedAt: row.finished_at }),
  summary: row.state === 'running' ? (progress ?? row.summary) : row.summary,
  ...(row.run_id === null ? {} : { runId: row.run_id }),
  outputs: JSON.parse(row.outputs),
  ...(row.waiting_on === null ? {} : { waitingOn: row.waiting_on }),
})

async function explain(house: House, row: RunRow, step: StepRow, lines: string[]): Promise<Why> {
  const parts: Record<string, unknown> | undefined =
    step.key_parts === null ? undefined : JSON.parse(step.key_parts)
  const before = await house.store.earlier(row.project, row.pipeline, step.name, row.number)
  const differs =
    parts === undefined || before?.key_parts == null
      ? undefined
      : differingParts(parts, JSON.parse(before.key_parts))
  return {
    run: runId(row.number),
    step: step.name,
    state: step.state,
    sentence: sentenceOf(step, before, differs),
    startedBy: `${row.trigger_kind} ${row.cause}`,
    ...(step.cache_key === null ? {} : { key: step.cache_key }),
    ...(parts === undefined ? {} : { parts }),
    ...(differs === undefined ? {} : { differs }),
    ...(step.reused_from === null ? {} : { reusedFrom: runId(step.reused_from) }),
    ...(step.waiting_on === null ? {} : { waitingOn: step.waiting_on }),
    lines,
  }
}

function sentenceOf(step: StepRow, before: StepRow | undefined, differs: string[] | undefined): string {
  if (step.state === 'cached')
    return `cached: command, code, environment, inputs and parameters are those of ${runId(step.reused_from ?? 0)}`
  if (step.state === 'waiting') return `waiting for ${step.waiting_on}: ${step.summary}`
  if (step.state === 'failed' || step.state === 'refused') return `${step.state}: ${step.summary}`
  if (step.state === 'pending') return 'not started: a step that it needs has not ended well yet'
  if (step.state === 'skipped') return 'skipped: a step before it did not end well'
  if (step.key_parts === null) return `${step.state}: this kind of step acts on the world and is never cached`
  if (before === undefined) return `${step.state}: it had not run before`
  if (differs === undefined || differs.length === 0) return `${step.state}: asked to run without the cache`
  return `${step.state}: since ${runId(before.run)} these changed: ${differs.join(', ')}`
}

const numberOf = (run: string): number => {
  const match = /^r-(\d+)$/.exec(run)
  if (match !== null) return Number(match[1])
  throw new Fault('invalid', 'pipelines.run_id_invalid', `\`${run}\` is not the id of a pipeline run`, {
    remedy: 'they look like r-81',
  })
}
