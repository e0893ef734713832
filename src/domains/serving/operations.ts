/**
 * Verbs of serving: deploy, predict, advance, roll back. The route table is memory, rebuilt from the database at start;
 * a revision gets traffic only once its session is loaded. Read next: rules.ts (rollouts), log.ts (predictions).
 */
import type { Caller } from '#base/caller.ts'
import type { Clock } from '#base/clock.ts'
import { Fault } from '#base/errors.ts'
import { newId } from '#base/ids.ts'
import type { Blobs } from '#platform/blobs/index.ts'
import type { Columnar } from '#platform/columnar/index.ts'
import type { Db, Statement } from '#platform/db/index.ts'
import { type Definitions, durationMs } from '#platform/definitions/index.ts'
import type { Events } from '#platform/events/index.ts'
import type { Onnx } from '#platform/onnx/index.ts'
import { type Features, type Key, keyText } from '../features/index.ts'
import { onnxOf, type ModelVersion, type Registry } from '../registry/index.ts'
import { revisionCreated, rolledBack, rolloutMoved, rolloutPromoted } from './events.ts'
import { PredictionLog } from './log.ts'
import {
  type EndpointDefinition,
  type EndpointStatus,
  endpointsBlock,
  type Finding,
  type Logged,
  type Revision,
  type Rollout,
} from './model.ts'
import { Live, type Route } from './route-table.ts'
import { analyse, candidateAnswers, decide, rolloutLife, stateOf, weightOf } from './rules.ts'
import { type RevisionRow, type RolloutRow, type ServingStore, servingStore } from './store.ts'

export interface ServingDeps {
  readonly db: Db
  readonly events: Events
  readonly blobs: Blobs
  readonly columnar: Columnar
  readonly definitions: Definitions
  readonly onnx: Onnx
  readonly registry: Registry
  readonly features: Features
  readonly clockOf: (project: string) => Promise<Clock>
  readonly workDirectory: string
  /** Labelled quality of a revision (monitoring). */
  readonly qualityOf: (
    command: { endpoint: string; revision: number; sinceMs: number },
    caller: Caller,
  ) => Promise<{ labels: number; wape: number | null }>
}
export interface Predicted {
  readonly id: string
  readonly value: number
  readonly revision: number
  readonly version: number
}
export interface Answer {
  readonly model: string
  readonly predictions: readonly Predicted[]
  readonly latencyMs: number
}
/** A row to predict: an entity key whose features are looked up, or the features themselves in order. */
export type PredictRow = { readonly key: Key } | { readonly values: readonly number[] }

const predictRowsMax = 10_000

export function openServing(deps: ServingDeps) {
  const store = servingStore(deps.db)
  const house: House = { ...deps, store, routes: new Map(), log: new PredictionLog({ ...deps, store }) }
  return {
    start: () => start(house),
    stop: () => house.log.close(),
    deploy: (command: { endpoint: string; model: string; version: number }, caller: Caller) =>
      deploy(house, command, caller),
    predict: (endpoint: string, rows: readonly PredictRow[], caller: Caller) =>
      predict(house, endpoint, rows, caller),
    onWindowClosed: (command: { endpoint: string; toMs: number }, caller: Caller) =>
      onWindowClosed(house, command, caller),
    rollback: (command: { endpoint: string; to?: number; reason: string }, caller: Caller) =>
      rollback(house, command, caller),
    statusOf: ({ endpoint }: { endpoint: string }, caller: Caller) => statusOf(house, endpoint, caller),
    async list(_: object, caller: Caller) {
      const names = Object.keys((await deps.definitions.blockOf(caller.project, endpointsBlock)) ?? {})
      return { endpoints: await Promise.all(names.map((name) => statusOf(house, name, caller))) }
    },
    predictionsOf: (
      { endpoint, from, to }: { endpoint: string; from: string; to: string },
      caller: Caller,
    ): Promise<Logged[]> => house.log.rows(caller.project, endpoint, from, to),
    flushLog: () => house.log.flush(),
    /** What an endpoint takes, for doors: names of features and of the entity. */
    async signatureOf(
      endpoint: string,
      caller: Caller,
    ): Promise<{ features: readonly string[]; entity: readonly string[]; version: number }> {
      const route = routeOf(house, endpoint, caller)
      const view = await deps.features.viewOf(route.stable.row.view, caller)
      return { features: route.stable.features, entity: view.entity, version: route.stable.row.version }
    },
    isReady: (endpoint: string, caller: Caller) => house.routes.has(`${caller.project}/${endpoint}`),
    /** The revision that a prediction's id carries. */
    async resolvePrediction(
      id: string,
      caller: Caller,
    ): Promise<{ endpoint: string; revision: Revision } | undefined> {
      const row = await store.revisionById(id.split('.')[0] ?? '')
      return row === undefined || row.project !== caller.project
        ? undefined
        : { endpoint: row.endpoint, revision: revisionOf(row) }
    },
  }
}
export type Serving = ReturnType<typeof openServing>
interface House extends ServingDeps {
  readonly store: ServingStore
  readonly routes: Map<string, Route>
  readonly log: PredictionLog
}

