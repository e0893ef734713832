/** Checks as DuckDB SQL. A row rule is an expression that is true where the row fails. */
import type { Check } from './model.ts'

const q = (name: string) => `"${name.replaceAll('"', '""')}"`
const literal = (value: string | number) =>
  typeof value === 'number' ? String(value) : `'${value.replaceAll("'", "''")}'`

export function failsSql(check: Check, referenceColumn: string): string | undefined {
  switch (check.rule) {
    case 'not_null':
      return check.columns.map((c) => `${q(c)} is null`).join(' or ')
    case 'between': {
      const parts = [
        check.min === undefined ? undefined : `${q(check.column)} < ${check.min}`,
        check.max === undefined ? undefined : `${q(check.column)} > ${check.max}`,
      ]
      return parts.filter((p) => p !== undefined).join(' or ')
    }
    case 'in_set':
      return `${q(check.column)} is not null and ${q(check.column)} not in (${check.values.map(literal).join(', ')})`
    case 'matches':
      return `${q(check.column)} is not null and not regexp_full_match(${q(check.column)}::varchar, ${literal(check.pattern)})`
    case 'in_dataset':
      return `${q(check.column)} is not null and ${q(check.column)} not in (select ${q(referenceColumn)} from reference_${check.dataset.replaceAll(/\W/g, '_')} where ${q(referenceColumn)} is not null)`
    default:
      return undefined
  }
}
export const columnsOf = (check: Check): string[] =>
  'columns' in check ? check.columns : 'column' in check ? [check.column] : []

export const failingRowsSql = (expressions: readonly string[]) =>
  `select file_row_number as n, ${expressions.map((e, i) => `coalesce((${e}), false) as c${i}`).join(', ')} from f where ${expressions.map((e) => `coalesce((${e}), false)`).join(' or ')} order by n`
export const sampleSql = (expression: string) =>
  `select * exclude (filename, file_row_number) from f where ${expression} limit 3`
export const timesSql = (time: string) =>
  `select min(${q(time)})::timestamp as low, max(${q(time)})::timestamp as high from f`
export const perDaySql = (time: string) =>
  `select ${q(time)}::date as day, count(*) as n from f group by 1 order by 1`
export const quantilesSql = (column: string, time: string) =>
  `select quantile_cont(${q(column)}::double, [0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9]) as edges from r where ${q(time)} >= $from::timestamp and ${q(column)} is not null`
export function binsSql(column: string, edges: readonly number[], view: string, where: string): string {
  const x = `${q(column)}::double`
  const bins = Array.from({ length: edges.length + 1 }, (_, i) => {
    const low = i === 0 ? 'true' : `${x} >= ${edges[i - 1]}`
    const high = i === edges.length ? 'true' : `${x} < ${edges[i]}`
    return `count(*) filter (where ${low} and ${high}) as b${i}`
  })
  return `select ${bins.join(', ')}, median(${x}) as middle from ${view} where ${q(column)} is not null and ${where}`
}
export const whereFrom = (time: string) => `${q(time)} >= $from::timestamp`
