/**
 * Checks as DuckDB SQL. A row rule is an expression that is true where the row fails. A value that has become another
 * type fails the rule; it never fails the question.
 */
import { type Check, columnsOf } from './model.ts'

const q = (name: string) => `"${name.replaceAll('"', '""')}"`
const literal = (value: string) => `'${value.replaceAll("'", "''")}'`
const number = (name: string) => `try_cast(${q(name)} as double)`
const instant = (name: string) => `try_cast(${q(name)} as timestamp)`
export const referenceView = (dataset: string) => `reference_${dataset.replaceAll(/\W/g, '_')}`

/** The column of another dataset that values must be in, and its type there. */
export interface ReferenceColumn {
  readonly name: string
  readonly type: string
}

export function failsSql(check: Check, reference?: ReferenceColumn): string | undefined {
  switch (check.rule) {
    case 'not_null':
      return check.columns.map((c) => `${q(c)} is null`).join(' or ')
    case 'between': {
      const x = number(check.column)
      const bounds = [
        check.min === undefined ? [] : `${x} >= ${check.min}`,
        check.max === undefined ? [] : `${x} <= ${check.max}`,
      ].flat()
      return present(check.column, `isfinite(${x}) and ${bounds.join(' and ')}`)
    }
    case 'in_set': {
      const numbers = check.values.filter((v) => typeof v === 'number')
      const texts = check.values.filter((v) => typeof v === 'string').map(literal)
      const holds = [
        numbers.length === 0 ? [] : `coalesce(${number(check.column)} in (${numbers.join(', ')}), false)`,
        texts.length === 0 ? [] : `${q(check.column)}::varchar in (${texts.join(', ')})`,
      ].flat()
      return present(check.column, `(${holds.join(' or ')})`)
    }
    case 'matches':
      return present(
        check.column,
        `regexp_full_match(${q(check.column)}::varchar, ${literal(check.pattern)})`,
      )
    case 'in_dataset': {
      if (reference === undefined) return undefined
      const known = `select ${q(reference.name)} from ${referenceView(check.dataset)} where ${q(reference.name)} is not null`
      return present(check.column, `try_cast(${q(check.column)} as ${reference.type}) in (${known})`)
    }
    default:
      return undefined
  }
}
/** Fails where there is a value of which `holds` is not true. */
const present = (column: string, holds: string) =>
  `(${q(column)} is not null and not coalesce(${holds}, false))`

export const failingRowsSql = (expressions: readonly string[]) =>
  `select file_row_number as n, ${expressions.map((e, i) => `(${e}) as c${i}`).join(', ')} from f where ${expressions.join(' or ')} order by n`
/** The rows of these numbers, whole. */
export const rowsSql = (numbers: readonly number[]) =>
  `select * exclude (filename) from f where file_row_number in (${numbers.join(', ')}) order by file_row_number`
export const timesSql = (time: string) =>
  `select min(${instant(time)}) as low, max(${instant(time)}) as high from f`
export const perDaySql = (time: string) =>
  `select ${instant(time)}::date as day, count(*) as n from f where ${instant(time)} is not null group by 1 order by 1`

/** Keys of the new files `a` that several rows of the version `v` have. */
export function duplicatesSql(check: Extract<Check, { rule: 'unique' }>): string {
  const keys = columnsOf(check).map(q).join(', ')
  return `select ${keys}, count(*) as copies, count(*) over () as failing from v semi join (select distinct ${keys} from a) using (${keys}) group by ${keys} having count(*) > 1 order by ${keys} limit 3`
}

/** Rows of the reference `r` from a time on, or all. */
const within = (time: string | undefined) =>
  time === undefined ? 'true' : `${instant(time)} >= $from::timestamp`
/**
 * Deciles of the reference (the smallest value that enough rows do not exceed), and how many rows lie below each and up
 * to each: its bins follow without reading the files again.
 */
export function decilesSql(column: string, time: string | undefined): string {
  const deciles = Array.from({ length: 9 }, (_, i) => `min(x) filter (where upto * 10 >= total * ${i + 1})`)
  return `
    with h as (select x, count(*) as n from (select ${number(column)} as x from r where ${within(time)}) where isfinite(x) group by x),
    c as (select x, n, sum(n) over (order by x) as upto, sum(n) over () as total from h),
    e as (select unnest([${deciles.join(', ')}]) as x, unnest(range(1, 10)) as decile from c)
    select x, (upto - n)::bigint as below, upto::bigint as upto, total::bigint as total from e join c using (x) order by decile`
}
/** Counts by bins and the median of each new file. */
export function binsSql(column: string, edges: readonly number[]): string {
  const bins = Array.from({ length: edges.length + 1 }, (_, i) => {
    const low = i === 0 ? [] : `x >= ${edges[i - 1]}`
    const high = i === edges.length ? [] : `x < ${edges[i]}`
    return `count(*) filter (where ${['isfinite(x)', low, high].flat().join(' and ')}) as b${i}`
  })
  return `select filename as file, ${bins.join(', ')}, median(x) filter (where isfinite(x)) as middle from (select ${number(column)} as x, filename from n) group by filename`
}
