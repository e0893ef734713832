/** Logged models: what a training program calls a model, before anybody registers it. Its files lie with the others. */
import { randomBytes } from 'node:crypto'
import { type RawBuilder, sql } from 'kysely'
import type { Caller } from '#base/caller.ts'
import { Fault, isFault } from '#base/errors.ts'
import { type Compilable, type Comparison, compared, type Db, statement } from '#platform/db/index.ts'
import type { Events } from '#platform/events/index.ts'
import { modelChanged } from './events.ts'
import type { KeyValue, LoggedMetric } from './model.ts'
import type { Experiments } from './operations.ts'
import type { PointRow } from './store.ts'

export const loggedModelStatuses = ['PENDING', 'READY', 'FAILED'] as const
export type LoggedModelStatus = (typeof loggedModelStatuses)[number]
export interface LoggedModel {
  readonly id: string
  readonly experimentId: string
  readonly name: string
  readonly modelType: string | undefined
  readonly sourceRun: string | undefined
  readonly status: LoggedModelStatus
  readonly createdAt: number
  readonly updatedAt: number
  readonly artifactUri: string
  readonly params: readonly KeyValue[]
  readonly tags: readonly KeyValue[]
  readonly metrics: readonly (LoggedMetric & { readonly run: string })[]
}
export interface ModelClause extends Comparison {
  readonly entity: 'attribute' | 'param' | 'tag' | 'metric'
  readonly key: string
}
export interface DatasetRef {
  readonly name: string
  readonly digest: string | undefined
}
export interface ModelOrder {
  readonly entity: 'attribute' | 'metric'
  readonly key: string
  readonly ascending: boolean
  readonly dataset?: DatasetRef | undefined
}
interface ModelRow {
  project: string
  id: string
  experiment_id: number
  name: string
  model_type: string | null
  source_run: string | null
  status: LoggedModelStatus
  created_at: number
  updated_at: number
  deleted_at: number | null
}
interface ValueRow {
  project: string
  model: string
  kind: 'param' | 'tag'
  key: string
  value: string
}
interface Tables {
  experiments_models: ModelRow
  experiments_model_values: ValueRow
  experiments_points: PointRow
}
type Sql = RawBuilder<unknown>
const metricsMax = 10_000

export interface LoggedModelsDeps {
  readonly db: Db
  readonly events: Pick<Events, 'record'>
  readonly experiments: Pick<Experiments, 'getExperiment'>
}
export function openLoggedModels(deps: LoggedModelsDeps) {
  const store = { ...modelQueries(deps.db), ...modelStatements(deps.db) }
  const rowOf = async (id: string, caller: Caller): Promise<ModelRow> => {
    const row = await store.model(caller.project, id)
    if (row !== undefined) return row
    throw new Fault('not_found', 'experiments.model_not_found', `Logged model with ID '${id}' not found.`)
  }
  const whole = async (rows: readonly ModelRow[], project: string): Promise<LoggedModel[]> => {
    if (rows.length === 0) return []
    const ids = rows.map((row) => row.id)
    const [values, points] = await Promise.all([store.values(project, ids), store.points(project, ids)])
    const [v, p] = [Map.groupBy(values, (one) => one.model), Map.groupBy(points, (one) => one.model_id)]
    return rows.map((row) => modelFrom(row, v.get(row.id) ?? [], p.get(row.id) ?? []))
  }
  const get = async ({ id }: { id: string }, caller: Caller): Promise<LoggedModel> =>
    (await whole([await rowOf(id, caller)], caller.project))[0] as LoggedModel
  return {
    get,
    ...modelChanges({ ...deps, store, rowOf, get }),
    async search(
      command: Omit<Search, 'experimentIds'> & { readonly experimentIds: readonly string[] },
      caller: Caller,
    ): Promise<{ models: LoggedModel[]; isMore: boolean }> {
      const experimentIds = command.experimentIds.map(Number).filter(Number.isSafeInteger)
      if (experimentIds.length === 0) return { models: [], isMore: false }
      const rows = await store.search(caller.project, { ...command, experimentIds, limit: command.limit + 1 })
      const models = await whole(rows.slice(0, command.limit), caller.project)
      return { models, isMore: rows.length > command.limit }
    },
  }
}
export type LoggedModels = ReturnType<typeof openLoggedModels>

