/** SQL of experiments: runs and what they log. Read next: search.ts for searches, files.ts for artifacts. */
import { type RawBuilder, sql } from 'kysely'
import { type Compilable, type Db, type Statement, statement } from '#platform/db/index.ts'
import type { KeyValue, LoggedMetric, RunInput, RunStatus, Stage } from './model.ts'
import { isLater } from './rules.ts'

export interface RunRow {
  project: string
  id: string
  experiment: string
  name: string
  status: RunStatus
  started_at: number
  ended_at: number | null
  started_by: string
  experiment_id: number
  user_id: string | null
  stage: Stage
  deleted_at: number | null
}
export interface PointRow {
  project: string
  run: string
  key: string
  step: number
  timestamp: number
  value: number
  special: number
  model_id: string | null
  dataset_name: string | null
  dataset_digest: string | null
}
interface LatestRow extends PointRow {
  experiment_id: number
  least: number | null
  greatest: number | null
}
interface ValueRow {
  project: string
  run: string
  kind: 'param' | 'tag'
  key: string
  value: string
  experiment_id: number | null
  head: string | null
}
export interface InputRow {
  project: string
  run: string
  kind: RunInput['kind']
  name: string
  digest: string
  context: string | null
  body: string
  experiment_id: number
}
export interface ExperimentRow {
  project: string
  id: number
  name: string
  artifact_location: string
  stage: Stage
  created_at: number
  updated_at: number
}
export interface Tables {
  experiments_runs: RunRow
  experiments_points: PointRow
  experiments_latest: LatestRow
  experiments_values: ValueRow
  experiments_inputs: InputRow
  experiments_experiments: ExperimentRow
  experiments_experiment_tags: { project: string; experiment: number; key: string; value: string }
}

