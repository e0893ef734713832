/** 20 expectations on a million rows of 11 columns in Parquet: the whole process of Headrace against the whole of GX's. */
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { gxPeer } from '../src/testing/data-peers.ts'
import { headrace } from '../src/testing/server.ts'
import type { Figure } from './run.ts'

const run = promisify(execFile)
const rows = 1_000_000
const make = `
import sys, numpy as np, pandas as pd
n = int(sys.argv[2]); rng = np.random.default_rng(7)
f = {f'x{i}': rng.normal(i, 1, n) for i in range(5)}
f |= {f'k{i}': rng.integers(0, 10 ** (i + 2), n) for i in range(3)}
f |= {'id': np.arange(n), 'c': rng.choice(['red', 'green', 'blue'], n), 's': np.char.add('item-', rng.integers(0, 5000, n).astype(str))}
pd.DataFrame(f).to_parquet(sys.argv[1])
`
const check = `
import sys, time, json, logging, warnings
started = time.time()
warnings.filterwarnings('ignore'); logging.disable(logging.WARNING)
import great_expectations as gx, pandas as pd
context = gx.get_context(mode='ephemeral'); context.variables.progress_bars = {'globally': False}
frame = pd.read_parquet(sys.argv[1]); loaded = time.time()
batch = context.data_sources.add_pandas('p').add_dataframe_asset('a').add_batch_definition_whole_dataframe('b').get_batch({'dataframe': frame})
from great_expectations.core import ExpectationSuite
suite = ExpectationSuite(**json.load(open(sys.argv[2])))
result = batch.validate(suite)
print(json.dumps({'success': result.success, 'seconds': time.time() - loaded}))
`
const between = (column: string, min: number, max: number) => ({
  type: 'expect_column_values_to_be_between',
  kwargs: { column, min_value: min, max_value: max },
})
const suite = {
  name: 'bench',
  expectations: [
    ...[0, 1, 2, 3, 4].map((i) => between(`x${i}`, -100, 100)),
    ...['x0', 'x1', 'k0', 'id', 'c'].map((column) => ({
      type: 'expect_column_values_to_not_be_null',
      kwargs: { column },
    })),
    { type: 'expect_column_values_to_be_unique', kwargs: { column: 'id' } },
    {
      type: 'expect_column_values_to_be_in_set',
      kwargs: { column: 'c', value_set: ['red', 'green', 'blue'] },
    },
    { type: 'expect_column_values_to_match_regex', kwargs: { column: 's', regex: '^item-\\d+$' } },
    { type: 'expect_column_mean_to_be_between', kwargs: { column: 'x2', min_value: 1.9, max_value: 2.1 } },
    { type: 'expect_column_median_to_be_between', kwargs: { column: 'x3', min_value: 2.9, max_value: 3.1 } },
    { type: 'expect_column_stdev_to_be_between', kwargs: { column: 'x4', min_value: 0.9, max_value: 1.1 } },
    { type: 'expect_column_max_to_be_between', kwargs: { column: 'k1', min_value: 900, max_value: 1000 } },
    {
      type: 'expect_column_unique_value_count_to_be_between',
      kwargs: { column: 's', min_value: 5000, max_value: 5000 },
    },
    {
      type: 'expect_column_value_lengths_to_be_between',
      kwargs: { column: 's', min_value: 6, max_value: 9 },
    },
    { type: 'expect_table_row_count_to_equal', kwargs: { value: rows } },
  ],
}

export async function expectations(): Promise<Figure[]> {
  const directory = await mkdtemp(path.join(tmpdir(), 'headrace-bench-'))
  const [data, words] = [path.join(directory, 'd.parquet'), path.join(directory, 's.json')]
  try {
    const python = await gxPeer()
    await run(python, ['-c', make, data, String(rows)])
    await writeFile(words, JSON.stringify(suite))
    const timed = async (work: () => Promise<string>) => {
      const started = performance.now()
      const said = await work()
      return { said, seconds: (performance.now() - started) / 1000 }
    }
    const peer = await timed(async () => (await run(python, ['-c', check, data, words])).stdout)
    const times: number[] = []
    for (let i = 0; i < 3; i++) {
      const own = await timed(
        async () => (await headrace(['data', 'check', data, '--suite', words, '--json'])).stdout,
      )
      if (JSON.parse(own.said).success !== true)
        throw new Error(`the suite failed: ${own.said.slice(0, 500)}`)
      times.push(own.seconds)
    }
    const own = times.sort((a, b) => a - b)[1] as number
    return [
      { what: 'Headrace, whole process, median of 3', value: own, unit: 's' },
      { what: 'Great Expectations, whole process', value: peer.seconds, unit: 's' },
      {
        what: 'Great Expectations, validation of the loaded frame',
        value: JSON.parse(peer.said).seconds,
        unit: 's',
      },
      { what: 'share of the peer’s time (bar: a third)', value: own / peer.seconds, unit: '×', bar: 1 / 3 },
      { what: 'times faster than the peer', value: peer.seconds / own, unit: '×' },
    ]
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
