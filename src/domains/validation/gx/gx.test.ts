/** Suites against small data sets, in the shape of Great Expectations' own test definitions. */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { openColumnar } from '#platform/columnar/index.ts'
import { checkSuite } from './check.ts'
import { readDate, strptime } from './dates.ts'
import { parseJson, readSuite } from './suite.ts'
import { fileTable, testTable } from './table.ts'

const directory = await mkdtemp(path.join(tmpdir(), 'headrace-gx-'))
const columnar = openColumnar({ directories: [directory], temporary: path.join(directory, 'tmp') })
after(async () => {
  await columnar.close()
  await rm(directory, { recursive: true })
})
const now = new Date('2026-01-01T00:00:00Z')
type Kwargs = Record<string, unknown>
interface Result {
  success: boolean
  result: Record<string, unknown>
  exception_info: {
    raised_exception: boolean
    exception_message: string | null
    exception_traceback: string | null
  }
}
async function one(data: unknown, type: string, kwargs: Kwargs, format = 'COMPLETE'): Promise<Result> {
  const suite = readSuite({ expectations: [{ type, kwargs: { result_format: format, ...kwargs } }] })
  const { results } = await checkSuite(columnar, testTable(data), suite, { now })
  return results[0] as unknown as Result
}
const data = {
  x: [1, 2, 3, 4, null, 100, 100],
  s: ['a', 'b', 'b', null, 'é9', 'Ab', 'zz'],
  m: [1, 'b', null, true, 2.5, 'x', 1],
  t: ['2024-01-01', '2024-02-30', '2024-03-01', null, '1/2/2024', 'no', '2024-12-31'],
}

test('nulls are left out, `mostly` is a share of the rest, and examples come by level of detail', async () => {
  const kwargs = { column: 'x', min_value: 0, max_value: 50 }
  const summary = await one(data, 'expect_column_values_to_be_between', { ...kwargs, mostly: 0.6 }, 'SUMMARY')
  assert.equal(summary.success, true)
  assert.deepEqual(summary.result, {
    element_count: 7,
    unexpected_count: 2,
    unexpected_percent: 33.33333333333333,
    partial_unexpected_list: [100, 100],
    missing_count: 1,
    missing_percent: 14.285714285714285,
    unexpected_percent_total: 28.57142857142857,
    unexpected_percent_nonmissing: 33.33333333333333,
    partial_unexpected_counts: [{ value: 100, count: 2 }],
    partial_unexpected_index_list: [5, 6],
  })
  assert.equal(
    (await one(data, 'expect_column_values_to_be_between', { ...kwargs, mostly: 0.7 })).success,
    false,
  )
  assert.deepEqual((await one(data, 'expect_column_values_to_be_between', kwargs, 'BOOLEAN_ONLY')).result, {})
  const complete = await one(data, 'expect_column_values_to_be_between', kwargs)
  assert.deepEqual(complete.result.unexpected_index_list, [5, 6])
  assert.equal(complete.result.unexpected_index_query, 'df.filter(items=[5, 6], axis=0)')
})

test('an empty column passes where values are judged and fails where a number is', async () => {
  const empty = { x: [null, null] }
  assert.equal(
    (await one(empty, 'expect_column_values_to_be_between', { column: 'x', min_value: 1 })).success,
    true,
  )
  const mean = await one(empty, 'expect_column_mean_to_be_between', { column: 'x', min_value: 1 })
  assert.deepEqual([mean.success, mean.result], [false, { observed_value: null }])
})

const cases: [string, Kwargs, boolean, unknown?][] = [
  ['expect_column_values_to_be_in_set', { column: 's', value_set: ['a', 'b'] }, false, ['é9', 'Ab', 'zz']],
  ['expect_column_values_to_be_in_set', { column: 'x', value_set: ['1', 2, 3, 4, 100] }, false, [1]],
  ['expect_column_values_to_be_in_set', { column: 'm', value_set: [1, 'b', true, 2.5] }, false, ['x']],
  ['expect_column_values_to_be_unique', { column: 's' }, false, ['b', 'b']],
  ['expect_column_values_to_be_increasing', { column: 'x' }, true, []],
  ['expect_column_values_to_be_increasing', { column: 'x', strictly: true }, false, [100]],
  ['expect_column_values_to_match_regex', { column: 's', regex: '^\\w+$' }, true, []],
  ['expect_column_values_to_match_regex', { column: 's', regex: '^(?!z)' }, false, ['zz']],
  [
    'expect_column_values_to_match_like_pattern',
    { column: 's', like_pattern: '[a-b]%' },
    false,
    ['é9', 'Ab', 'zz'],
  ],
  ['expect_column_value_lengths_to_equal', { column: 's', value: 1 }, false, ['é9', 'Ab', 'zz']],
  [
    'expect_column_values_to_match_strftime_format',
    { column: 't', strftime_format: '%Y-%m-%d' },
    false,
    ['2024-02-30', '1/2/2024', 'no'],
  ],
  ['expect_column_values_to_be_dateutil_parseable', { column: 't' }, false, ['2024-02-30', 'no']],
  ['expect_column_values_to_not_be_null', { column: 's', mostly: 0.8 }, true, [null]],
  ['expect_column_values_to_be_of_type', { column: 'm', type_: 'str' }, false, [1, true, 2.5, 1]],
  [
    'expect_column_value_z_scores_to_be_less_than',
    { column: 'x', threshold: 1, double_sided: true },
    false,
    [100, 100],
  ],
  ['expect_compound_columns_to_be_unique', { column_list: ['x', 's'] }, true, []],
  [
    'expect_column_values_to_be_between',
    { column: 'x', max_value: 4, row_condition: 's == "b" or x < 2', condition_parser: 'pandas' },
    true,
    [],
  ],
  [
    'expect_column_values_to_be_between',
    {
      column: 'x',
      max_value: 4,
      row_condition: 'col("s").notNull()',
      condition_parser: 'great_expectations',
    },
    false,
    [100, 100],
  ],
]
for (const [type, kwargs, success, unexpected] of cases)
  test(`${type} ${JSON.stringify(kwargs)} ${success ? 'holds' : 'fails'}`, async () => {
    const found = await one(data, type, kwargs)
    assert.equal(found.exception_info.exception_traceback, null)
    assert.equal(found.success, success)
    assert.deepEqual(found.result.unexpected_list, unexpected)
  })