export function experimentsStore(db: Db) {
  const t = db.tables<Tables>()
  const raw = (query: RawBuilder<unknown>): Compilable => ({ compile: () => query.compile(t) })
  /** Rows sent as one JSON text, so that one prepared statement serves batches of any size. */
  const rows = (all: readonly unknown[]) =>
    db.dialect === 'sqlite'
      ? sql`json_each(${JSON.stringify(all)}) as j`
      : sql`jsonb_array_elements(cast(${JSON.stringify(all)} as jsonb)) as j(value)`
  const text = (at: number) => sql.raw(`j.value->>${at}`)
  const whole = (at: number) => sql.raw(`cast(j.value->>${at} as bigint)`)
  const real = (at: number) => sql.raw(`cast(j.value->>${at} as double precision)`)
  const values = (project: string, run: string, kind: 'param' | 'tag', pairs: readonly KeyValue[]) =>
    sql`insert into experiments_values (project, run, kind, key, value, experiment_id, head)
      select r.project, r.id, ${sql.lit(kind)}, ${text(0)}, ${text(1)}, r.experiment_id, substr(${text(1)}, 1, 128)
      from experiments_runs r, ${rows(pairs.map((p) => [p.key, p.value]))}
      where r.project = ${project} and r.id = ${run} and r.stage = 'active'
      on conflict (project, run, kind, key) do update set value = excluded.value, head = excluded.head`
  const runQuery = (project: string, id: string) =>
    t.selectFrom('experiments_runs').selectAll().where('project', '=', project).where('id', '=', id)
  const experiments = (project: string) =>
    t.selectFrom('experiments_experiments').selectAll().where('project', '=', project)
  return {
    run: (project: string, id: string) => db.readFirst<RunRow>(runQuery(project, id) as Compilable<RunRow>),
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
        .where('stage', '=', 'active')
      if (experiment !== undefined) query = query.where('experiment', '=', experiment)
      return db.read(
        query.orderBy('started_at', 'desc').orderBy('id', 'desc').limit(limit) as Compilable<RunRow>,
      )
    },
    latest: (project: string, runs: readonly string[]): Promise<LatestRow[]> =>
      db.read(
        t
          .selectFrom('experiments_latest')
          .selectAll()
          .where('project', '=', project)
          .where('run', 'in', [...runs])
          .orderBy('key') as Compilable<LatestRow>,
      ),
    values: (project: string, runs: readonly string[]): Promise<ValueRow[]> =>
      db.read(
        t
          .selectFrom('experiments_values')
          .selectAll()
          .where('project', '=', project)
          .where('run', 'in', [...runs])
          .orderBy('key') as Compilable<ValueRow>,
      ),
    inputs: (project: string, runs: readonly string[]): Promise<InputRow[]> =>
      db.read(
        t
          .selectFrom('experiments_inputs')
          .selectAll()
          .where('project', '=', project)
          .where('run', 'in', [...runs]) as Compilable<InputRow>,
      ),
    /** MLflow's order of a history: timestamp, step, value. */
    points(project: string, run: string, key: string, page: { limit: number; offset: number }) {
      return db.read<PointRow>(
        t
          .selectFrom('experiments_points')
          .selectAll()
          .where('project', '=', project)
          .where('run', '=', run)
          .where('key', '=', key)
          .orderBy('timestamp')
          .orderBy('step')
          .orderBy('value')
          .limit(page.limit)
          .offset(page.offset) as Compilable<PointRow>,
      )
    },
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
    changeRun: (project: string, id: string, changes: Partial<RunRow>): Statement =>
      statement(
        t.updateTable('experiments_runs').set(changes).where('project', '=', project).where('id', '=', id),
        1,
      ),
    stageRunsOf: (project: string, experiment: number, from: Stage, changes: Partial<RunRow>): Statement =>
      statement(
        t
          .updateTable('experiments_runs')
          .set(changes)
          .where('project', '=', project)
          .where('experiment_id', '=', experiment)
          .where('stage', '=', from),
      ),
    /** Points, each kept once, and the aggregates of their keys: only where the run is there and active. */
    logMetrics(project: string, run: string, metrics: readonly LoggedMetric[]): Statement[] {
      const keys = aggregated(metrics)
      const aggregates = sql`insert into experiments_latest (project, run, key, step, timestamp, value, special, model_id,
          dataset_name, dataset_digest, least, greatest, experiment_id)
        select r.project, r.id, ${text(0)}, ${whole(1)}, ${whole(2)}, ${real(3)}, ${whole(4)}, ${text(5)}, ${text(6)},
          ${text(7)}, ${real(8)}, ${real(9)}, r.experiment_id
        from experiments_runs r, ${rows(keys)}
        where r.project = ${project} and r.id = ${run} and r.stage = 'active'
        on conflict (project, run, key) do update set ${keepLatest}`
      const points = sql`insert into experiments_points
          (project, run, key, step, timestamp, value, special, model_id, dataset_name, dataset_digest)
        select ${project}, ${run}, ${text(0)}, ${whole(1)}, ${whole(2)}, ${real(3)}, ${whole(4)}, ${text(5)}, ${text(6)}, ${text(7)}
        from ${rows(metrics.map(fieldsOf))} where true on conflict do nothing`
      return [statement(raw(aggregates), keys.length), statement(raw(points))]
    },
    /** A parameter is written once: another value for it fails the unit. */
    logParams: (project: string, run: string, pairs: readonly KeyValue[]): Statement =>
      statement(
        raw(sql`${values(project, run, 'param', pairs)} where experiments_values.value = excluded.value`),
        pairs.length,
      ),
    setTags: (project: string, run: string, pairs: readonly KeyValue[]): Statement =>
      statement(raw(values(project, run, 'tag', pairs)), pairs.length),
    deleteTag: (project: string, run: string, key: string): Statement =>
      statement(
        t
          .deleteFrom('experiments_values')
          .where('project', '=', project)
          .where('run', '=', run)
          .where('kind', '=', 'tag')
          .where('key', '=', key),
        1,
      ),
    putInput: (row: InputRow): Statement =>
      statement(
        t
          .insertInto('experiments_inputs')
          .values(row)
          .onConflict((c) => c.columns(['project', 'run', 'kind', 'name', 'digest']).doNothing()),
      ),
    experiment: (project: string, id: number) =>
      db.readFirst<ExperimentRow>(experiments(project).where('id', '=', id) as Compilable<ExperimentRow>),
    experimentNamed: (project: string, name: string) =>
      db.readFirst<ExperimentRow>(experiments(project).where('name', '=', name) as Compilable<ExperimentRow>),
    experiments: (project: string) =>
      db.read<ExperimentRow>(
        experiments(project).orderBy('updated_at', 'desc').orderBy('id', 'desc') as Compilable<ExperimentRow>,
      ),
    insertExperiment: (row: ExperimentRow): Statement =>
      statement(t.insertInto('experiments_experiments').values(row)),
    changeExperiment: (project: string, id: number, changes: Partial<ExperimentRow>): Statement =>
      statement(
        t
          .updateTable('experiments_experiments')
          .set(changes)
          .where('project', '=', project)
          .where('id', '=', id),
        1,
      ),
    renameRunsOf: (project: string, id: number, experiment: string): Statement =>
      statement(
        t
          .updateTable('experiments_runs')
          .set({ experiment })
          .where('project', '=', project)
          .where('experiment_id', '=', id),
      ),
    experimentTags: (project: string) =>
      db.read<{ experiment: number; key: string; value: string }>(
        t.selectFrom('experiments_experiment_tags').selectAll().where('project', '=', project) as never,
      ),
    setExperimentTag: (project: string, experiment: number, { key, value }: KeyValue): Statement =>
      statement(
        t
          .insertInto('experiments_experiment_tags')
          .values({ project, experiment, key, value })
          .onConflict((c) => c.columns(['project', 'experiment', 'key']).doUpdateSet({ value })),
      ),
    deleteExperimentTag: (project: string, experiment: number, key: string): Statement =>
      statement(
        t
          .deleteFrom('experiments_experiment_tags')
          .where('project', '=', project)
          .where('experiment', '=', experiment)
          .where('key', '=', key),
        1,
      ),
  }
}

