/** All SQL of pipelines. Moves are compare-and-set on the state before; a step's also on its attempt, the fence. */
import { type Compilable, type Db, type Statement, statement } from '#platform/db/index.ts'
import type { RunState, StepState } from './model.ts'

export interface RunRow {
  project: string
  number: number
  pipeline: string
  state: RunState
  params: string
  trigger_kind: string
  cause: string
  trigger_key: string | null
  conflict_group: string | null
  /** The pipeline's definition and code as they were when it was queued, as JSON. */
  definition: string
  no_cache: number
  happened_at: number
  created_at: number
  started_at: number | null
  finished_at: number | null
  created_by: string
}
export interface StepRow {
  project: string
  run: number
  name: string
  position: number
  kind: string
  state: StepState
  attempt: number
  owner: string | null
  started_at: number | null
  finished_at: number | null
  summary: string
  run_id: string | null
  outputs: string
  waiting_on: string | null
  cache_key: string | null
  key_parts: string | null
  reused_from: number | null
}
interface CacheRow {
  project: string
  cache_key: string
  run: number
  step: string
  outputs: string
  summary: string
  run_id: string | null
  created_at: number
}
interface Tables {
  pipelines_runs: RunRow
  pipelines_steps: StepRow
  pipelines_cache: CacheRow
}

export function pipelinesStore(db: Db) {
  const t = db.tables<Tables>()
  const runs = t.selectFrom('pipelines_runs').selectAll()
  const steps = t.selectFrom('pipelines_steps').selectAll()
  return {
    run: (project: string, number: number): Promise<RunRow | undefined> =>
      db.readFirst(runs.where('project', '=', project).where('number', '=', number) as Compilable<RunRow>),
    runsIn: (states: readonly RunState[], project?: string): Promise<RunRow[]> => {
      const all = runs.where('state', 'in', [...states])
      return db.read(
        (project === undefined ? all : all.where('project', '=', project)).orderBy(
          'number',
        ) as Compilable<RunRow>,
      )
    },
    runs(project: string, pipeline: string | undefined, below: number, limit: number): Promise<RunRow[]> {
      let query = runs.where('project', '=', project).where('number', '<', below)
      if (pipeline !== undefined) query = query.where('pipeline', '=', pipeline)
      return db.read(query.orderBy('number', 'desc').limit(limit) as Compilable<RunRow>)
    },
    lastNumber: async (project: string): Promise<number> =>
      (
        await db.readFirst(
          t
            .selectFrom('pipelines_runs')
            .select('number')
            .where('project', '=', project)
            .orderBy('number', 'desc')
            .limit(1),
        )
      )?.number ?? 0,
    lastFired: async (project: string, pipeline: string): Promise<number | undefined> =>
      (
        await db.readFirst(
          t
            .selectFrom('pipelines_runs')
            .select('happened_at')
            .where('project', '=', project)
            .where('pipeline', '=', pipeline)
            .where('trigger_kind', '=', 'metric')
            .orderBy('number', 'desc')
            .limit(1),
        )
      )?.happened_at,
    insertRun: (row: RunRow): Statement => statement(t.insertInto('pipelines_runs').values(row)),
    moveRun: (row: RunRow, to: RunState, set: Partial<RunRow> = {}): Statement =>
      statement(
        t
          .updateTable('pipelines_runs')
          .set({ state: to, ...set })
          .where('project', '=', row.project)
          .where('number', '=', row.number)
          .where('state', '=', row.state),
        1,
      ),
    steps: (project: string, run: number): Promise<StepRow[]> =>
      db.read(
        steps
          .where('project', '=', project)
          .where('run', '=', run)
          .orderBy('position') as Compilable<StepRow>,
      ),
    waiting: (project: string, on: string): Promise<StepRow[]> =>
      db.read(
        steps
          .where('project', '=', project)
          .where('waiting_on', '=', on)
          .where('state', '=', 'waiting') as Compilable<StepRow>,
      ),
    /** The step's last run before this one that had a key. */
    earlier: (
      project: string,
      pipeline: string,
      name: string,
      before: number,
    ): Promise<StepRow | undefined> =>
      db.readFirst(
        t
          .selectFrom('pipelines_steps')
          .innerJoin('pipelines_runs', (j) =>
            j
              .onRef('pipelines_runs.project', '=', 'pipelines_steps.project')
              .onRef('pipelines_runs.number', '=', 'pipelines_steps.run'),
          )
          .selectAll('pipelines_steps')
          .where('pipelines_steps.project', '=', project)
          .where('pipelines_runs.pipeline', '=', pipeline)
          .where('pipelines_steps.name', '=', name)
          .where('pipelines_steps.run', '<', before)
          .where('pipelines_steps.key_parts', 'is not', null)
          .orderBy('pipelines_steps.run', 'desc')
          .limit(1) as Compilable<StepRow>,
      ),
    insertSteps: (rows: readonly StepRow[]): Statement =>
      statement(t.insertInto('pipelines_steps').values([...rows])),
    moveStep: (row: StepRow, to: StepState, set: Partial<StepRow> = {}): Statement =>
      statement(
        t
          .updateTable('pipelines_steps')
          .set({ state: to, ...set })
          .where('project', '=', row.project)
          .where('run', '=', row.run)
          .where('name', '=', row.name)
          .where('state', '=', row.state)
          .where('attempt', '=', row.attempt),
        1,
      ),
    cached: (project: string, key: string): Promise<CacheRow | undefined> =>
      db.readFirst(
        t
          .selectFrom('pipelines_cache')
          .selectAll()
          .where('project', '=', project)
          .where('cache_key', '=', key) as Compilable<CacheRow>,
      ),
    remember: (row: CacheRow): Statement =>
      statement(
        t
          .insertInto('pipelines_cache')
          .values(row)
          .onConflict((c) =>
            c.columns(['project', 'cache_key']).doUpdateSet({
              run: row.run,
              step: row.step,
              outputs: row.outputs,
              summary: row.summary,
              run_id: row.run_id,
            }),
          ),
      ),
  }
}
export type PipelinesStore = ReturnType<typeof pipelinesStore>
