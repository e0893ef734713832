/** Expectations on each value of a column. A predicate says which values are unexpected; nulls are left out before it. */
import { z } from 'zod'
import { readDate, strptime } from './dates.ts'
import { GxError } from './failure.ts'
import { jsonSchemaReader } from './json-schema.ts'
import { likeSql, regexSql } from './patterns.ts'
import { type Bounds, bounds, expectation, inColumn, type MapPlan, type Scope, verdict } from './plan.ts'
import { type Column, literalSql, quote, textOf } from './table.ts'
import { typeExpectations } from './types-of.ts'

const valueSet = inColumn.extend({ value_set: z.array(z.unknown()).nullish() })
const one = (column: Column, unexpected: string, more: Partial<MapPlan> = {}): MapPlan => ({
  plan: 'map',
  domain: 'column',
  columns: [column],
  considered: `${column.sql} is not null`,
  unexpected,
  ...more,
})
const mustBeText = (name: string) =>
  new GxError(
    'TypeError',
    `Values passed to ${name} must be of type string.\nIf you want to validate a column of dates or timestamps, please call the expectation before converting from string format.`,
  )

/** Values of the set that the column's kind can equal: 1 is not "1", and in Python true is 1. */
export function memberSql(column: Column, values: readonly unknown[]): string {
  const comparable = values.filter((value) => {
    if (value === null || value === undefined) return false
    if (column.kind === 'mixed' || column.kind === 'other') return true
    if (column.kind === 'time' || column.kind === 'date')
      return typeof value === 'string' && readDate(value) !== undefined
    return column.kind === 'text'
      ? typeof value === 'string'
      : typeof value !== 'string' && typeof value !== 'object'
  })
  if (comparable.length === 0) return 'false'
  const isNumber = column.kind === 'int' || column.kind === 'float'
  const list = comparable.map((value) => {
    if (isNumber && typeof value === 'boolean') return value ? '1' : '0'
    if (column.kind === 'bool' && typeof value === 'number')
      return value === 1 ? 'true' : value === 0 ? 'false' : 'null'
    return literalSql(column, value)
  })
  return `coalesce(${column.sql} in (${list.join(', ')}), false)`
}

async function between(scope: Scope, kwargs: Bounds & Record<string, unknown>): Promise<MapPlan> {
  const subject = scope.table.column(kwargs.column)
  const given = [kwargs.min_value, kwargs.max_value].filter((v) => v !== null && v !== undefined)
  if (given.length === 0) throw new GxError('ValueError', 'min_value and max_value cannot both be None')
  if (kwargs.allow_cross_type_comparisons === true)
    throw new GxError(
      'NotImplementedError',
      'NotImplementedError: values of different types are not compared',
    )
  orderedBounds(subject, kwargs)
  await sameType(scope, subject, given)
  const sql =
    subject.kind !== 'mixed'
      ? subject.sql
      : typeof given[0] === 'string'
        ? textOf(subject)
        : `try_cast(${subject.sql} as double)`
  const lit = (value: unknown) => literalSql(subject.kind === 'mixed' ? undefined : subject, value)
  const parts: string[] = []
  if (kwargs.min_value !== null && kwargs.min_value !== undefined)
    parts.push(`${sql} ${kwargs.strict_min === true ? '>' : '>='} ${lit(kwargs.min_value)}`)
  if (kwargs.max_value !== null && kwargs.max_value !== undefined)
    parts.push(`${sql} ${kwargs.strict_max === true ? '<' : '<='} ${lit(kwargs.max_value)}`)
  return one(subject, `not (${parts.join(' and ')})`)
}

function orderedBounds(subject: Column, { min_value: low, max_value: high }: Bounds): void {
  if (low === null || low === undefined || high === null || high === undefined) return
  const isTime = subject.kind === 'time' || subject.kind === 'date'
  const [a, b] = isTime ? [readDate(String(low)) ?? low, readDate(String(high)) ?? high] : [low, high]
  if (typeof a === typeof b && a > b)
    throw new GxError('ValueError', 'ValueError: min_value cannot be greater than max_value')
}

const sameTypeText =
  'TypeError: Column values, min_value, and max_value must either be None or of the same type.'
