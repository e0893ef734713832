/** All SQL of experiments. */
import { type Compilable, type Db, type Statement, statement } from '#platform/db/index.ts'
import type { RunStatus } from './model.ts'

export interface RunRow {
  project: string
  id: string
  experiment: string
  name: string
  status: RunStatus
  started_at: number
  ended_at: number | null
  started_by: string
}
export interface MetricRow {
  project: string
  run: string
  key: string
  step: number
  timestamp: number
  value: number | null
  special: string | null
}
interface ValueRow {
  project: string
  run: string
  kind: 'param' | 'tag'
  key: string
  value: string
}
interface Tables {
  experiments_runs: RunRow
  experiments_metrics: MetricRow
  experiments_values: ValueRow
}

export function experimentsStore(db: Db) {
  const t = db.tables<Tables>()
  return {
    run: (project: string, id: string): Promise<RunRow | undefined> =>
      db.readFirst(
        t
          .selectFrom('experiments_runs')
          .selectAll()
          .where('project', '=', project)
          .where('id', '=', id) as Compilable<RunRow>,
      ),
    runs(
      project: string,
      experiment: string | undefined,
      beforeMs: number,
      limit: number,
    ): Promise<RunRow[]> {
      let query = t
        .selectFrom('experiments_runs')
        .selectAll()
        .where('project', '=', project)
        .where('started_at', '<', beforeMs)
      if (experiment !== undefined) query = query.where('experiment', '=', experiment)
      return db.read(
        query.orderBy('started_at', 'desc').orderBy('id', 'desc').limit(limit) as Compilable<RunRow>,
      )
    },
    metrics: (project: string, run: string, key?: string): Promise<MetricRow[]> => {
      const all = t
        .selectFrom('experiments_metrics')
        .selectAll()
        .where('project', '=', project)
        .where('run', '=', run)
      return db.read(
        (key === undefined ? all : all.where('key', '=', key))
          .orderBy('key')
          .orderBy('step') as Compilable<MetricRow>,
      )
    },
    values: (project: string, run: string): Promise<ValueRow[]> =>
      db.read(
        t
          .selectFrom('experiments_values')
          .selectAll()
          .where('project', '=', project)
          .where('run', '=', run) as Compilable<ValueRow>,
      ),
    insertRun: (row: RunRow): Statement => statement(t.insertInto('experiments_runs').values(row)),
    moveRun: (
      project: string,
      id: string,
      from: RunStatus,
      to: RunStatus,
      endedAt: number | null,
    ): Statement =>
      statement(
        t
          .updateTable('experiments_runs')
          .set({ status: to, ended_at: endedAt })
          .where('project', '=', project)
          .where('id', '=', id)
          .where('status', '=', from),
        1,
      ),
    insertMetrics: (rows: readonly MetricRow[]): Statement =>
      statement(t.insertInto('experiments_metrics').values([...rows])),
    /** A parameter is written once: another value for it fails the unit. */
    insertParam: (project: string, run: string, key: string, value: string): Statement =>
      statement(
        t
          .insertInto('experiments_values')
          .values({ project, run, kind: 'param', key, value })
          .onConflict((c) =>
            c
              .columns(['project', 'run', 'kind', 'key'])
              .doUpdateSet({ value })
              .where('experiments_values.value', '=', value),
          ),
        1,
      ),
    upsertTag: (project: string, run: string, key: string, value: string): Statement =>
      statement(
        t
          .insertInto('experiments_values')
          .values({ project, run, kind: 'tag', key, value })
          .onConflict((c) => c.columns(['project', 'run', 'kind', 'key']).doUpdateSet({ value })),
      ),
  }
}
