/** Expectations on several columns of a row, and on the table itself. */
import { z } from 'zod'
import { GxError } from './failure.ts'
import { memberSql } from './maps.ts'
import { expectation, type MapPlan, type Plan, type Scope, verdict } from './plan.ts'
import { type Column, literalSql, type Table, textOf } from './table.ts'

const pairKwargs = z.looseObject({
  column_A: z.string(),
  column_B: z.string(),
  ignore_row_if: z.string().nullish(),
  or_equal: z.boolean().nullish(),
  parse_strings_as_datetimes: z.boolean().nullish(),
  value_pairs_set: z.array(z.array(z.unknown()).length(2)).nullish(),
})
type Pair = z.output<typeof pairKwargs>
const pairIgnores: Record<string, (a: string, b: string) => string> = {
  both_values_are_missing: (a, b) => `not (${a} is null and ${b} is null)`,
  either_value_is_missing: (a, b) => `${a} is not null and ${b} is not null`,
  neither: () => 'true',
}

/** Rows of two columns of which `holds` is not true are unexpected. */
const dayFormats = ['%m/%d/%Y', '%Y-%m-%d', '%Y-%m-%d %H:%M:%S', '%Y-%m-%dT%H:%M:%S', '%m/%d/%Y %H:%M:%S']
/** A column of texts that are dates (0.18's `parse_strings_as_datetimes`). */
const dated = (column: Column): Column =>
  column.kind !== 'text'
    ? column
    : {
        ...column,
        kind: 'time',
        sql: `try_strptime(${column.sql}, [${dayFormats.map((f) => `'${f}'`).join(', ')}])`,
      }

function pair(holds: (a: Column, b: Column, k: Pair) => string) {
  return expectation(pairKwargs, (k, { table }): MapPlan => {
    const a = table.column(k.column_A)
    const b = table.column(k.column_B)
    const ignored = pairIgnores[k.ignore_row_if ?? 'both_values_are_missing']
    if (ignored === undefined)
      throw new GxError('ValueError', `Unrecognized value of ignore_row_if ("${k.ignore_row_if}").`)
    const isDated = k.parse_strings_as_datetimes === true
    const unexpected = `not coalesce(${isDated ? holds(dated(a), dated(b), k) : holds(a, b, k)}, false)`
    return { plan: 'map', domain: 'pair', columns: [a, b], considered: ignored(a.sql, b.sql), unexpected }
  })
}

/** The two sides of a comparison, in a form that both have. */
function sides(a: Column, b: Column): [string, string] {
  if (a.kind === b.kind) return [a.sql, b.sql]
  if (a.kind === 'mixed') return [b.kind === 'text' ? textOf(a) : `try_cast(${a.sql} as double)`, b.sql]
  if (b.kind === 'mixed') return [a.sql, a.kind === 'text' ? textOf(b) : `try_cast(${b.sql} as double)`]
  const isNumber = (c: Column) => c.kind === 'int' || c.kind === 'float' || c.kind === 'bool'
  if (isNumber(a) && isNumber(b)) return [`cast(${a.sql} as double)`, `cast(${b.sql} as double)`]
  if ((a.kind === 'time' || a.kind === 'date') && (b.kind === 'time' || b.kind === 'date'))
    return [a.sql, b.sql]
  throw new GxError(
    'TypeError',
    `column "${a.name}" (${a.kind}) is not compared with column "${b.name}" (${b.kind})`,
  )
}
const isComparable = (a: Column, b: Column): boolean => {
  try {
    return sides(a, b).length === 2
  } catch {
    return false
  }
}
const equal = (a: Column, b: Column) => (isComparable(a, b) ? sides(a, b).join(' = ') : 'false')
const same = (a: Column, b: Column) =>
  isComparable(a, b) ? sides(a, b).join(' is not distinct from ') : `(${a.sql} is null and ${b.sql} is null)`