/** Texts are compared with texts, all else with what is not text. */
async function sameType(scope: Scope, subject: Column, given: readonly unknown[]): Promise<void> {
  if (subject.kind === 'time' || subject.kind === 'date') return
  const wantsText = given.every((value) => typeof value === 'string')
  const isUniform = wantsText || given.every((value) => typeof value !== 'string')
  const isText =
    subject.kind === 'mixed' ? `json_type(${subject.sql}) = 'VARCHAR'` : String(subject.kind === 'text')
  if (isUniform && subject.kind !== 'mixed' && wantsText === (subject.kind === 'text')) return
  const wrong = isUniform ? `(${isText}) <> ${wantsText}` : 'true'
  const [found] = await scope.ask(
    `select count(*) as wrong from kept where ${subject.sql} is not null and ${wrong}`,
  )
  if (Number(found?.wrong ?? 0) > 0) throw new GxError('TypeError', sameTypeText)
}

/** Values that a reader in this program refuses, looked up among the distinct ones. */
async function refused(scope: Scope, sql: string, accepts: (text: string) => boolean): Promise<string> {
  const bad = (await scope.texts(sql)).filter((text) => !accepts(text))
  return bad.length === 0 ? 'false' : `${sql} in (${bad.map(quote).join(', ')})`
}

async function textOnly(scope: Scope, subject: Column, error: () => GxError): Promise<void> {
  if (subject.kind === 'text') return
  const wrong = subject.kind === 'mixed' ? `json_type(${subject.sql}) <> 'VARCHAR'` : 'true'
  const [found] = await scope.ask(
    `select count(*) as wrong from kept where ${subject.sql} is not null and ${wrong}`,
  )
  if (Number(found?.wrong ?? 0) > 0) throw error()
}

async function lengths(scope: Scope, name: unknown, test: (length: string) => string): Promise<MapPlan> {
  const subject = scope.table.column(name)
  await textOnly(
    scope,
    subject,
    () =>
      new GxError('TypeError', `object of type '${subject.kind === 'float' ? 'float' : 'int'}' has no len()`),
  )
  return one(subject, `not (${test(`length(${textOf(subject)})`)})`)
}

const wholeBound = z.union([z.int(), z.string()]).nullish()
const lengthBounds = inColumn.extend({
  min_value: z.unknown().optional(),
  max_value: z.unknown().optional(),
  strict_min: z.boolean().nullish(),
  strict_max: z.boolean().nullish(),
})
function lengthTests(k: z.output<typeof lengthBounds>): (length: string) => string {
  for (const value of [k.min_value, k.max_value])
    if (value !== null && value !== undefined && !(typeof value === 'number' && Number.isInteger(value)))
      throw new GxError('ValueError', 'min_value and max_value must be integers')
  if ((k.min_value ?? null) === null && (k.max_value ?? null) === null)
    throw new GxError('ValueError', 'min_value and max_value cannot both be None')
  return (length) =>
    [
      ...((k.min_value ?? null) === null
        ? []
        : [`${length} ${k.strict_min === true ? '>' : '>='} ${k.min_value}`]),
      ...((k.max_value ?? null) === null
        ? []
        : [`${length} ${k.strict_max === true ? '<' : '<='} ${k.max_value}`]),
    ].join(' and ')
}

/** The order of rows: each value against the one before it that is not missing. */
function monotone(direction: 'up' | 'down') {
  return expectation(inColumn.extend({ strictly: z.boolean().nullish() }), (k, { table }) => {
    const subject = table.column(k.column)
    const value = subject.kind === 'mixed' ? `try_cast(${subject.sql} as double)` : subject.sql
    const sign = direction === 'up' ? '<' : '>'
    return one(subject, `${value} ${sign}${k.strictly === true ? '=' : ''} previous`, {
      over: `select *, lag(${value}) over () as previous from kept`,
    })
  })
}

const regexList = inColumn.extend({
  regex_list: z.array(z.string()),
  match_on: z.enum(['any', 'all']).nullish(),
})
const likeList = inColumn.extend({
  like_pattern_list: z.array(z.string()),
  match_on: z.enum(['any', 'all']).nullish(),
})
const anyOf = (parts: readonly string[]) => (parts.length === 0 ? 'false' : `(${parts.join(' or ')})`)
const joined = (parts: readonly string[], matchOn: 'any' | 'all' | null | undefined) =>
  parts.length === 0 ? 'false' : `(${parts.join(matchOn === 'all' ? ' and ' : ' or ')})`
