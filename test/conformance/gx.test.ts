/** Suites held against data here and in Great Expectations itself: its published cases, and random data. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, globSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { promisify } from 'node:util'
import { checkSuite, fileTable, parseJson, readSuite, testTable } from '#domains/validation/index.ts'
import { openColumnar } from '#platform/columnar/index.ts'
import { gxPeer } from '../../src/testing/data-peers.ts'
import { headrace, packageRoot } from '../../src/testing/server.ts'

const run = promisify(execFile)
const directory = await mkdtemp(path.join(tmpdir(), 'headrace-gx-'))
const columnar = openColumnar({ directories: [directory], temporary: path.join(directory, 'tmp') })
after(async () => {
  await columnar.close()
  await rm(directory, { recursive: true })
})

/** The definitions that the source package of 0.18.9 carries. */
async function published(): Promise<string> {
  const home = path.join(packageRoot, '.peers', 'great_expectations-0.18.9')
  const root = path.join(home, 'great_expectations-0.18.9', 'tests', 'test_definitions')
  if (existsSync(root)) return root
  await mkdir(home, { recursive: true })
  const constraint = path.join(home, 'constraints.txt')
  await writeFile(constraint, 'setuptools<70\n')
  const words = ['-m', 'pip', 'download', '-q', '--no-deps', '--no-binary', 'great_expectations', '-d', home]
  await run('python3', [...words, 'great_expectations==0.18.9'], {
    env: { ...process.env, PIP_CONSTRAINT: constraint },
  })
  await run('tar', ['-xzf', path.join(home, 'great_expectations-0.18.9.tar.gz'), '-C', home])
  return root
}

interface Case {
  title: string
  in: Record<string, unknown>
  out: Record<string, unknown>
  error?: { traceback_substring?: string }
  only_for?: string[]
  suppress_test_for?: string[]
}
const gone = /bootstrapped_ks|chisquare|parameterized_distribution|cramers_phi|to_be_suppressed/
const sorted = (list: unknown) => (list as unknown[]).map((v) => JSON.stringify(v)).sort()

test('GX’s published cases for pandas hold, but for those of expectations that it has dropped', {
  timeout: 300_000,
}, async (t) => {
  let held = 0
  const wrong: string[] = []
  for (const file of globSync(`${await published()}/**/*.json`)) {
    const definition = parseJson(await readFile(file, 'utf8')) as {
      expectation_type: string
      datasets: { tests: Case[] }[]
    }
    if (gone.test(definition.expectation_type) || gone.test(file)) continue
    for (const set of definition.datasets) {
      const table = testTable(set)
      const cases = set.tests.filter(
        (c) =>
          !Array.isArray(c.in) &&
          !c.suppress_test_for?.includes('pandas') &&
          (c.only_for === undefined || c.only_for.includes('pandas')),
      )
      const expectations = cases.map((c) => ({
        type: definition.expectation_type,
        kwargs: {
          ...c.in,
          result_format: { result_format: 'COMPLETE', unexpected_index_column_names: ['pk_index'] },
        },
      }))
      const { results } = await checkSuite(columnar, table, readSuite({ expectations }), { now: new Date() })
      for (const [i, c] of cases.entries()) {
        const found = results[i] as {
          success: boolean
          result: Record<string, unknown>
          exception_info: { exception_traceback: string | null }
        }
        const trouble = c.error?.traceback_substring ?? c.out.traceback_substring
        const holds =
          trouble !== undefined
            ? found.exception_info.exception_traceback !== null
            : found.exception_info.exception_traceback === null &&
              (c.out.success === undefined || c.out.success === found.success) &&
              (c.out.unexpected_list === undefined ||
                String(sorted(c.out.unexpected_list)) === String(sorted(found.result.unexpected_list)))
        if (holds) held++
        else wrong.push(`${path.basename(file)}: ${c.title}`)
      }
    }
  }
  t.diagnostic(`${held} cases hold`)
  assert.ok(held > 450, `only ${held} cases hold`)
  // Its harness makes these columns datetimes with a zone without saying so in the data.
  const known = /datetime_with_timezone/
  assert.deepEqual(
    wrong.filter((name) => !known.test(name)),
    [],
  )
})