interface Changing extends LoggedModelsDeps {
  readonly store: ReturnType<typeof modelStatements>
  readonly rowOf: (id: string, caller: Caller) => Promise<ModelRow>
  readonly get: (ref: { id: string }, caller: Caller) => Promise<LoggedModel>
}
function modelChanges({ db, events, experiments, store, rowOf, get }: Changing) {
  const changed = (id: string, change: 'created' | 'finished' | 'deleted', caller: Caller) =>
    events.record(caller, {
      type: modelChanged,
      subject: `logged-model:${id}`,
      payload: { model: id, change },
    })
  return {
    async create(
      command: {
        experimentId: string
        name: string
        modelType?: string | undefined
        sourceRun?: string | undefined
        params: readonly KeyValue[]
        tags: readonly KeyValue[]
      },
      caller: Caller,
    ): Promise<LoggedModel> {
      await experiments.getExperiment({ id: command.experimentId }, caller)
      const now = Date.now()
      const row: ModelRow = {
        project: caller.project,
        id: `m-${randomBytes(16).toString('hex')}`,
        experiment_id: Number(command.experimentId),
        name: command.name,
        model_type: command.modelType ?? null,
        source_run: command.sourceRun ?? null,
        status: 'PENDING',
        created_at: now,
        updated_at: now,
        deleted_at: null,
      }
      await db.commit([
        store.insert(row),
        ...store.setValues(row, 'param', command.params),
        ...store.setValues(row, 'tag', command.tags),
        changed(row.id, 'created', caller),
      ])
      return get({ id: row.id }, caller)
    },
    async finish(
      { id, status }: { id: string; status: LoggedModelStatus },
      caller: Caller,
    ): Promise<LoggedModel> {
      const row = await rowOf(id, caller)
      const change = store.change(row, { status, updated_at: Date.now() })
      await db.commit([change, changed(id, 'finished', caller)])
      return get({ id }, caller)
    },
    /** Soft: the row stays, and nobody finds it. */
    async remove({ id }: { id: string }, caller: Caller): Promise<void> {
      const row = await rowOf(id, caller)
      await db.commit([store.change(row, { deleted_at: Date.now() }), changed(id, 'deleted', caller)])
    },
    ...valueChanges({ db, store, rowOf, get }),
  }
}

function valueChanges({ db, store, rowOf, get }: Pick<Changing, 'db' | 'store' | 'rowOf' | 'get'>) {
  return {
    async setTags(
      { id, tags }: { id: string; tags: readonly KeyValue[] },
      caller: Caller,
    ): Promise<LoggedModel> {
      const row = await rowOf(id, caller)
      await db.commit([store.change(row, { updated_at: Date.now() }), ...store.setValues(row, 'tag', tags)])
      return get({ id }, caller)
    },
    async deleteTag({ id, key }: { id: string; key: string }, caller: Caller): Promise<void> {
      const row = await rowOf(id, caller)
      await db.commit([store.deleteTag(row, key)]).catch((error) => {
        if (!isFault(error, 'db.guard_failed')) throw error
        throw new Fault(
          'not_found',
          'experiments.tag_not_found',
          `No tag with key '${key}' for model with ID '${id}'.`,
        )
      })
    },
    async logParams(
      { id, params }: { id: string; params: readonly KeyValue[] },
      caller: Caller,
    ): Promise<void> {
      const row = await rowOf(id, caller)
      await db.commit([
        store.change(row, { updated_at: Date.now() }),
        ...store.setValues(row, 'param', params),
      ])
    },
  }
}

interface Search {
  readonly experimentIds: readonly number[]
  readonly clauses: readonly ModelClause[]
  readonly datasets: readonly DatasetRef[]
  readonly orders: readonly ModelOrder[]
  readonly limit: number
  readonly offset: number
}

function modelQueries(db: Db) {
  const t = db.tables<Tables>()
  return {
    model: (project: string, id: string) =>
      db.readFirst<ModelRow>(
        t
          .selectFrom('experiments_models')
          .selectAll()
          .where('project', '=', project)
          .where('id', '=', id)
          .where('deleted_at', 'is', null) as Compilable<ModelRow>,
      ),
    values: (project: string, models: readonly string[]) =>
      db.read<ValueRow>(
        t
          .selectFrom('experiments_model_values')
          .selectAll()
          .where('project', '=', project)
          .where('model', 'in', [...models])
          .orderBy('key') as Compilable<ValueRow>,
      ),
    points: (project: string, models: readonly string[]) =>
      db.read<PointRow>(
        t
          .selectFrom('experiments_points')
          .selectAll()
          .where('project', '=', project)
          .where('model_id', 'in', [...models])
          .orderBy('key')
          .orderBy('timestamp')
          .limit(metricsMax) as Compilable<PointRow>,
      ),
    search(project: string, { experimentIds, clauses, datasets, orders, limit, offset }: Search) {
      const where = [
        sql`m.project = ${project}`,
        sql`m.deleted_at is null`,
        sql`m.experiment_id in (${sql.join([...experimentIds])})`,
        ...clauses.map((clause) => conditionOf(clause, datasets, db.dialect)),
      ]
      const by = [...orders.flatMap(orderOf), sql`m.created_at desc`, sql`m.id`]
      const query = sql`select m.* from experiments_models m where ${sql.join(where, sql` and `)}
        order by ${sql.join(by)} limit ${limit} offset ${offset}`
      return db.read<ModelRow>({ compile: () => query.compile(t) })
    },
  }
}

