/** SQL of scorers and evaluation sets. */
import { sql } from 'kysely'
import { type Compilable, compared, type Db, type Statement, statement } from '#platform/db/index.ts'
import type { EvaluationSet, Scorer, SetClause, SetRecord, SetSearch } from './judging-model.ts'

export interface ScorerRow {
  project: string
  experiment: string
  name: string
  version: number
  id: string
  body: string
  created_at: number
}
export interface SetRow {
  project: string
  id: string
  name: string
  fields: string | null
  created_at: number
  updated_at: number
  created_by: string | null
  updated_by: string | null
}
type ValueKind = 'tag' | 'experiment'
interface ValueRow {
  project: string
  set_id: string
  kind: ValueKind
  key: string
  value: string
}
export interface RecordRow {
  project: string
  set_id: string
  inputs_digest: string
  id: string
  body: string
  created_at: number
  updated_at: number
}
interface Tables {
  evaluation_scorers: ScorerRow
  evaluation_sets: SetRow
  evaluation_set_values: ValueRow
  evaluation_set_records: RecordRow
}

/** Databases bound their parameters; long lists go in pieces. */
const listMax = 500
export const inPieces = async <T, R>(all: readonly T[], read: (piece: T[]) => Promise<R[]>): Promise<R[]> => {
  const found: R[] = []
  for (let at = 0; at < all.length; at += listMax) found.push(...(await read(all.slice(at, at + listMax))))
  return found
}

export function scorerStore(db: Db) {
  const t = db.tables<Tables>()
  const of = (project: string) =>
    t.selectFrom('evaluation_scorers').selectAll().where('project', '=', project)
  return {
    /** Newest version first. */
    versions: (project: string, experiment: string, name: string): Promise<ScorerRow[]> =>
      db.read(
        of(project)
          .where('experiment', '=', experiment)
          .where('name', '=', name)
          .orderBy('version', 'desc') as Compilable<ScorerRow>,
      ),
    inExperiments: (project: string, experiments: readonly string[]): Promise<ScorerRow[]> =>
      inPieces(experiments, (piece) =>
        db.read<ScorerRow>(
          of(project)
            .where('experiment', 'in', piece)
            .orderBy('name')
            .orderBy('version') as Compilable<ScorerRow>,
        ),
      ),
    insert: (project: string, { createdAt, ...scorer }: Scorer): Statement =>
      statement(t.insertInto('evaluation_scorers').values({ project, ...scorer, created_at: createdAt })),
    drop: (project: string, { experiment, name, version }: Scorer): Statement =>
      statement(
        t
          .deleteFrom('evaluation_scorers')
          .where('project', '=', project)
          .where('experiment', '=', experiment)
          .where('name', '=', name)
          .where('version', '=', version),
      ),
  }
}

export const setStore = (db: Db) => ({
  ...setQueries(db),
  ...recordQueries(db),
  ...setStatements(db),
  ...recordStatements(db),
})

function setQueries(db: Db) {
  const t = db.tables<Tables>()
  return {
    set: (project: string, id: string): Promise<SetRow | undefined> =>
      db.readFirst(
        t
          .selectFrom('evaluation_sets')
          .selectAll()
          .where('project', '=', project)
          .where('id', '=', id) as Compilable<SetRow>,
      ),
    values: (project: string, sets: readonly string[]): Promise<ValueRow[]> =>
      inPieces(sets, (piece) =>
        db.read<ValueRow>(
          t
            .selectFrom('evaluation_set_values')
            .selectAll()
            .where('project', '=', project)
            .where('set_id', 'in', piece)
            .orderBy('key') as Compilable<ValueRow>,
        ),
      ),
    counts: (project: string, sets: readonly string[]): Promise<{ set_id: string; count: number }[]> =>
      inPieces(sets, (piece) =>
        db.read<{ set_id: string; count: number }>(
          t
            .selectFrom('evaluation_set_records')
            .select((s) => ['set_id', s.fn.countAll<number>().as('count')])
            .where('project', '=', project)
            .where('set_id', 'in', piece)
            .groupBy('set_id') as Compilable<{ set_id: string; count: number }>,
        ),
      ),
    search(project: string, { experiments, clauses, orders, limit, offset }: SetSearch): Promise<SetRow[]> {
      const where = [sql`s.project = ${project}`, ...clauses.map((clause) => conditionOf(clause, db))]
      if (experiments.length > 0)
        where.push(sql`exists (${valuesOf('experiment')} and v.key in (${sql.join([...experiments])}))`)
      const by = [
        ...orders.map(({ key, ascending }) => sql`${column(key)} ${sql.raw(ascending ? 'asc' : 'desc')}`),
        sql`s.id desc`,
      ]
      const query = sql`select s.* from evaluation_sets s where ${sql.join(where, sql` and `)}
        order by ${sql.join(by)} limit ${limit} offset ${offset}`
      return db.read<SetRow>({ compile: () => query.compile(t) })
    },
  }
}