const peer = `
import sys, json, warnings, logging
warnings.filterwarnings('ignore'); logging.disable(logging.WARNING)
import numpy as np, pandas as pd, great_expectations as gx
from great_expectations.core import ExpectationSuite
where, words = sys.argv[1], json.load(open(sys.argv[2]))
rng = np.random.default_rng(int(sys.argv[3])); n = 400
def holes(values, share=.1): return pd.Series(values).mask(rng.random(n) < share)
frame = pd.DataFrame({'i': rng.integers(-20, 20, n), 'x': holes(np.round(rng.normal(0, 3, n), 2)), 'y': holes(np.round(rng.normal(0, 3, n), 1)),
  's': holes(rng.choice(['red', 'green', 'blue', 'Rouge', 'vert-2', ''], n)), 't': pd.Timestamp('2024-01-01') + pd.to_timedelta(rng.integers(0, 1000, n), 'h'), 'b': rng.random(n) < .5})
frame.to_parquet(where)
context = gx.get_context(mode='ephemeral'); context.variables.progress_bars = {'globally': False}
batch = context.data_sources.add_pandas('p').add_dataframe_asset('a').add_batch_definition_whole_dataframe('b').get_batch({'dataframe': pd.read_parquet(where)})
out = []
for e in words['expectations']:
    suite = ExpectationSuite(name='s', expectations=[e])
    r = batch.validate(suite, result_format='COMPLETE').to_json_dict()['results'][0]
    out.append({'success': r['success'], 'result': r['result'], 'raised': bool(r['exception_info'].get('raised_exception', True))})
print(json.dumps(out, default=lambda v: v.item() if hasattr(v, 'item') else str(v)))
`
const on =
  (column: string) =>
  (type: string, kwargs: Record<string, unknown> = {}) => ({ type, kwargs: { column, ...kwargs } })
const expectations = [
  on('i')('expect_column_values_to_be_between', { min_value: -10, max_value: 15, strict_min: true }),
  on('x')('expect_column_values_to_be_between', { min_value: -2, mostly: 0.7 }),
  on('s')('expect_column_values_to_be_in_set', { value_set: ['red', 'green', 'blue'] }),
  on('i')('expect_column_values_to_not_be_in_set', { value_set: [1, 2, 3] }),
  on('x')('expect_column_values_to_not_be_null', { mostly: 0.8 }),
  on('x')('expect_column_values_to_be_null'),
  on('x')('expect_column_values_to_be_unique'),
  on('s')('expect_column_values_to_match_regex', { regex: '^[a-z]+$' }),
  on('s')('expect_column_values_to_not_match_regex_list', { regex_list: ['^R', '\\d'] }),
  on('s')('expect_column_value_lengths_to_be_between', { min_value: 1, max_value: 4 }),
  on('x')('expect_column_value_z_scores_to_be_less_than', { threshold: 2, double_sided: true }),
  on('x')('expect_column_values_to_be_increasing', { strictly: true, mostly: 0.4 }),
  on('x')('expect_column_values_to_not_be_outliers', { method: 'iqr', multiplier: 1 }),
  on('x')('expect_column_values_to_be_between', {
    min_value: 0,
    row_condition: 'i > 3 and s == "red"',
    condition_parser: 'pandas',
  }),
  ...(['mean', 'median', 'stdev', 'sum', 'min', 'max'] as const).map((name) =>
    on('x')(`expect_column_${name}_to_be_between`, { min_value: -1, max_value: 9 }),
  ),
  on('s')('expect_column_unique_value_count_to_be_between', { min_value: 1, max_value: 6 }),
  on('s')('expect_column_proportion_of_unique_values_to_be_between', { max_value: 0.01 }),
  on('x')('expect_column_proportion_of_non_null_values_to_be_between', { min_value: 0.5 }),
  on('x')('expect_column_quantile_values_to_be_between', {
    quantile_ranges: {
      quantiles: [0.1, 0.5, 0.9],
      value_ranges: [
        [-9, 0],
        [-1, 1],
        [3, null],
      ],
    },
  }),
  on('s')('expect_column_distinct_values_to_be_in_set', { value_set: ['red', 'green'] }),
  on('i')('expect_column_most_common_value_to_be_in_set', { value_set: [1, 2], ties_okay: true }),
  on('x')('expect_column_kl_divergence_to_be_less_than', {
    partition_object: { bins: [-5, -1, 1, 5], weights: [0.3, 0.3, 0.3], tail_weights: [0.05, 0.05] },
    threshold: 0.5,
  }),
  on('s')('expect_column_kl_divergence_to_be_less_than', {
    partition_object: { values: ['red', 'green', 'other'], weights: [0.4, 0.4, 0.2] },
    tail_weight_holdout: 0.1,
    threshold: 2,
  }),
  {
    type: 'expect_column_pair_values_a_to_be_greater_than_b',
    kwargs: { column_A: 'x', column_B: 'y', ignore_row_if: 'either_value_is_missing', mostly: 0.3 },
  },
  {
    type: 'expect_column_pair_values_to_be_equal',
    kwargs: { column_A: 'x', column_B: 'y', ignore_row_if: 'both_values_are_missing' },
  },
  {
    type: 'expect_compound_columns_to_be_unique',
    kwargs: { column_list: ['i', 's'], ignore_row_if: 'any_value_is_missing' },
  },
  {
    type: 'expect_multicolumn_sum_to_equal',
    kwargs: { column_list: ['i', 'i'], sum_total: 4, ignore_row_if: 'never' },
  },
  {
    type: 'expect_select_column_values_to_be_unique_within_record',
    kwargs: { column_list: ['x', 'y'], ignore_row_if: 'any_value_is_missing' },
  },
  { type: 'expect_table_row_count_to_be_between', kwargs: { min_value: 300, max_value: 399 } },
  { type: 'expect_table_columns_to_match_set', kwargs: { column_set: ['i', 'x'], exact_match: false } },
  on('nope')('expect_column_values_to_be_unique'),
  on('s')('expect_column_mean_to_be_between', { min_value: 1 }),
]

