/** Verbs of traces: take spans and infos in any order, find, tag, assess, delete. Read next: store.ts, otlp in the door. */
import { randomBytes } from 'node:crypto'
import type { Caller } from '#base/caller.ts'
import { Fault, isFault } from '#base/errors.ts'
import type { Db } from '#platform/db/index.ts'
import type { Events } from '#platform/events/index.ts'
import { assessmentChanged, tracesDeleted } from './events.ts'
import type { Assessment, Json, Span, TraceInfo, TraceSearch } from './model.ts'
import { traceFromSpans } from './rules.ts'
import { type AssessmentRow, type TraceRow, tracesStore } from './store.ts'

export interface TracesDeps {
  readonly db: Db
  readonly events: Pick<Events, 'record'>
  /** @throws Fault not_found where there is no such experiment (experiments) */
  readonly checkExperiment: (id: string, caller: Caller) => Promise<unknown>
}
export interface FoundTrace extends TraceInfo {
  readonly assessments: readonly Assessment[]
}
export type Traces = ReturnType<typeof openTraces>

const spansLocation = { 'mlflow.trace.spansLocation': 'TRACKING_STORE' }
const deletedMax = 100_000

export function openTraces(deps: TracesDeps) {
  const inner = { ...deps, store: tracesStore(deps.db) }
  return { ...ingest(inner), ...reads(inner), ...changes(inner), ...assessing(inner) }
}
type Inner = TracesDeps & { readonly store: ReturnType<typeof tracesStore> }

function ingest({ db, store, checkExperiment }: Inner) {
  return {
    /** A trace as its client knows it; spans may have come before. */
    async putTrace(info: TraceInfo, caller: Caller): Promise<void> {
      await checkExperiment(info.experimentId, caller)
      const { project } = caller
      const place = {
        'mlflow.artifactLocation': `mlflow-artifacts:/${info.experimentId}/traces/${info.id}/artifacts`,
      }
      await db.commit([
        store.putTrace(project, info, false),
        ...store.putValues(project, info.id, 'metadata', info.metadata),
        ...store.putValues(project, info.id, 'tag', { ...place, ...info.tags, ...spansLocation }),
      ])
    },
    async putSpans(
      { experimentId, spans }: { experimentId: string; spans: readonly Span[] },
      caller: Caller,
    ): Promise<void> {
      if (spans.length === 0) return
      await checkExperiment(experimentId, caller)
      const { project } = caller
      const known = new Set(
        (
          await store.traces(
            project,
            spans.map((s) => s.trace),
          )
        ).map((row) => row.id),
      )
      const byTrace = [...Map.groupBy(spans, (span) => span.trace)]
      const infos = byTrace.flatMap(([trace, all]) => {
        const info = traceFromSpans(trace, experimentId, all)
        const isWhole = !known.has(trace) || info.state !== 'IN_PROGRESS'
        const tags = { ...info.tags, ...spansLocation }
        return isWhole
          ? [store.putTrace(project, info, known.has(trace)), ...store.putValues(project, trace, 'tag', tags)]
          : []
      })
      await db.commit([...infos, ...spans.map((span) => store.putSpan(project, span))])
    },
  }
}

function reads({ store }: Inner) {
  const whole = async (rows: readonly TraceRow[], caller: Caller): Promise<FoundTrace[]> => {
    const ids = rows.map((row) => row.id)
    const [values, assessments] = await Promise.all([
      store.values(caller.project, ids),
      store.assessments(caller.project, ids),
    ])
    const [v, a] = [Map.groupBy(values, (one) => one.trace), Map.groupBy(assessments, (one) => one.trace)]
    return rows.map((row) => {
      const of = (kind: string) =>
        Object.fromEntries(
          (v.get(row.id) ?? []).filter((one) => one.kind === kind).map((one) => [one.key, one.value]),
        )
      return {
        ...infoFrom(row),
        metadata: of('metadata'),
        tags: of('tag'),
        assessments: (a.get(row.id) ?? []).map(assessmentFrom),
      }
    })
  }
  const getMany = async ({ traces }: { traces: readonly string[] }, caller: Caller): Promise<FoundTrace[]> =>
    whole(await store.traces(caller.project, traces), caller)
  return {
    getMany,
    async get({ trace }: { trace: string }, caller: Caller): Promise<FoundTrace> {
      const [found] = await getMany({ traces: [trace] }, caller)
      if (found !== undefined) return found
      throw noSuchTrace(trace)
    },
    /** Bodies of spans by trace, in the order that they began. */
    async spansOf({ traces }: { traces: readonly string[] }, caller: Caller): Promise<Map<string, string[]>> {
      const rows = await store.spans(caller.project, traces)
      return new Map(
        [...Map.groupBy(rows, (row) => row.trace)].map(([trace, all]) => [trace, all.map((row) => row.body)]),
      )
    },
    async search(search: TraceSearch, caller: Caller): Promise<{ traces: FoundTrace[]; isMore: boolean }> {
      const rows = await store.search(caller.project, { ...search, limit: search.limit + 1 })
      return { traces: await whole(rows.slice(0, search.limit), caller), isMore: rows.length > search.limit }
    },
  }
}

