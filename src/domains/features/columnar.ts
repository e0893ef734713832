/**
 * A view as one DuckDB query. Lags and windows are ranges of calendar days before the row's day, so that a gap in the
 * data is a gap and no row ever sees its own day or a later one.
 */
import { durationMs } from '#platform/definitions/index.ts'
import type { FeatureColumn, FeatureView } from './model.ts'

export type Codes = Readonly<Record<string, readonly string[]>>
const dayMs = 86_400_000
const q = (name: string) => `"${name.replaceAll('"', '""')}"`
const literal = (text: string) => `'${text.replaceAll("'", "''")}'`
const daysOf = (text: string) => Math.round(durationMs(text) / dayMs)

/**
 * Rows for every entity and day of `source`, and for each entity the day after the last; sorted. The values go by hidden
 * names, so that an expression can read the entity, the time and the columns before it, and never the label of its row.
 */
export function viewSql(view: FeatureView, codes: Codes): string {
  const entity = view.entity.map(q).join(', ')
  const time = q(view.time)
  const used = Object.values(view.columns).flatMap((c) =>
    'lag' in c ? [c.lag] : 'window' in c ? [c.window] : [],
  )
  const values = [...new Set([...used, ...(view.label === undefined ? [] : [view.label])])]
  const hidden = new Map(values.map((name, i) => [name, `"__${i}"`]))
  const given = values.map((name) => `, ${q(name)} as ${hidden.get(name)}`).join('')
  const empty = values.map((name) => `, null as ${hidden.get(name)}`).join('')
  const columns = Object.entries(view.columns).map(
    ([name, column]) => `, ${expression(view, column, { codes, hidden })}::double as ${q(name)}`,
  )
  const label = view.label === undefined ? '' : `, ${hidden.get(view.label)}::double as "__label"`
  return `
    with rows as (select ${entity}, ${time}::date as ${time}${given} from source),
    ahead as (select distinct ${entity}, (select max(${time}) + 1 from rows)::date as ${time}${empty} from rows),
    every as (select * from rows union all by name select * from ahead)
    select ${entity}, ${time}${columns.join('')}${label} from every order by ${entity}, ${time}`
}

interface Names {
  readonly codes: Codes
  readonly hidden: ReadonlyMap<string, string>
}

function expression(view: FeatureView, column: FeatureColumn, { codes, hidden }: Names): string {
  const over = (from: number, to: number) =>
    `over (partition by ${view.entity.map(q).join(', ')} order by ${q(view.time)} range between interval ${from} day preceding and interval ${to} day preceding)`
  if ('code' in column) {
    const cases = (codes[column.code] ?? []).map((value, i) => `when ${literal(value)} then ${i}`)
    return cases.length === 0 ? 'null' : `(case ${q(column.code)}::varchar ${cases.join(' ')} end)`
  }
  if ('lag' in column) {
    const by = daysOf(column.by)
    return `max(${hidden.get(column.lag)}) ${over(by, by)}`
  }
  if ('window' in column) {
    const until = daysOf(column.until)
    return `${column.agg}(${hidden.get(column.window)}) ${over(until + daysOf(column.over) - 1, until)}`
  }
  return `(${column.sql})`
}

/** Distinct values of the columns that get codes. */
export const distinctSql = (column: string) =>
  `select distinct ${q(column)}::varchar as value from source where ${q(column)} is not null order by value`

/** The rows of a materialised view between two days, with a label. */
export const labelledSql = (view: FeatureView) =>
  `select * from view where "__label" is not null and ${q(view.time)} >= $from::date and ${q(view.time)} <= $to::date order by ${view.entity.map(q).join(', ')}, ${q(view.time)}`

export const trainingSql = (view: FeatureView) =>
  `select ${[...view.entity, view.time, ...Object.keys(view.columns)].map(q).join(', ')}, "__label" as ${q(view.label ?? 'label')} from (${labelledSql(view)})`