async function start(house: House): Promise<void> {
  for (const { project, endpoint, stable } of await house.store.routes()) {
    const definition = (await house.definitions.blockOf(project, endpointsBlock))?.[endpoint]
    const revisions = await house.store.revisions(project, endpoint)
    const row = revisions.find((r) => r.number === stable)
    if (definition === undefined || row === undefined) continue
    const [rollout] = await house.store.rollouts(project, endpoint, 1)
    const isOpen = rollout !== undefined && !rolloutLife.isFinal(rollout.state)
    const candidate =
      isOpen && rollout.revision !== stable ? revisions.find((r) => r.number === rollout.revision) : undefined
    house.routes.set(`${project}/${endpoint}`, {
      definition,
      stable: await load(house, row),
      candidate: candidate === undefined ? undefined : await load(house, candidate),
      rollout: isOpen ? rollout : undefined,
      weight: isOpen ? weightOf(definition.rollout.steps[rollout.step]) : 0,
    })
  }
}

async function load(house: House, row: RevisionRow): Promise<Live> {
  const file = await house.blobs.localPath(row.onnx)
  await house.onnx.load(file)
  return new Live(row, file)
}

async function definitionOf(house: House, endpoint: string, caller: Caller): Promise<EndpointDefinition> {
  const found = (await house.definitions.blockOf(caller.project, endpointsBlock))?.[endpoint]
  if (found !== undefined) return found
  throw new Fault('not_found', 'serving.endpoint_not_found', `there is no endpoint ${endpoint}`, {
    remedy: 'define it under endpoints:, then headrace apply',
  })
}

/** A new revision: the first answers at once, others go the way that the endpoint's rollout says. */
async function deploy(
  house: House,
  command: { endpoint: string; model: string; version: number },
  caller: Caller,
): Promise<{ revision: number; rollout: Rollout; sentence: string }> {
  const definition = await definitionOf(house, command.endpoint, caller)
  const version = await house.registry.getVersion(command, caller)
  const route = house.routes.get(`${caller.project}/${command.endpoint}`)
  const at = (await house.clockOf(caller.project)).now()
  const number = ((await house.store.revisions(caller.project, command.endpoint))[0]?.number ?? 0) + 1
  const row = revisionRow(command.endpoint, version, { number, at, caller })
  const live = await load(house, row)
  const steps =
    route === undefined ? [] : definition.rollout.strategy === 'canary' ? definition.rollout.steps : []
  const isDirect = steps.length === 0
  const rollout: RolloutRow = {
    project: caller.project,
    endpoint: command.endpoint,
    id: newId(),
    revision: number,
    stable: route?.stable.row.number ?? null,
    state: isDirect ? 'done' : stateOf(steps[0]),
    step: 0,
    windows: 0,
    reason: '',
    findings: '[]',
    started_at: at,
    moved_at: at,
  }
  const about = aboutOf(row)
  const unit: Statement[] = [
    house.store.insertRevision(row),
    house.store.insertRollout(rollout),
    house.events.record(caller, { type: revisionCreated, subject: subjectOf(row), payload: about, atMs: at }),
  ]
  if (route?.rollout !== undefined)
    unit.push(
      house.store.moveRollout(route.rollout, {
        state: rolloutLife.next(route.rollout.state, 'supersede'),
        reason: `revision ${number} came`,
        moved_at: at,
      }),
    )
  if (isDirect) {
    unit.push(
      house.store.putRoute(caller.project, command.endpoint, number),
      house.events.record(caller, {
        type: rolloutPromoted,
        subject: subjectOf(row),
        payload: { ...about, from: rollout.stable },
        atMs: at,
      }),
    )
  } else unit.push(movedFact(house, caller, row, rollout, `${rollout.state} begins`, at))
  await house.db.commit(unit)
  if (route === undefined || isDirect)
    house.routes.set(`${caller.project}/${command.endpoint}`, {
      definition,
      stable: live,
      candidate: undefined,
      rollout: undefined,
      weight: 0,
    })
  else Object.assign(route, { definition, candidate: live, rollout, weight: weightOf(steps[0]) })
  if (isDirect) await promoteAlias(house, definition, row, caller)
  const sentence = isDirect
    ? `revision ${number} (${row.model}@${row.version}) answers all`
    : `revision ${number} (${row.model}@${row.version}) begins in ${rollout.state} beside revision ${rollout.stable}`
  return { revision: number, rollout: rolloutOf(rollout, definition), sentence }
}

