/** Expectations on one number of a column: its mean, its quantiles, the set of its values. */
import { z } from 'zod'
import { readDate } from './dates.ts'
import { GxError } from './failure.ts'
import { kl } from './kl.ts'
import { memberSql } from './maps.ts'
import {
  type AggregatePlan,
  type Bounds,
  bounds,
  expectation,
  inColumn,
  type Plan,
  type QueryPlan,
} from './plan.ts'
import { type Column, shown, shownSql } from './table.ts'

const isGiven = (value: unknown): value is string | number => value !== null && value !== undefined
const isNumeric = (column: Column) =>
  column.kind === 'int' || column.kind === 'float' || column.kind === 'bool'
const distinctMax = 20
const observedMax = 100

/** Whether a value lies within the bounds; none is in none. */
function within(value: unknown, k: Bounds, column: Column): boolean {
  if (value === null || value === undefined) return false
  const isTime = column.kind === 'time' || column.kind === 'date'
  const at = isTime ? (readDate(String(value)) ?? value) : value
  const held = (limit: unknown, holds: (a: never, b: never) => boolean): boolean => {
    const to = isTime && typeof at === 'string' ? (readDate(String(limit)) ?? limit) : limit
    if (typeof at !== typeof to)
      throw new GxError('TypeError', `a ${typeof at} is not compared with ${JSON.stringify(limit)}`)
    return holds(at as never, to as never)
  }
  const above = !isGiven(k.min_value) || held(k.min_value, (a, b) => (k.strict_min === true ? a > b : a >= b))
  const below = !isGiven(k.max_value) || held(k.max_value, (a, b) => (k.strict_max === true ? a < b : a <= b))
  return above && below
}

function needBounds(k: Bounds): void {
  if (!isGiven(k.min_value) && !isGiven(k.max_value))
    throw new GxError('ValueError', 'min_value and max_value cannot both be None')
}
function needNumber(column: Column): void {
  if (isNumeric(column)) return
  throw new GxError('TypeError', `column "${column.name}" is not numeric: it holds ${column.kind}`)
}
function needNumberBounds(k: Bounds): void {
  for (const value of [k.min_value, k.max_value])
    if (typeof value === 'string' && readDate(value) === undefined)
      throw new GxError(
        'ValueError',
        `min_value and max_value must be a datetime (for datetime columns) or number; ${JSON.stringify(value)} is neither`,
      )
}

type Measure = (column: Column) => readonly string[]
/** An aggregate of the column within bounds. */
function between(
  measure: Measure,
  of: (values: readonly unknown[], column: Column) => unknown,
  { isNumberOnly = true, isBounded = false }: { isNumberOnly?: boolean; isBounded?: boolean } = {},
) {
  return expectation(bounds, (k, { table }): AggregatePlan => {
    const column = table.column(k.column)
    if (isBounded) needBounds(k)
    if (isNumberOnly) needNumber(column)
    if (isNumberOnly) needNumberBounds(k)
    return {
      plan: 'aggregate',
      aggregates: measure(column),
      judge: (values) => {
        const observed = shown(column, of(values, column) ?? null)
        return { success: within(observed, k, column), result: { observed_value: observed } }
      },
    }
  })
}
const numeric = (column: Column) => (column.kind === 'bool' ? `cast(${column.sql} as integer)` : column.sql)
const first = (values: readonly unknown[]) => values[0]
const textual = (values: readonly unknown[], column: Column) =>
  column.kind === 'time' && typeof values[0] === 'string' ? values[0].replace(' ', 'T') : values[0]
const extreme = (aggregate: 'min' | 'max') =>
  between(
    (c) => [
      c.kind === 'time' || c.kind === 'date'
        ? `cast_text(${aggregate}(${c.sql}))`
        : `${aggregate}(${c.kind === 'mixed' ? `try_cast(${c.sql} as double)` : c.sql})`,
    ],
    textual,
    { isNumberOnly: false, isBounded: true },
  )
const share = (values: readonly unknown[]) => {
  const [part, whole] = values.map(Number)
  return whole === undefined || whole === 0 ? null : (part ?? 0) / whole
}

const quantileKwargs = inColumn.extend({
  quantile_ranges: z.looseObject({
    quantiles: z.array(z.number().min(0).max(1)),
    value_ranges: z.array(z.array(z.number().nullable()).length(2)),
  }),
  allow_relative_error: z.union([z.boolean(), z.string()]).nullish(),
})