function modelStatements(db: Db) {
  const t = db.tables<Tables>()
  return {
    insert: (row: ModelRow) => statement(t.insertInto('experiments_models').values(row)),
    change: ({ project, id }: ModelRow, changes: Partial<ModelRow>) =>
      statement(
        t
          .updateTable('experiments_models')
          .set(changes)
          .where('project', '=', project)
          .where('id', '=', id)
          .where('deleted_at', 'is', null),
        1,
      ),
    setValues: ({ project, id }: ModelRow, kind: 'param' | 'tag', pairs: readonly KeyValue[]) =>
      pairs.map(({ key, value }) =>
        statement(
          t
            .insertInto('experiments_model_values')
            .values({ project, model: id, kind, key, value })
            .onConflict((c) => c.columns(['project', 'model', 'kind', 'key']).doUpdateSet({ value })),
        ),
      ),
    deleteTag: ({ project, id }: ModelRow, key: string) =>
      statement(
        t
          .deleteFrom('experiments_model_values')
          .where('project', '=', project)
          .where('model', '=', id)
          .where('kind', '=', 'tag')
          .where('key', '=', key),
        1,
      ),
  }
}

const columns: Record<string, string> = {
  name: 'm.name',
  model_id: 'm.id',
  model_type: 'm.model_type',
  status: 'm.status',
  source_run_id: 'm.source_run',
  creation_timestamp: 'm.created_at',
  last_updated_timestamp: 'm.updated_at',
}
const columnOf = (key: string): Sql => sql.raw(columns[key] ?? 'm.id')

function ofDatasets(datasets: readonly DatasetRef[]): Sql {
  if (datasets.length === 0) return sql``
  const each = datasets.map(({ name, digest }) =>
    digest === undefined
      ? sql`p.dataset_name = ${name}`
      : sql`(p.dataset_name = ${name} and p.dataset_digest = ${digest})`,
  )
  return sql`and (${sql.join(each, sql` or `)})`
}

function conditionOf(clause: ModelClause, datasets: readonly DatasetRef[], dialect: Db['dialect']): Sql {
  const { entity, key } = clause
  if (entity === 'attribute') return compared(columnOf(key), clause, dialect)
  if (entity === 'metric')
    return sql`exists (select 1 from experiments_points p where p.project = m.project and p.model_id = m.id
      and p.key = ${key} and p.special <> 1 ${ofDatasets(datasets)} and ${compared(sql`p.value`, clause, dialect)})`
  const of = sql`select 1 from experiments_model_values v where v.project = m.project and v.model = m.id
    and v.kind = ${sql.lit(entity)} and v.key = ${key}`
  if (clause.comparator === 'IS NULL') return sql`not exists (${of})`
  if (clause.comparator === 'IS NOT NULL') return sql`exists (${of})`
  return sql`exists (${of} and ${compared(sql`v.value`, clause, dialect)})`
}

/** What has no value comes last, whichever the direction. */
function orderOf({ entity, key, ascending, dataset }: ModelOrder): Sql[] {
  const direction = sql.raw(ascending ? 'asc' : 'desc')
  const value =
    entity === 'attribute'
      ? columnOf(key)
      : sql`(select p.value from experiments_points p where p.project = m.project and p.model_id = m.id
          and p.key = ${key} and p.special <> 1 ${ofDatasets(dataset === undefined ? [] : [dataset])}
          order by p.step desc, p.timestamp desc, p.value desc limit 1)`
  return [sql`case when ${value} is null then 1 else 0 end`, sql`${value} ${direction}`]
}

const modelFrom = (row: ModelRow, values: readonly ValueRow[], points: readonly PointRow[]): LoggedModel => {
  const pairs = (kind: string) =>
    values.filter((one) => one.kind === kind).map(({ key, value }) => ({ key, value }))
  return {
    id: row.id,
    experimentId: String(row.experiment_id),
    name: row.name,
    modelType: row.model_type ?? undefined,
    sourceRun: row.source_run ?? undefined,
    status: row.status,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    artifactUri: `mlflow-artifacts:/${row.experiment_id}/models/${row.id}/artifacts`,
    params: pairs('param'),
    tags: pairs('tag'),
    metrics: points.map((p) => ({
      run: p.run,
      key: p.key,
      value: p.value,
      step: p.step,
      timestamp: p.timestamp,
      special: p.special,
      modelId: p.model_id ?? undefined,
      datasetName: p.dataset_name ?? undefined,
      datasetDigest: p.dataset_digest ?? undefined,
    })),
  }
}