const listKwargs = z.looseObject({
  column_list: z.array(z.string()).min(1),
  ignore_row_if: z.string().nullish(),
  sum_total: z.number().nullish(),
})
const listIgnores: Record<string, (columns: readonly Column[]) => string> = {
  all_values_are_missing: (columns) => `not (${columns.map((c) => `${c.sql} is null`).join(' and ')})`,
  any_value_is_missing: (columns) => columns.map((c) => `${c.sql} is not null`).join(' and '),
  never: () => 'true',
}
type Several = Pick<MapPlan, 'unexpected'> & Partial<MapPlan>
function several(plan: (columns: readonly Column[], k: z.output<typeof listKwargs>) => Several) {
  return expectation(listKwargs, (k, { table }): MapPlan => {
    const columns = k.column_list.map((name) => table.column(name))
    const ignored = listIgnores[k.ignore_row_if ?? 'all_values_are_missing']
    if (ignored === undefined)
      throw new GxError('ValueError', `Unrecognized value of ignore_row_if ("${k.ignore_row_if}").`)
    return { plan: 'map', domain: 'multi', columns, considered: ignored(columns), ...plan(columns, k) }
  })
}
const unlike = (columns: readonly Column[]): Several => {
  const pairs = columns.flatMap((a, i) => columns.slice(i + 1).map((b) => same(a, b)))
  return { unexpected: pairs.length === 0 ? 'false' : `(${pairs.join(' or ')})` }
}

export const rowExpectations = {
  expect_column_pair_values_to_be_equal: pair(equal),
  expect_column_pair_values_a_to_be_greater_than_b: pair((a, b, k) =>
    sides(a, b).join(k.or_equal === true ? ' >= ' : ' > '),
  ),
  expect_column_pair_values_to_be_in_set: pair((a, b, k) => {
    const half = (column: Column, value: unknown) =>
      value === null ? `${column.sql} is null` : memberSql(column, [value])
    const pairs = k.value_pairs_set?.map(([x, y]) => `(${half(a, x)} and ${half(b, y)})`)
    return pairs === undefined ? 'true' : pairs.length === 0 ? 'false' : `(${pairs.join(' or ')})`
  }),
  expect_compound_columns_to_be_unique: several((columns) => ({
    unexpected: 'copies > 1',
    over: `select *, count(*) over (partition by ${columns.map((c) => c.sql).join(', ')}) as copies from kept`,
  })),
  expect_multicolumn_sum_to_equal: several((columns, k) => {
    if (columns.some((c) => c.kind !== 'int' && c.kind !== 'float' && c.kind !== 'bool'))
      throw new GxError('TypeError', 'a sum needs columns of numbers')
    const sum = columns.map((c) => (c.kind === 'bool' ? `cast(${c.sql} as integer)` : c.sql)).join(' + ')
    return { unexpected: `not coalesce(${sum} = ${literalSql(undefined, k.sum_total ?? null)}, false)` }
  }),
  expect_select_column_values_to_be_unique_within_record: several(unlike),
  expect_multicolumn_values_to_be_unique: several(unlike),
  expect_multicolumn_values_to_be_equal: several((columns) => {
    const [head, ...rest] = columns as [Column, ...Column[]]
    const tests = rest.map((c) => same(head, c))
    return { unexpected: tests.length === 0 ? 'false' : `not (${tests.join(' and ')})` }
  }),
}