/** The alias moves here and never before: the revision answers everything. */
async function promoteAlias(
  house: House,
  definition: EndpointDefinition,
  row: RevisionRow,
  caller: Caller,
): Promise<void> {
  const [, alias = 'champion'] = definition.model.split('@')
  const version = await house.registry.getVersion({ model: row.model, version: row.version }, caller)
  // One that was deployed by force, past its gates, answers but is never champion.
  if (version.state === 'gated')
    await house.registry.promote({ model: row.model, version: row.version, alias }, caller)
}

async function predict(
  house: House,
  endpoint: string,
  rows: readonly PredictRow[],
  caller: Caller,
): Promise<Answer> {
  const started = performance.now()
  const route = routeOf(house, endpoint, caller)
  if (rows.length > predictRowsMax)
    throw new Fault(
      'too_large',
      'serving.too_many_rows',
      `${rows.length} rows are more than ${predictRowsMax} at once`,
    )
  const asked = await featuresOf(house, route, rows, caller)
  const timeoutMs = durationMs(route.definition.runtime.timeout)
  // Both at once: who asks waits for the slower of the two, not for their sum.
  const [stable, candidate] = await Promise.all([
    answer(house, route.stable, { ...asked, timeoutMs }),
    route.candidate === undefined
      ? undefined
      : answer(house, route.candidate, { ...asked, timeoutMs }).catch(() => undefined),
  ])
  const atMs = (await house.clockOf(caller.project)).now()
  const logged: Logged[] = []
  const predictions = asked.rows.map((row, i): Predicted => {
    const byCandidate = candidate !== undefined && candidateAnswers(row.name, route.weight)
    const live = byCandidate ? (route.candidate as Live) : route.stable
    const value = (byCandidate ? candidate : stable)[i] as number
    const id = `${live.row.id}.${newId()}`
    if (row.key !== undefined) {
      const common = { key: row.key, for_day: asked.at, features: row.values, at_ms: atMs }
      logged.push({ id, revision: live.row.number, role: 'served', value, ...common })
      const other = byCandidate
        ? { live: route.stable, value: stable[i] as number }
        : candidate === undefined
          ? undefined
          : { live: route.candidate as Live, value: candidate[i] as number }
      if (other !== undefined)
        logged.push({
          id: `${other.live.row.id}.${newId()}`,
          revision: other.live.row.number,
          role: 'shadow',
          value: other.value,
          ...common,
        })
    }
    return { id, value, revision: live.row.number, version: live.row.version }
  })
  if (logged.length > 0) house.log.append(caller.project, endpoint, logged)
  return { model: route.stable.row.model, predictions, latencyMs: performance.now() - started }
}

interface Asked {
  readonly at: string
  readonly rows: readonly {
    readonly key: Key | undefined
    readonly name: string
    readonly values: readonly (number | null)[]
  }[]
}

