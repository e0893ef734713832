/** Verbs of experiments: start, log, end, read. Narrow now; the MLflow door widens it. */
import type { Caller } from '#base/caller.ts'
import { Fault, isFault } from '#base/errors.ts'
import { newId } from '#base/ids.ts'
import type { Db } from '#platform/db/index.ts'
import type { Events } from '#platform/events/index.ts'
import { runEnded, runStarted } from './events.ts'
import type { KeyValue, Metric, Run } from './model.ts'
import { actionTo, isLater, jsonNumber, numberOf, runLife } from './rules.ts'
import { experimentsStore, type MetricRow, type RunRow } from './store.ts'

export interface ExperimentsDeps {
  readonly db: Db
  readonly events: Events
}
export interface StartRun {
  readonly experiment: string
  readonly name?: string
  readonly tags?: readonly KeyValue[]
}
export interface LogBatch {
  readonly run: string
  readonly metrics?: readonly Metric[]
  readonly params?: readonly KeyValue[]
  readonly tags?: readonly KeyValue[]
}

// Bound parameters of one statement are limited (SQLite 32,766); seven columns a metric.
const metricsPerStatementMax = 1_000

export function openExperiments({ db, events }: ExperimentsDeps) {
  const store = experimentsStore(db)
  const rowOf = async (id: string, caller: Caller): Promise<RunRow> => {
    const row = await store.run(caller.project, id)
    if (row !== undefined) return row
    throw new Fault('not_found', 'experiments.run_not_found', `there is no run ${id}`)
  }
  return {
    async startRun({ experiment, name, tags = [] }: StartRun, caller: Caller): Promise<{ id: string }> {
      const id = newId()
      const row: RunRow = {
        project: caller.project,
        id,
        experiment,
        name: name ?? id.slice(-8),
        status: 'running',
        started_at: Date.now(),
        ended_at: null,
        started_by: caller.actor.name,
      }
      const fact = {
        type: runStarted,
        subject: `run:${id}`,
        payload: { run: id, experiment, name: row.name },
      }
      const tagged = tags.map((tag) => store.upsertTag(caller.project, id, tag.key, tag.value))
      await db.commit([store.insertRun(row), ...tagged, events.record(caller, fact)])
      return { id }
    },

    async logBatch({ run, metrics = [], params = [], tags = [] }: LogBatch, caller: Caller): Promise<void> {
      await rowOf(run, caller)
      const rows = metrics.map((m): MetricRow => {
        const value = numberOf(m.value)
        const special = Number.isFinite(value) ? null : String(value)
        const timestamp = m.timestamp ?? Date.now()
        return {
          project: caller.project,
          run,
          key: m.key,
          step: m.step,
          timestamp,
          value: special === null ? value : null,
          special,
        }
      })
      const unit = [
        ...chunks(rows, metricsPerStatementMax).map(store.insertMetrics),
        ...params.map((p) => store.insertParam(caller.project, run, p.key, p.value)),
        ...tags.map((tag) => store.upsertTag(caller.project, run, tag.key, tag.value)),
      ]
      try {
        await db.commit(unit)
      } catch (error) {
        if (!isFault(error, 'db.guard_failed')) throw error
        throw new Fault(
          'conflict',
          'experiments.param_changed',
          'a parameter of a run is written once, and it has another value',
          {
            remedy: 'log it under another name, or start another run',
          },
        )
      }
    },

    async endRun(
      { run, status }: { run: string; status: 'finished' | 'failed' | 'killed' },
      caller: Caller,
    ): Promise<void> {
      const row = await rowOf(run, caller)
      if (row.status === status) return
      const to = runLife.next(row.status, actionTo[status])
      const fact = { type: runEnded, subject: `run:${run}`, payload: { run, status: to } }
      await db.commit([
        store.moveRun(caller.project, run, row.status, to, Date.now()),
        events.record(caller, fact),
      ])
    },

    async getRun({ run }: { run: string }, caller: Caller): Promise<Run> {
      const row = await rowOf(run, caller)
      const [metrics, values] = await Promise.all([
        store.metrics(caller.project, run),
        store.values(caller.project, run),
      ])
      const kept = (kind: string) =>
        Object.fromEntries(values.filter((v) => v.kind === kind).map((v) => [v.key, v.value]))
      return { ...plainRun(row), params: kept('param'), tags: kept('tag'), metrics: latestOf(metrics) }
    },

    async searchRuns(
      { experiment, beforeMs, limit }: { experiment?: string; beforeMs?: number; limit: number },
      caller: Caller,
    ) {
      const rows = await store.runs(caller.project, experiment, beforeMs ?? Number.MAX_SAFE_INTEGER, limit)
      return { runs: rows.map(plainRun) }
    },

    async metricHistory({ run, key }: { run: string; key: string }, caller: Caller) {
      const rows = await store.metrics(caller.project, run, key)
      return {
        points: rows.map((r) => ({ step: r.step, timestamp: r.timestamp, value: jsonNumber(numberIn(r)) })),
      }
    },
  }
}
export type Experiments = ReturnType<typeof openExperiments>

const plainRun = (row: RunRow) => ({
  id: row.id,
  experiment: row.experiment,
  name: row.name,
  status: row.status,
  startedAt: row.started_at,
  ...(row.ended_at === null ? {} : { endedAt: row.ended_at }),
  startedBy: row.started_by,
})

const numberIn = (row: MetricRow): number =>
  row.special === null ? (row.value ?? Number.NaN) : numberOf(row.special)

function latestOf(rows: readonly MetricRow[]): Record<string, number | string> {
  const latest = new Map<string, { step: number; timestamp: number; value: number }>()
  for (const row of rows) {
    const point = { step: row.step, timestamp: row.timestamp, value: numberIn(row) }
    const before = latest.get(row.key)
    if (before === undefined || isLater(before, point)) latest.set(row.key, point)
  }
  return Object.fromEntries([...latest].map(([key, point]) => [key, jsonNumber(point.value)]))
}

const chunks = <T>(all: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size))