function recordQueries(db: Db) {
  const t = db.tables<Tables>()
  const records = (project: string, set: string) =>
    t
      .selectFrom('evaluation_set_records')
      .selectAll()
      .where('project', '=', project)
      .where('set_id', '=', set)
  return {
    page: (project: string, set: string, limit: number, offset: number): Promise<RecordRow[]> =>
      db.read(
        records(project, set)
          .orderBy('created_at')
          .orderBy('id')
          .limit(limit)
          .offset(offset) as Compilable<RecordRow>,
      ),
    byDigest: (project: string, set: string, digests: readonly string[]): Promise<RecordRow[]> =>
      inPieces(digests, (piece) =>
        db.read<RecordRow>(
          records(project, set).where('inputs_digest', 'in', piece) as Compilable<RecordRow>,
        ),
      ),
    byId: (project: string, set: string, ids: readonly string[]): Promise<RecordRow[]> =>
      inPieces(ids, (piece) =>
        db.read<RecordRow>(records(project, set).where('id', 'in', piece) as Compilable<RecordRow>),
      ),
  }
}

const columns: Readonly<Record<string, string>> = {
  name: 's.name',
  created_time: 's.created_at',
  last_update_time: 's.updated_at',
  created_by: 's.created_by',
  last_updated_by: 's.updated_by',
  dataset_id: 's.id',
}
const column = (key: string) => sql.raw(columns[key] ?? 's.id')
const valuesOf = (kind: ValueKind) =>
  sql`select 1 from evaluation_set_values v where v.project = s.project and v.set_id = s.id and v.kind = ${sql.lit(kind)}`
const conditionOf = (clause: SetClause, db: Db) =>
  clause.entity === 'attribute'
    ? compared(column(clause.key), clause, db.dialect)
    : sql`exists (${valuesOf('tag')} and v.key = ${clause.key} and ${compared(sql`v.value`, clause, db.dialect)})`

function setStatements(db: Db) {
  const t = db.tables<Tables>()
  const of = (table: 'evaluation_set_values' | 'evaluation_set_records', project: string, set: string) =>
    t.deleteFrom(table).where('project', '=', project).where('set_id', '=', set)
  return {
    insertSet: (
      project: string,
      set: Pick<EvaluationSet, 'id' | 'name' | 'createdAt' | 'createdBy'>,
    ): Statement =>
      statement(
        t.insertInto('evaluation_sets').values({
          project,
          id: set.id,
          name: set.name,
          fields: null,
          created_at: set.createdAt,
          updated_at: set.createdAt,
          created_by: set.createdBy ?? null,
          updated_by: set.createdBy ?? null,
        }),
      ),
    /** Fails the unit where the set changed after it was read. */
    touchSet: (
      project: string,
      before: SetRow,
      after: { fields: string | null; updated_at: number; updated_by: string | null },
    ): Statement =>
      statement(
        t
          .updateTable('evaluation_sets')
          .set(after)
          .where('project', '=', project)
          .where('id', '=', before.id)
          .where('updated_at', '=', before.updated_at),
        1,
      ),
    putValue: (project: string, set: string, kind: ValueKind, key: string, value: string): Statement =>
      statement(
        t
          .insertInto('evaluation_set_values')
          .values({ project, set_id: set, kind, key, value })
          .onConflict((c) => c.columns(['project', 'set_id', 'kind', 'key']).doUpdateSet({ value })),
      ),
    dropValue: (project: string, set: string, kind: ValueKind, key: string): Statement =>
      statement(of('evaluation_set_values', project, set).where('kind', '=', kind).where('key', '=', key)),
    dropSet: (project: string, set: string): Statement[] => [
      statement(of('evaluation_set_records', project, set)),
      statement(of('evaluation_set_values', project, set)),
      statement(t.deleteFrom('evaluation_sets').where('project', '=', project).where('id', '=', set), 1),
    ],
  }
}

function recordStatements(db: Db) {
  const t = db.tables<Tables>()
  return {
    putRecord: (project: string, set: string, digest: string, record: SetRecord): Statement => {
      const { id, createdAt, updatedAt, ...body } = record
      const row = { id, body: JSON.stringify(body), created_at: createdAt, updated_at: updatedAt }
      return statement(
        t
          .insertInto('evaluation_set_records')
          .values({ project, set_id: set, inputs_digest: digest, ...row })
          .onConflict((c) => c.columns(['project', 'set_id', 'inputs_digest']).doUpdateSet(row)),
      )
    },
    dropRecord: (project: string, set: string, digest: string): Statement =>
      statement(
        t
          .deleteFrom('evaluation_set_records')
          .where('project', '=', project)
          .where('set_id', '=', set)
          .where('inputs_digest', '=', digest),
      ),
  }
}