async function featuresOf(
  house: House,
  route: Route,
  rows: readonly PredictRow[],
  caller: Caller,
): Promise<Asked> {
  const { view } = route.stable.row
  const names = route.stable.features
  const keys = rows.flatMap((r) => ('key' in r ? [r.key] : []))
  if (keys.length === 0) return { at: '', rows: rows.map((r) => given('values' in r ? r.values : [], names)) }
  const definition = await house.features.viewOf(view, caller)
  const online = await house.features.onlineRows({ view, keys }, caller)
  const order = names.map((n) => online.names.indexOf(n))
  let next = 0
  return {
    at: online.at,
    rows: rows.map((row) => {
      if ('values' in row) return given(row.values, names)
      const found = online.rows[next++]
      if (found === undefined) {
        throw new Fault(
          'not_found',
          'serving.entity_unknown',
          `${view} has no row for ${JSON.stringify(row.key)}`,
          { remedy: `the entity is ${definition.entity.join(', ')}` },
        )
      }
      return {
        key: found.key,
        name: keyText(definition.entity, found.key),
        values: order.map((i) => found.values[i] ?? null),
      }
    }),
  }
}

function given(values: readonly number[], names: readonly string[]) {
  if (values.length === names.length) return { key: undefined, name: values.join(), values }
  throw new Fault(
    'invalid',
    'serving.features_wrong',
    `a row has ${values.length} values; the model takes ${names.length}: ${names.join(', ')}`,
  )
}

async function answer(
  house: House,
  live: Live,
  asked: Asked & { readonly timeoutMs: number },
): Promise<Float32Array> {
  const started = performance.now()
  const flat = new Float32Array(asked.rows.length * live.features.length)
  asked.rows.forEach((row, i) => {
    flat.set(
      row.values.map((v) => v ?? Number.NaN),
      i * live.features.length,
    )
  })
  try {
    const values = await within(asked.timeoutMs, house.onnx.predict(live.file, flat, asked.rows.length))
    live.count(performance.now() - started, false)
    return values
  } catch (error) {
    live.count(performance.now() - started, true)
    throw error
  }
}

/** An answer that comes too late is none: whoever asked has gone on. */
async function within<T>(timeoutMs: number, answering: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () =>
        reject(
          new Fault('unavailable', 'serving.timeout', `the model did not answer within ${timeoutMs} ms`, {
            remedy: 'send fewer rows at once, or give the endpoint a longer runtime.timeout',
          }),
        ),
      timeoutMs,
    )
  })
  try {
    return await Promise.race([answering, late])
  } finally {
    clearTimeout(timer)
    answering.catch(() => undefined)
  }
}

/** A window of labels closed: the rollout's analysis looks, and the rollout goes on, holds, or goes back. */
async function onWindowClosed(
  house: House,
  { endpoint, toMs }: { endpoint: string; toMs: number },
  caller: Caller,
): Promise<void> {
  const route = house.routes.get(`${caller.project}/${endpoint}`)
  const rollout = route?.rollout
  if (route === undefined || rollout === undefined || toMs <= rollout.started_at) return
  const definition = route.definition.rollout
  if (rollout.state === 'baking') {
    const bakeMs = definition.rollback.also_for === undefined ? 0 : durationMs(definition.rollback.also_for)
    if (toMs - rollout.moved_at >= bakeMs) await settle(house, route, rollout)
    return
  }
  const candidate = route.candidate as Live
  const sinceMs = rollout.started_at
  const quality = (live: Live) => house.qualityOf({ endpoint, revision: live.row.number, sinceMs }, caller)
  const findings = analyse(
    definition.analysis,
    candidate.measured(await quality(candidate)),
    route.stable.measured(await quality(route.stable)),
  )
  const step = definition.steps[rollout.step]
  const windows = rollout.windows + 1
  const decision = decide(findings, windows, step)
  if (decision === 'roll_back' && definition.rollback.auto) {
    const bad = findings
      .filter((f) => f.verdict === 'fail')
      .map((f) => f.sentence)
      .join('; ')
    await backOut(house, route, rollout, { reason: bad, findings }, caller)
  } else if (decision === 'advance') await advance(house, route, { ...rollout }, findings, caller)
  else await hold(house, route, rollout, { windows, findings })
}