function quantiles(k: z.output<typeof quantileKwargs>, column: Column): Plan {
  const { quantiles: shares, value_ranges: ranges } = k.quantile_ranges
  if (shares.length !== ranges.length)
    throw new GxError('ValueError', 'quantile_values and quantiles must have the same number of elements')
  if (ranges.some(([low, high]) => isGiven(low) && isGiven(high) && low > high))
    throw new GxError('AssertionError', 'quantile_ranges must consist of ordered pairs')
  needNumber(column)
  const way = typeof k.allow_relative_error === 'string' ? k.allow_relative_error : 'nearest'
  const c = numeric(column)
  // The order statistics on both sides of each quantile; which one is meant is decided below.
  const sides = shares.flatMap((q) => [`list_at(${c}; ${q}; floor)`, `list_at(${c}; ${q}; ceil)`])
  return {
    plan: 'query',
    sql: `with v as (select ${c} as v, row_number() over (order by ${c}) - 1 as i, count(*) over () as n from kept where ${column.sql} is not null)
      select ${sides.map((side, j) => sideSql(side, j)).join(', ')}, max(n) as n from v`,
    judge: ([row]) => {
      const n = Number(row?.n ?? 0)
      const values = shares.map((q, j) =>
        n === 0
          ? null
          : interpolate({
              low: Number(row?.[`s${2 * j}`]),
              high: Number(row?.[`s${2 * j + 1}`]),
              at: q * (n - 1),
              way,
            }),
      )
      const details = values.map((value, j) => inRange(value, ranges[j] ?? []))
      return {
        success: details.every(Boolean),
        result: { observed_value: { quantiles: shares, values }, details: { success_details: details } },
      }
    },
  }
}

const sideSql = (side: string, j: number): string => {
  const [, q = '0', way = 'floor'] = side.replace(/^list_at\(|\)$/g, '').split('; ')
  return `max(v) filter (where i = ${way}(cast(${q} as double) * (n - 1))) as s${j}`
}

function interpolate({ low, high, at, way }: { low: number; high: number; at: number; way: string }): number {
  const part = at - Math.floor(at)
  if (way === 'lower') return low
  if (way === 'higher') return high
  if (way === 'midpoint') return part === 0 ? low : (low + high) / 2
  if (way === 'linear') return low + (high - low) * part
  // A tie goes to the even place, as numpy rounds.
  if (part === 0.5) return Math.floor(at) % 2 === 0 ? low : high
  return part < 0.5 ? low : high
}

function inRange(value: number | null, [low, high]: readonly (number | null)[]): boolean {
  if (value === null) return false
  const near = (limit: number | null | undefined) =>
    isGiven(limit) && Math.abs(value - limit) <= 1e-8 + 1e-4 * Math.abs(limit)
  return near(low) || near(high) || ((low ?? -Infinity) <= value && value <= (high ?? Infinity))
}

const setKwargs = inColumn.extend({
  value_set: z.array(z.unknown()).nullish(),
  ties_okay: z.boolean().nullish(),
})
const json = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value))

/** Distinct values against a set: which are beyond it, and which of it never come. */
function distinct(
  k: z.output<typeof setKwargs>,
  column: Column,
  wants: { beyond?: boolean; missing?: boolean },
): QueryPlan {
  const wanted = k.value_set ?? null
  const inSet = wanted === null ? 'true' : memberSql(column, wanted)
  const own = (wanted ?? []).map(
    (value, i) => `max(case when ${memberSql(column, [value])} then 1 else 0 end) as m${i}`,
  )
  return {
    plan: 'query',
    sql: `with v as (select distinct ${column.sql} from kept where ${column.sql} is not null)
      select * from (select count(*) filter (where not ${inSet}) as beyond${own.map((m) => `, ${m}`).join('')} from v),
      (select list(value) as examples from (select ${shownSql(column)} as value from v where not ${inSet} order by 1 limit ${distinctMax})),
      (select list(value) as seen from (select ${shownSql(column)} as value from v order by 1 limit ${observedMax + 1}))`,
    judge: ([row]) => {
      const missing = (wanted ?? []).filter((_, i) => Number(row?.[`m${i}`] ?? 0) === 0)
      const examples = ((row?.examples as unknown[] | null) ?? []).map((value) => shown(column, value))
      const seen = ((row?.seen as unknown[] | null) ?? []).map((value) => shown(column, value))
      const success =
        (wants.beyond !== true || Number(row?.beyond) === 0) &&
        (wants.missing !== true || missing.length === 0)
      return {
        success,
        result: {
          // Few values are shown, as GX 0.18 did; of many it would be the table over again.
          observed_value: seen.length > observedMax ? null : seen,
          ...(wants.beyond === true
            ? { unexpected_count: Number(row?.beyond), partial_unexpected_list: examples }
            : {}),
          ...(wants.missing === true
            ? { missing_count: missing.length, partial_missing_list: missing.slice(0, distinctMax) }
            : {}),
        },
      }
    },
  }
}