test('what stops one expectation is told in its place and stops no other', async () => {
  const suite = readSuite({
    expectation_suite_name: 'old',
    expectations: [
      { expectation_type: 'expect_column_values_to_be_unique', kwargs: { column: 'nope' } },
      { expectation_type: 'expect_column_values_to_be_betwen', kwargs: { column: 'x' } },
      {
        expectation_type: 'expect_column_values_to_be_between',
        kwargs: { column: 'x', min_value: 5, max_value: 1 },
      },
      {
        expectation_type: 'expect_column_max_to_be_between',
        kwargs: { column: 'x', max_value: { $PARAMETER: 'top * 2' } },
      },
    ],
    evaluation_parameters: { top: 50 },
  })
  const result = await checkSuite(columnar, testTable(data), suite, { now })
  const messages = (result.results as unknown as Result[]).map((r) => r.exception_info.exception_message)
  assert.match(messages[0] ?? '', /column "nope" .*does not exist.*columns: x, s, m, t/)
  assert.match(messages[1] ?? '', /did you mean expect_column_values_to_be_between/)
  assert.match(messages[2] ?? '', /min_value cannot be greater/)
  assert.equal(messages[3], null)
  assert.deepEqual(result.statistics, {
    evaluated_expectations: 4,
    successful_expectations: 1,
    unsuccessful_expectations: 3,
    success_percent: 25,
  })
  assert.equal(result.success, false)
})

test('a file is checked like a data set; quotes in names and values are only text', async () => {
  const file = path.join(directory, 'd.csv')
  await writeFile(file, 'id,"na""me",d\n1,"o\'k",2024-01-01\n2,NaN,2024-01-02\n')
  const suite = readSuite({
    expectations: [
      { type: 'expect_column_values_to_be_in_set', kwargs: { column: 'na"me', value_set: ["o'k"] } },
      {
        type: 'expect_column_values_to_match_strftime_format',
        kwargs: { column: 'd', strftime_format: '%Y-%m-%d' },
      },
      { type: 'ExpectTableRowCountToEqual', kwargs: { value: 2 } },
      {
        type: 'unexpected_rows_expectation',
        kwargs: { unexpected_rows_query: 'select * from {batch} where id > 2' },
      },
    ],
  })
  const result = await checkSuite(columnar, await fileTable(columnar, file), suite, { now, allowSql: true })
  assert.deepEqual(
    result.results.map((r) => r.success),
    [true, true, true, true],
  )
})

test('what Python writes as JSON is read, and what is no suite is refused', () => {
  assert.deepEqual(parseJson('{"a": [NaN, -Infinity, "NaN"]}'), {
    a: [null, Number.NEGATIVE_INFINITY, 'NaN'],
  })
  assert.throws(() => readSuite({ expectations: [{ kwargs: {} }] }), /type/)
  assert.throws(() => testTable({ data: { a: [1], b: [1, 2] } }), /differ in length/)
})

test('dates are read as dateutil reads them', () => {
  const read: [string, string | undefined][] = [
    ['Jan 01 2000 12:00:01', '2000-01-01 12:00:01'],
    ['3 March 2021 at 5pm', undefined],
    ['2024-01-01T10:00:00+02:00', '2024-01-01 08:00:00'],
    ['20240131', '2024-01-31 00:00:00'],
    ['13/2/2024', '2024-02-13 00:00:00'],
    ['nonsense', undefined],
  ]
  for (const [text, wanted] of read) assert.equal(readDate(text), wanted, text)
  assert.equal(strptime('%D'), undefined)
  assert.equal(strptime('%d/%m/%y')?.('29/02/23'), false)
})