async function hold(
  house: House,
  route: Route,
  rollout: RolloutRow,
  { windows, findings }: { windows: number; findings: Finding[] },
): Promise<void> {
  const set = { windows, findings: JSON.stringify(findings) }
  await house.db.commit([house.store.moveRollout(rollout, set)])
  route.rollout = { ...rollout, ...set }
}

async function advance(
  house: House,
  route: Route,
  rollout: RolloutRow,
  findings: Finding[],
  caller: Caller,
): Promise<void> {
  const at = (await house.clockOf(caller.project)).now()
  const next = rollout.step + 1
  const step = route.definition.rollout.steps[next]
  const candidate = route.candidate as Live
  const action = step === undefined ? 'promote' : 'advance'
  const set: Partial<RolloutRow> = {
    state: rolloutLife.next(rollout.state, action),
    step: next,
    windows: 0,
    findings: JSON.stringify(findings),
    moved_at: at,
  }
  const moved = { ...rollout, ...set }
  const sentence = findings.map((f) => f.sentence).join('; ')
  const unit = [
    house.store.moveRollout(rollout, set),
    movedFact(house, caller, candidate.row, moved, sentence, at),
  ]
  if (step === undefined) {
    unit.push(house.store.putRoute(rollout.project, rollout.endpoint, candidate.row.number))
    unit.push(
      house.events.record(caller, {
        type: rolloutPromoted,
        subject: subjectOf(candidate.row),
        payload: { ...aboutOf(candidate.row), from: rollout.stable },
        atMs: at,
      }),
    )
  }
  await house.db.commit(unit)
  if (step !== undefined) {
    Object.assign(route, { rollout: moved, weight: weightOf(step) })
    return
  }
  Object.assign(route, { stable: candidate, candidate: undefined, rollout: moved, weight: 0 })
  await promoteAlias(house, route.definition, candidate.row, caller)
}

async function settle(house: House, route: Route, rollout: RolloutRow): Promise<void> {
  await house.db.commit([
    house.store.moveRollout(rollout, { state: rolloutLife.next(rollout.state, 'settle') }),
  ])
  route.rollout = undefined
}

/** The candidate leaves; the stable revision, which answered all along, answers everything. */
async function backOut(
  house: House,
  route: Route,
  rollout: RolloutRow,
  why: { reason: string; findings?: Finding[] },
  caller: Caller,
): Promise<void> {
  const at = (await house.clockOf(caller.project)).now()
  const candidate = (route.candidate ?? route.stable).row
  // Memory first: the wrong answers end now, whatever the disk does.
  Object.assign(route, { candidate: undefined, rollout: undefined, weight: 0 })
  const set: Partial<RolloutRow> = {
    state: rolloutLife.next(rollout.state, 'roll_back'),
    reason: why.reason,
    moved_at: at,
    ...(why.findings === undefined ? {} : { findings: JSON.stringify(why.findings) }),
  }
  const payload = { ...aboutOf(candidate), to: rollout.stable, reason: why.reason }
  await house.db.commit([
    house.store.moveRollout(rollout, set),
    house.events.record(caller, { type: rolledBack, subject: subjectOf(candidate), payload, atMs: at }),
  ])
}

/** Points back to an earlier revision at once: no build, no steps. */
async function rollback(
  house: House,
  command: { endpoint: string; to?: number; reason: string },
  caller: Caller,
): Promise<{ from: number; to: number; ms: number }> {
  const started = performance.now()
  const route = routeOf(house, command.endpoint, caller)
  const from = (route.candidate ?? route.stable).row.number
  if (route.rollout !== undefined && route.candidate !== undefined && command.to === undefined) {
    await backOut(house, route, route.rollout, { reason: command.reason }, caller)
    return { from, to: route.stable.row.number, ms: performance.now() - started }
  }
  const revisions = await house.store.revisions(caller.project, command.endpoint)
  const target = command.to === undefined ? await lastGood(house, route, caller) : command.to
  const row = revisions.find((r) => r.number === target)
  if (row === undefined)
    throw new Fault(
      'precondition_failed',
      'serving.no_earlier_revision',
      `${command.endpoint} has no revision to go back to`,
    )
  const live = await load(house, row)
  const at = (await house.clockOf(caller.project)).now()
  const before = route.stable.row
  const open = route.rollout
  Object.assign(route, { stable: live, candidate: undefined, rollout: undefined, weight: 0 })
  const unit = [
    house.store.putRoute(caller.project, command.endpoint, row.number),
    house.events.record(caller, {
      type: rolledBack,
      subject: subjectOf(before),
      payload: { ...aboutOf(before), to: row.number, reason: command.reason },
      atMs: at,
    }),
  ]
  if (open !== undefined)
    unit.push(
      house.store.moveRollout(open, {
        state: rolloutLife.next(open.state, 'roll_back'),
        reason: command.reason,
        moved_at: at,
      }),
    )
  await house.db.commit(unit)
  await promoteAlias(house, route.definition, row, caller)
  return { from, to: row.number, ms: performance.now() - started }
}