function mostCommon(k: z.output<typeof setKwargs>, column: Column): QueryPlan {
  return {
    plan: 'query',
    sql: `with v as (select ${column.sql}, count(*) as times from kept where ${column.sql} is not null group by 1)
      select ${shownSql(column)} as value from v where times = (select max(times) from v) order by 1 limit 10000`,
    judge: (rows) => {
      const values = rows.map((row) => shown(column, row.value))
      const wanted = new Set((k.value_set ?? []).map(json))
      const common = values.filter((value) => wanted.has(json(value))).length
      const success = k.ties_okay === true ? common > 0 : values.length === 1 && common === 1
      return { success, result: { observed_value: values } }
    },
  }
}

export const aggregateExpectations = {
  expect_column_min_to_be_between: extreme('min'),
  expect_column_max_to_be_between: extreme('max'),
  expect_column_mean_to_be_between: between((c) => [`avg(${numeric(c)})`], first),
  expect_column_median_to_be_between: between((c) => [`median(${numeric(c)})`], first),
  expect_column_sum_to_be_between: between((c) => [`sum(${numeric(c)})`], first, { isBounded: true }),
  expect_column_stdev_to_be_between: between((c) => [`stddev_samp(${numeric(c)})`], first),
  expect_column_unique_value_count_to_be_between: expectation(bounds, (k, { table }) => {
    const column = table.column(k.column)
    return {
      plan: 'aggregate',
      aggregates: [`count(distinct ${column.sql})`],
      judge: ([value]) => {
        return {
          success: within(Number(value), k, { ...column, kind: 'int' }),
          result: { observed_value: Number(value) },
        }
      },
    }
  }),
  expect_column_proportion_of_unique_values_to_be_between: proportion((c) => [
    `count(distinct ${c})`,
    `count(${c})`,
  ]),
  expect_column_proportion_of_non_null_values_to_be_between: proportion((c) => [`count(${c})`, 'count(*)']),
  expect_column_quantile_values_to_be_between: expectation(quantileKwargs, (k, { table }) =>
    quantiles(k, table.column(k.column)),
  ),
  expect_column_distinct_values_to_be_in_set: expectation(setKwargs, (k, { table }) =>
    distinct(k, table.column(k.column), { beyond: true }),
  ),
  expect_column_distinct_values_to_contain_set: expectation(setKwargs, (k, { table }) =>
    distinct(k, table.column(k.column), { missing: true }),
  ),
  expect_column_distinct_values_to_equal_set: expectation(setKwargs, (k, { table }) =>
    distinct(k, table.column(k.column), { beyond: true, missing: true }),
  ),
  expect_column_most_common_value_to_be_in_set: expectation(setKwargs, (k, { table }) =>
    mostCommon(k, table.column(k.column)),
  ),
  expect_column_kl_divergence_to_be_less_than: kl,
}

function proportion(measure: (sql: string) => readonly string[]) {
  return expectation(bounds, (k, { table }): AggregatePlan => {
    const column = table.column(k.column)
    return {
      plan: 'aggregate',
      aggregates: measure(column.sql),
      judge: (values) => {
        const observed = share(values)
        return {
          success: within(observed, k, { ...column, kind: 'float' }),
          result: { observed_value: observed },
        }
      },
    }
  })
}
export const datePlaceholder = /^cast_text\((.*)\)$/
export const asText = (aggregate: string, filter: string): string => {
  const dated = datePlaceholder.exec(aggregate)
  return dated === null ? `${aggregate}${filter}` : `cast(${dated[1]}${filter} as varchar)`
}