function changes({ db, events, store }: Inner) {
  const check = async (trace: string, caller: Caller): Promise<void> => {
    if ((await store.traces(caller.project, [trace])).length === 0) throw noSuchTrace(trace)
  }
  return {
    async setTag(
      { trace, key, value }: { trace: string; key: string; value: string },
      caller: Caller,
    ): Promise<void> {
      await check(trace, caller)
      await db.commit(store.putValues(caller.project, trace, 'tag', { [key]: value }))
    },
    async removeTag({ trace, key }: { trace: string; key: string }, caller: Caller): Promise<void> {
      await check(trace, caller)
      await db.commit([store.dropValue(caller.project, trace, 'tag', key)]).catch((error) => {
        if (!isFault(error, 'db.guard_failed')) throw error
        throw new Fault(
          'not_found',
          'traces.tag_not_found',
          `No trace tag with key '${key}' for trace with ID '${trace}'`,
        )
      })
    },
    async linkRun(
      { traces, run }: { traces: readonly string[]; run: string },
      caller: Caller,
    ): Promise<void> {
      await db.commit(traces.flatMap((trace) => store.putValues(caller.project, trace, 'run', { [run]: '' })))
    },
    /** @returns how many went */
    async remove(
      command: {
        experimentId: string
        traces: readonly string[]
        untilMs: number | undefined
        limit: number | undefined
      },
      caller: Caller,
    ): Promise<number> {
      const { experimentId, untilMs, limit = deletedMax } = command
      const experiment = Number(experimentId)
      const ids =
        untilMs === undefined
          ? (await store.traces(caller.project, command.traces))
              .filter((row) => row.experiment_id === experiment)
              .map((row) => row.id)
          : (await store.before(caller.project, experiment, untilMs, limit)).map((row) => row.id)
      if (ids.length === 0) return 0
      const payload = { experiment: experimentId, count: ids.length }
      const fact = { type: tracesDeleted, subject: `experiment:${experimentId}`, payload }
      await db.commit([...store.dropTraces(caller.project, ids), events.record(caller, fact)])
      return ids.length
    },
  }
}

function assessing({ db, events, store }: Inner) {
  const find = async (trace: string, id: string, caller: Caller): Promise<Assessment> => {
    const found = (await store.assessments(caller.project, [trace])).find((row) => row.id === id)
    if (found !== undefined) return assessmentFrom(found)
    throw new Fault(
      'not_found',
      'traces.assessment_not_found',
      `Assessment with ID '${id}' not found for trace '${trace}'`,
    )
  }
  const fact = (one: Assessment, change: 'created' | 'changed' | 'deleted', caller: Caller) =>
    events.record(caller, {
      type: assessmentChanged,
      subject: `trace:${one.trace}`,
      payload: { trace: one.trace, assessment: one.id, name: one.name, change },
    })
  /** Another one is put aside by the one that overrides it, and counts again when that goes. */
  const overridden = async (one: Assessment, valid: boolean, caller: Caller) => {
    const { overrides } = one.body
    if (typeof overrides !== 'string' || overrides === '') return []
    return [store.putAssessment(caller.project, { ...(await find(one.trace, overrides, caller)), valid })]
  }
  return {
    assessment: ({ trace, id }: { trace: string; id: string }, caller: Caller) => find(trace, id, caller),
    async assess(
      { trace, name, body }: { trace: string; name: string; body: Json },
      caller: Caller,
    ): Promise<Assessment> {
      if ((await store.traces(caller.project, [trace])).length === 0) throw noSuchTrace(trace)
      const now = Date.now()
      const kind = body.expectation === undefined ? 'feedback' : 'expectation'
      const id = `a-${randomBytes(16).toString('hex')}`
      const one: Assessment = { id, trace, kind, name, body, valid: true, createdAt: now, updatedAt: now }
      const aside = await overridden(one, false, caller)
      await db.commit([store.putAssessment(caller.project, one), ...aside, fact(one, 'created', caller)])
      return one
    },
    async reassess(
      command: { trace: string; id: string; name?: string | undefined; changes: Json },
      caller: Caller,
    ): Promise<Assessment> {
      const before = await find(command.trace, command.id, caller)
      const kind = Object.hasOwn(command.changes, 'expectation') ? 'expectation' : 'feedback'
      const other = kind === 'feedback' ? 'expectation' : 'feedback'
      if (Object.hasOwn(command.changes, kind) && before.kind !== kind)
        throw new Fault(
          'invalid',
          'traces.assessment_kind',
          `Cannot update ${kind} value on a ${other} assessment.`,
        )
      const body = { ...before.body, ...command.changes }
      const one = { ...before, name: command.name ?? before.name, body, updatedAt: Date.now() }
      await db.commit([store.putAssessment(caller.project, one), fact(one, 'changed', caller)])
      return one
    },
    async removeAssessment({ trace, id }: { trace: string; id: string }, caller: Caller): Promise<void> {
      const one = await find(trace, id, caller)
      const back = await overridden(one, true, caller)
      await db.commit([
        store.dropAssessment(caller.project, trace, id),
        ...back,
        fact(one, 'deleted', caller),
      ])
    },
  }
}

const noSuchTrace = (trace: string) =>
  new Fault('not_found', 'traces.trace_not_found', `Trace with ID '${trace}' not found.`)
const infoFrom = (row: TraceRow): Omit<TraceInfo, 'metadata' | 'tags'> => ({
  id: row.id,
  experimentId: String(row.experiment_id),
  clientRequestId: row.client_request_id ?? undefined,
  state: row.state,
  requestedAt: row.requested_at,
  durationMs: row.duration_ms ?? undefined,
  requestPreview: row.request_preview ?? undefined,
  responsePreview: row.response_preview ?? undefined,
})
const assessmentFrom = (row: AssessmentRow): Assessment => ({
  id: row.id,
  trace: row.trace,
  kind: row.kind,
  name: row.name,
  body: JSON.parse(row.body),
  valid: row.valid === 1,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
})