/** The revision that was stable before the one that is. */
async function lastGood(house: House, route: Route, caller: Caller): Promise<number | undefined> {
  const rollouts = await house.store.rollouts(caller.project, route.stable.row.endpoint, 50)
  return rollouts.find((r) => r.revision === route.stable.row.number)?.stable ?? undefined
}

function routeOf(house: House, endpoint: string, caller: Caller): Route {
  const route = house.routes.get(`${caller.project}/${endpoint}`)
  if (route !== undefined) return route
  throw new Fault('not_found', 'serving.not_deployed', `nothing is deployed to endpoint ${endpoint}`, {
    remedy: `headrace deploy MODEL@VERSION --to ${endpoint}`,
  })
}

async function statusOf(house: House, endpoint: string, caller: Caller): Promise<EndpointStatus> {
  const definition = await definitionOf(house, endpoint, caller)
  const route = house.routes.get(`${caller.project}/${endpoint}`)
  const [rollout] = await house.store.rollouts(caller.project, endpoint, 1)
  const live = route?.stable
  return {
    name: endpoint,
    model: definition.model,
    ...(live === undefined ? {} : { stable: revisionOf(live.row) }),
    ...(rollout === undefined ? {} : { rollout: rolloutOf(rollout, definition) }),
    revisions: (await house.store.revisions(caller.project, endpoint)).map(revisionOf),
    requests: live?.requests ?? 0,
    errors: live?.errors ?? 0,
    latencyP95Ms: live?.latencyP95Ms() ?? null,
  }
}

const revisionRow = (
  endpoint: string,
  version: ModelVersion,
  { number, at, caller }: { number: number; at: number; caller: Caller },
): RevisionRow => ({
  project: caller.project,
  endpoint,
  number,
  id: newId(),
  model: version.model,
  version: version.version,
  onnx: onnxOf(version),
  view: version.view,
  features: JSON.stringify(version.features),
  created_at: at,
  created_by: caller.actor.name,
})
const aboutOf = (row: RevisionRow) => ({
  endpoint: row.endpoint,
  revision: row.number,
  model: row.model,
  version: row.version,
})
const subjectOf = (row: RevisionRow) => `endpoint:${row.endpoint}@${row.number}`
const movedFact = (
  house: House,
  caller: Caller,
  row: RevisionRow,
  rollout: RolloutRow,
  sentence: string,
  atMs: number,
): Statement =>
  house.events.record(caller, {
    type: rolloutMoved,
    subject: subjectOf(row),
    payload: {
      ...aboutOf(row),
      state: rollout.state,
      weight: house.routes.get(`${row.project}/${row.endpoint}`)?.weight ?? 0,
      sentence,
    },
    atMs,
  })
const revisionOf = (row: RevisionRow): Revision => ({
  id: row.id,
  number: row.number,
  model: row.model,
  version: row.version,
  view: row.view,
  features: JSON.parse(row.features),
  createdAt: row.created_at,
  createdBy: row.created_by,
})
const rolloutOf = (row: RolloutRow, definition: EndpointDefinition): Rollout => ({
  id: row.id,
  revision: row.revision,
  stable: row.stable,
  state: row.state,
  step: row.step,
  windows: row.windows,
  weight: rolloutLife.isFinal(row.state) ? 0 : weightOf(definition.rollout.steps[row.step]),
  reason: row.reason,
  findings: JSON.parse(row.findings),
  startedAt: row.started_at,
  movedAt: row.moved_at,
})
