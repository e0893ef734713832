/** Searches of runs as SQL: each clause an indexed probe, pages by keyset. All decided by the database, none row by row here. */
import { type RawBuilder, sql } from 'kysely'
import { compared, type Db } from '#platform/db/index.ts'
import type { RunClause, RunOrder, Stage } from './model.ts'
import type { RunRow, Tables } from './store.ts'

export interface RunSearch {
  readonly experiments: readonly number[]
  readonly stages: readonly Stage[]
  readonly clauses: readonly RunClause[]
  readonly orders: readonly RunOrder[]
  readonly limit: number
  /** The order values of the last row of the page before. */
  readonly after?: readonly (string | number | null)[] | undefined
}
export type FoundRun = RunRow & Readonly<Record<string, string | number | null>>
type Sql = RawBuilder<unknown>
interface Term {
  readonly value: Sql
  readonly ascending: boolean
}

export async function searchRuns(db: Db, project: string, search: RunSearch): Promise<FoundRun[]> {
  const t = db.tables<Tables>()
  const joins: Sql[] = []
  const terms = [...search.orders.flatMap((order, i) => termsOf(order, i, joins)), ...tieBreak]
  const keys = terms.map((term, i) => sql`${term.value} as ${sql.ref(`k${i}`)}`)
  const where = [
    sql`r.project = ${project}`,
    sql`r.experiment_id in (${sql.join([...search.experiments])})`,
    sql`r.stage in (${sql.join([...search.stages])})`,
    ...search.clauses.map((clause) => conditionOf(clause, db.dialect)),
    ...(search.after === undefined ? [] : [beyond(terms, search.after)]),
  ]
  const order = terms.map(({ value, ascending }) => sql`${value} ${sql.raw(ascending ? 'asc' : 'desc')}`)
  const query = sql`select r.*, ${sql.join(keys)} from experiments_runs r ${sql.join(joins, sql` `)}
    where ${sql.join(where, sql` and `)} order by ${sql.join(order)} limit ${search.limit}`
  return db.read<FoundRun>({ compile: () => query.compile(t) })
}
export const keyOf = (row: FoundRun): (string | number | null)[] =>
  Object.keys(row)
    .filter((name) => /^k\d+$/.test(name))
    .sort((a, b) => Number(a.slice(1)) - Number(b.slice(1)))
    .map((name) => row[name] ?? null)

const tieBreak: Term[] = [
  { value: sql`r.started_at`, ascending: false },
  { value: sql`r.id`, ascending: true },
]
const columns: Record<string, string> = {
  run_id: 'r.id',
  run_name: 'r.name',
  status: 'upper(r.status)',
  user_id: 'coalesce(r.user_id, r.started_by)',
  start_time: 'r.started_at',
  end_time: 'r.ended_at',
  artifact_uri: "'mlflow-artifacts:/' || r.experiment_id || '/' || r.id || '/artifacts'",
}
const columnOf = (key: string): Sql => sql.raw(columns[key] ?? 'r.id')

/** Values first, then NaN, then what is missing, whichever the direction. */
function termsOf({ entity, key, ascending }: RunOrder, at: number, joins: Sql[]): Term[] {
  const alias = `o${at}`
  const value = (column: string) => sql.ref(`${alias}.${column}`)
  if (entity === 'attribute') {
    const column = columnOf(key)
    return [
      { value: sql`case when ${column} is null then 1 else 0 end`, ascending: true },
      {
        value: key.endsWith('_time') ? sql`coalesce(${column}, 0)` : sql`coalesce(${column}, '')`,
        ascending,
      },
    ]
  }
  if (entity === 'metric') {
    joins.push(sql`left join experiments_latest ${sql.raw(alias)} on ${value('project')} = r.project
      and ${value('run')} = r.id and ${value('key')} = ${key}`)
    return [
      {
        value: sql`case when ${value('value')} is null then 2 when ${value('special')} = 1 then 1 else 0 end`,
        ascending: true,
      },
      { value: sql`coalesce(${value('value')}, 0)`, ascending },
    ]
  }
  joins.push(sql`left join experiments_values ${sql.raw(alias)} on ${value('project')} = r.project
    and ${value('run')} = r.id and ${value('kind')} = ${sql.lit(entity)} and ${value('key')} = ${key}`)
  return [
    { value: sql`case when ${value('value')} is null then 1 else 0 end`, ascending: true },
    { value: sql`coalesce(${value('value')}, '')`, ascending },
  ]
}

/** Rows that come after these values in the order of the terms. */
function beyond(terms: readonly Term[], after: readonly (string | number | null)[]): Sql {
  const steps = terms.map((term, i) => {
    const same = terms.slice(0, i).map((before, k) => sql`${before.value} = ${after[k] ?? null}`)
    const further = sql`${term.value} ${sql.raw(term.ascending ? '>' : '<')} ${after[i] ?? null}`
    return sql`(${sql.join([...same, further], sql` and `)})`
  })
  return sql`(${sql.join(steps, sql` or `)})`
}

function conditionOf(clause: RunClause, dialect: Db['dialect']): Sql {
  const { entity, key } = clause
  if (entity === 'attribute') return compared(columnOf(key), clause, dialect)
  if (entity === 'metric') {
    const notNan = clause.comparator === '!=' ? sql`` : sql`and m.special <> 1`
    return sql`exists (select 1 from experiments_latest m where m.project = r.project and m.run = r.id
      and m.key = ${key} ${notNan} and ${compared(sql`m.value`, clause, dialect)})`
  }
  if (entity === 'dataset') {
    const column = sql.raw(key === 'name' ? 'i.name' : key === 'digest' ? 'i.digest' : 'i.context')
    return sql`exists (select 1 from experiments_inputs i where i.project = r.project and i.run = r.id
      and i.kind = 'dataset' and ${compared(column, clause, dialect)})`
  }
  const of = sql`select 1 from experiments_values v where v.project = r.project and v.run = r.id
    and v.kind = ${sql.lit(entity)} and v.key = ${key}`
  if (clause.comparator === 'IS NULL') return sql`not exists (${of})`
  if (clause.comparator === 'IS NOT NULL') return sql`exists (${of})`
  return sql`exists (${of} and ${compared(sql`v.value`, clause, dialect)})`
}