const matches = async (scope: Scope, name: unknown, patterns: readonly string[]) => {
  const subject = scope.table.column(name)
  const tests: string[] = []
  for (const pattern of patterns) tests.push(await regexSql(scope, textOf(subject), pattern))
  return { subject, tests }
}

export const mapExpectations = {
  expect_column_values_to_be_between: expectation(bounds, (k, scope) => between(scope, k)),
  expect_column_values_to_be_in_set: expectation(valueSet, (k, { table }) => {
    const subject = table.column(k.column)
    return one(subject, Array.isArray(k.value_set) ? `not ${memberSql(subject, k.value_set)}` : 'false')
  }),
  expect_column_values_to_not_be_in_set: expectation(valueSet, (k, { table }) => {
    const subject = table.column(k.column)
    if (!Array.isArray(k.value_set))
      throw new GxError('TypeError', "argument of type 'NoneType' is not iterable")
    return one(subject, memberSql(subject, k.value_set))
  }),
  expect_column_values_to_be_null: expectation(inColumn, (k, { table }) => {
    const subject = table.column(k.column)
    return one(subject, `${subject.sql} is not null`, { considered: 'true', nothingMissing: true })
  }),
  expect_column_values_to_not_be_null: expectation(inColumn, (k, { table }) => {
    const subject = table.column(k.column)
    return one(subject, `${subject.sql} is null`, { considered: 'true', nothingMissing: true })
  }),
  expect_column_values_to_be_unique: expectation(inColumn, (k, { table }) => {
    const subject = table.column(k.column)
    return one(subject, 'copies > 1', {
      over: `select *, count(*) over (partition by ${subject.sql}) as copies from kept`,
    })
  }),
  expect_column_values_to_be_increasing: monotone('up'),
  expect_column_values_to_be_decreasing: monotone('down'),
  expect_column_value_lengths_to_equal: expectation(inColumn.extend({ value: wholeBound }), (k, scope) =>
    lengths(scope, k.column, (length) => `${length} = ${Number(k.value)}`),
  ),
  expect_column_value_lengths_to_be_between: expectation(lengthBounds, (k, scope) => {
    const test = lengthTests(k)
    return lengths(scope, k.column, test)
  }),
  expect_column_values_to_match_regex: expectation(
    inColumn.extend({ regex: z.string() }),
    async (k, scope) => {
      const { subject, tests } = await matches(scope, k.column, [k.regex])
      return one(subject, `not ${anyOf(tests)}`)
    },
  ),
  expect_column_values_to_not_match_regex: expectation(
    inColumn.extend({ regex: z.string() }),
    async (k, scope) => {
      const { subject, tests } = await matches(scope, k.column, [k.regex])
      return one(subject, anyOf(tests))
    },
  ),
  expect_column_values_to_match_regex_list: expectation(regexList, async (k, scope) => {
    const { subject, tests } = await matches(scope, k.column, k.regex_list)
    return one(subject, `not ${joined(tests, k.match_on)}`)
  }),
  expect_column_values_to_not_match_regex_list: expectation(regexList, async (k, scope) => {
    const { subject, tests } = await matches(scope, k.column, k.regex_list)
    return one(subject, anyOf(tests))
  }),
  expect_column_values_to_match_like_pattern: expectation(
    inColumn.extend({ like_pattern: z.string() }),
    (k, { table }) => {
      const subject = table.column(k.column)
      return one(subject, `not ${likeSql(subject, k.like_pattern)}`)
    },
  ),
  expect_column_values_to_not_match_like_pattern: expectation(
    inColumn.extend({ like_pattern: z.string() }),
    (k, { table }) => {
      const subject = table.column(k.column)
      return one(subject, likeSql(subject, k.like_pattern))
    },
  ),
  expect_column_values_to_match_like_pattern_list: expectation(likeList, (k, { table }) => {
    const subject = table.column(k.column)
    return one(
      subject,
      `not ${joined(
        k.like_pattern_list.map((p) => likeSql(subject, p)),
        k.match_on,
      )}`,
    )
  }),
  expect_column_values_to_not_match_like_pattern_list: expectation(likeList, (k, { table }) => {
    const subject = table.column(k.column)
    return one(subject, anyOf(k.like_pattern_list.map((p) => likeSql(subject, p))))
  }),
  expect_column_values_to_match_strftime_format: expectation(
    inColumn.extend({ strftime_format: z.string() }),
    async (k, scope) => {
      const reads = strptime(k.strftime_format)
      if (reads === undefined)
        throw new GxError(
          'ValueError',
          `Unable to use provided strftime_format. ${k.strftime_format} can format a date and not read one`,
        )
      const subject = scope.table.column(k.column)
      await textOnly(scope, subject, () => mustBeText('expect_column_values_to_match_strftime_format'))
      return one(subject, await refused(scope, textOf(subject), reads))
    },
  ),
  expect_column_values_to_be_dateutil_parseable: expectation(inColumn, async (k, scope) => {
    const subject = scope.table.column(k.column)
    await textOnly(scope, subject, () => mustBeText('expect_column_values_to_be_dateutil_parseable'))
    return one(subject, await refused(scope, textOf(subject), (text) => readDate(text) !== undefined))
  }),
  expect_column_values_to_be_json_parseable: expectation(inColumn, async (k, scope) => {
    const subject = scope.table.column(k.column)
    if (subject.kind !== 'text' && subject.kind !== 'mixed') return one(subject, 'true')
    return one(subject, `not json_valid(${textOf(subject)})`)
  }),
  expect_column_values_to_match_json_schema: expectation(
    inColumn.extend({ json_schema: z.union([z.looseObject({}), z.boolean(), z.string()]) }),
    async (k, scope) => {
      const subject = scope.table.column(k.column)
      await textOnly(
        scope,
        subject,
        () => new GxError('TypeError', 'the JSON object must be str, bytes or bytearray'),
      )
      const reads = await jsonSchemaReader(k.json_schema)
      return one(subject, await refused(scope, textOf(subject), reads))
    },
  ),
  expect_column_value_z_scores_to_be_less_than: expectation(
    inColumn.extend({ threshold: z.number(), double_sided: z.boolean().nullish() }),
    (k, { table }) => {
      const subject = table.column(k.column)
      if (subject.kind !== 'int' && subject.kind !== 'float')
        throw new GxError('TypeError', 'Cannot complete Z-score calculations on a non-numerical column.')
      const score = `(${subject.sql} - middle) / nullif(spread, 0)`
      const test =
        k.double_sided === true ? `abs(${score}) < ${Math.abs(k.threshold)}` : `${score} < ${k.threshold}`
      return one(subject, `not coalesce(${test}, true)`, {
        over: `select kept.*, middle, spread from kept, (select avg(${subject.sql}) as middle, stddev_samp(${subject.sql}) as spread from kept)`,
      })
    },
  ),
  expect_column_values_to_not_be_outliers: expectation(
    inColumn.extend({ method: z.enum(['iqr', 'std']).nullish(), multiplier: z.number().nullish() }),
    (k, { table }) => outliers(table.column(k.column), k.method ?? 'iqr', k.multiplier ?? 1.5),
  ),
  ...typeExpectations(one, verdict),
}

function outliers(subject: Column, method: 'iqr' | 'std', multiplier: number): MapPlan {
  if (subject.kind !== 'int' && subject.kind !== 'float')
    throw new GxError('TypeError', `column "${subject.name}" is not numeric`)
  const c = subject.sql
  const measures =
    method === 'iqr'
      ? `quantile_cont(${c}, 0.25) as low, quantile_cont(${c}, 0.75) as high, quantile_cont(${c}, 0.75) - quantile_cont(${c}, 0.25) as spread`
      : `avg(${c}) as low, avg(${c}) as high, stddev_samp(${c}) as spread`
  const reach = `(${multiplier} * spread)`
  const inside =
    method === 'iqr'
      ? `(${c} >= low - ${reach} and ${c} <= high + ${reach})`
      : `(case when ${reach} <= 0 then ${c} = low else abs(${c} - low) < ${reach} end)`
  return one(subject, `not coalesce(${inside}, true)`, {
    over: `select kept.*, low, high, spread from kept, (select ${measures} from kept)`,
  })
}