const count = z.looseObject({
  min_value: z.unknown().optional(),
  max_value: z.unknown().optional(),
  strict_min: z.boolean().nullish(),
  strict_max: z.boolean().nullish(),
})
const whole = (value: unknown, message: string): number | null => {
  if (value === null || value === undefined) return null
  if (typeof value !== 'number' || !Number.isInteger(value)) throw new GxError('ValueError', message)
  return value
}
const integers = 'min_value and max_value must be integers'
function counted(
  observed: number,
  k: z.output<typeof count>,
  disorder = 'min_value cannot be greater than max_value',
): Plan {
  const [low, high] = [whole(k.min_value, integers), whole(k.max_value, integers)]
  if (low !== null && high !== null && low > high) throw new GxError('ValueError', disorder)
  const above = low === null || (k.strict_min === true ? observed > low : observed >= low)
  const below = high === null || (k.strict_max === true ? observed < high : observed <= high)
  return verdict(above && below, { observed_value: observed })
}
const value = z.looseObject({ value: z.unknown().optional() })
const equalTo = (observed: number, wanted: unknown): Plan =>
  verdict(observed === whole(wanted, 'value must be an integer'), { observed_value: observed })
/** All rows, or those of the condition. */
const rowsOf = async ({ ask }: Scope) => Number((await ask('select count(*) as n from kept'))[0]?.n ?? 0)
const namesOf = (table: Table) => table.columns.map((c) => c.name)

export const tableExpectations = {
  expect_column_to_exist: expectation(
    z.looseObject({ column: z.string(), column_index: z.int().nullish() }),
    (k, { table }) => {
      const names = namesOf(table)
      const at = k.column_index ?? 0
      return verdict(at === 0 ? names.includes(k.column) : names.at(at) === k.column)
    },
  ),
  expect_table_row_count_to_be_between: expectation(count, async (k, scope) =>
    counted(await rowsOf(scope), k, 'Minimum Threshold cannot be larger than Maximum Threshold'),
  ),
  expect_table_row_count_to_equal: expectation(value, async (k, scope) =>
    equalTo(await rowsOf(scope), k.value),
  ),
  expect_table_row_count_to_equal_other_table: expectation(
    z.looseObject({ other_table_name: z.string() }),
    async (k, scope) => {
      const other = scope.table.others.get(k.other_table_name)
      if (other === undefined)
        throw new GxError('ValueError', `there is no table \`${k.other_table_name}\` beside this one`)
      const own = await rowsOf(scope)
      return verdict(own === other, { observed_value: { self: own, other } })
    },
  ),
  expect_table_column_count_to_be_between: expectation(count, (k, { table }) =>
    counted(table.columns.length, k),
  ),
  expect_table_column_count_to_equal: expectation(value, (k, { table }) =>
    equalTo(table.columns.length, k.value),
  ),
  expect_table_columns_to_match_ordered_list: expectation(
    z.looseObject({ column_list: z.array(z.string()).nullish() }),
    (k, { table }) => {
      const names = namesOf(table)
      const wanted = k.column_list
      if (!wanted || (wanted.length === names.length && wanted.every((name, i) => name === names[i])))
        return verdict(true, { observed_value: names })
      const mismatched = Array.from({ length: Math.max(wanted.length, names.length) }, (_, i) => ({
        'Expected Column Position': i,
        Expected: wanted[i] ?? null,
        Found: names[i] ?? null,
      })).filter((row) => row.Expected !== row.Found)
      return verdict(false, { observed_value: names, details: { mismatched } })
    },
  ),
  expect_table_columns_to_match_set: expectation(
    z.looseObject({ column_set: z.array(z.string()).nullish(), exact_match: z.boolean().nullish() }),
    (k, { table }) => {
      const names = namesOf(table)
      const wanted = new Set(k.column_set ?? [])
      const observed = [...new Set(names)].sort()
      const unexpected = observed.filter((name) => !wanted.has(name))
      const missing = [...wanted].filter((name) => !names.includes(name)).sort()
      const isExact = k.exact_match ?? true
      if ((!k.column_set && !isExact) || (unexpected.length === 0 && missing.length === 0))
        return verdict(true, { observed_value: observed })
      const mismatched = {
        ...(unexpected.length > 0 && { unexpected }),
        ...(missing.length > 0 && { missing }),
      }
      return verdict(!isExact && missing.length === 0, { observed_value: observed, details: { mismatched } })
    },
  ),
}