const isNewer = sql.raw(
  '(excluded.step, excluded.timestamp, excluded.value) >= (experiments_latest.step, experiments_latest.timestamp, experiments_latest.value)',
)
const kept = ['step', 'timestamp', 'value', 'special', 'model_id', 'dataset_name', 'dataset_digest'].map(
  (c) =>
    sql`${sql.ref(c)} = case when ${isNewer} then ${sql.raw(`excluded.${c}`)} else ${sql.raw(`experiments_latest.${c}`)} end`,
)
const bound = (column: string, sign: string) =>
  sql.raw(`${column} = case when experiments_latest.${column} is null or excluded.${column} ${sign} experiments_latest.${column}
    then excluded.${column} else experiments_latest.${column} end`)
const keepLatest = sql.join([...kept, bound('least', '<'), bound('greatest', '>')])

const fieldsOf = (m: LoggedMetric) => [
  m.key,
  m.step,
  m.timestamp,
  m.value,
  m.special,
  m.modelId ?? null,
  m.datasetName ?? null,
  m.datasetDigest ?? null,
]

/** The latest, least and greatest of each key of a batch. */
function aggregated(metrics: readonly LoggedMetric[]): unknown[][] {
  return [...Map.groupBy(metrics, (m) => m.key).values()].map((all) => {
    const last = all.reduce((a, b) => (isLater(a, b) ? b : a))
    const numbers = all.filter((m) => m.special !== 1).map((m) => m.value)
    const least = numbers.reduce<number | null>((a, b) => (a === null || b < a ? b : a), null)
    const greatest = numbers.reduce<number | null>((a, b) => (a === null || b > a ? b : a), null)
    return [...fieldsOf(last), least, greatest]
  })
}