for (const seed of [1, 2])
  test(`results on random data are GX’s own, number for number (seed ${seed})`, {
    timeout: 300_000,
  }, async () => {
    const [data, words] = [path.join(directory, `${seed}.parquet`), path.join(directory, `${seed}.json`)]
    await writeFile(words, JSON.stringify({ expectations }))
    const { stdout } = await run(await gxPeer(), ['-c', peer, data, words, String(seed)], { maxBuffer: 1e8 })
    const wanted = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as {
      success: boolean
      raised: boolean
      result: Record<string, unknown>
    }[]
    const suite = readSuite({ expectations })
    const { results } = await checkSuite(columnar, await fileTable(columnar, data), suite, {
      now: new Date(),
      resultFormat: 'COMPLETE',
    })
    const wrong: string[] = []
    for (const [i, want] of wanted.entries()) {
      const found = results[i] as {
        success: boolean
        result: Record<string, unknown>
        exception_info: { raised_exception: boolean }
      }
      try {
        assert.equal(found.exception_info.raised_exception, want.raised, 'raised')
        assert.equal(found.success, want.success, 'success')
        for (const key of compared(want)) alike(found.result[key], want.result[key], key)
      } catch (error) {
        wrong.push(
          `${expectations[i]?.type} ${JSON.stringify(expectations[i]?.kwargs)}: ${(error as Error).message}`,
        )
      }
    }
    assert.deepEqual(wrong, [])
  })

/** All but what hangs on chance there: NaN counted once each, and the order of values that come equally often. */
function compared({ raised, result }: { raised: boolean; result: Record<string, unknown> }): string[] {
  if (raised) return []
  const hasNull = JSON.stringify(result.unexpected_list ?? []).includes('null')
  const isCategorical = JSON.stringify(result.details ?? {}).includes('"values"')
  return Object.keys(result).filter(
    (key) => !(key === 'partial_unexpected_counts' && hasNull) && !(key === 'details' && isCategorical),
  )
}

/** Equal, numbers to 1e-9; where the peer says nothing of the observed value, we may. */
function alike(found: unknown, wanted: unknown, what: string): void {
  if (typeof wanted === 'number' && typeof found === 'number')
    assert.ok(
      Math.abs(found - wanted) <= 1e-9 * Math.max(1, Math.abs(wanted)),
      `${what}: ${found} is not ${wanted}`,
    )
  else if (Array.isArray(wanted) && Array.isArray(found)) {
    assert.equal(found.length, wanted.length, what)
    for (const [i, value] of wanted.entries()) alike(found[i], value, `${what}[${i}]`)
  } else if (typeof wanted === 'object' && wanted !== null && typeof found === 'object' && found !== null)
    for (const [key, value] of Object.entries(wanted))
      alike((found as Record<string, unknown>)[key], value, `${what}.${key}`)
  else if (!(what.endsWith('observed_value') && wanted === null)) assert.deepEqual(found, wanted, what)
}

test('the command says passed, failed and misused by its exit code', async () => {
  const [data, good, bad] = ['d.csv', 'good.json', 'bad.json'].map((name) => path.join(directory, name)) as [
    string,
    string,
    string,
  ]
  await writeFile(data, 'x\n1\n2\n')
  await writeFile(good, JSON.stringify({ expectations: [on('x')('expect_column_values_to_be_unique')] }))
  await writeFile(
    bad,
    JSON.stringify({ expectations: [on('x')('expect_column_max_to_be_between', { max_value: 1 })] }),
  )
  const check = (...args: string[]) => headrace(['data', 'check', ...args, '--json'])
  assert.equal((await check(data, '--suite', good)).code, 0)
  const failed = await check(data, '--suite', bad)
  assert.equal(failed.code, 3)
  assert.equal(JSON.parse(failed.stdout).results[0].result.observed_value, 2)
  assert.equal((await check(data, '--suite', data)).code, 2)
  assert.equal((await check(`${data}.parquet`, '--suite', good)).code, 2)
})
