/** A drift report of a million rows and 20 columns (15 numbers, 5 categories): the whole process against Evidently's. */
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { statsPeer } from '../src/testing/data-peers.ts'
import { headrace } from '../src/testing/server.ts'
import type { Figure } from './run.ts'

const run = promisify(execFile)
const rows = 1_000_000
const make = `
import sys, numpy as np, pandas as pd
n = int(sys.argv[3])
for seed, to in enumerate(sys.argv[1:3]):
    rng = np.random.default_rng(seed)
    f = {f'n{i}': rng.normal(seed * .02 * i, 1, n) for i in range(15)}
    f |= {f'c{i}': rng.choice(list('abcdefgh'), n) for i in range(5)}
    pd.DataFrame(f).to_parquet(to)
`
const report = `
import sys, time, json, warnings, logging
warnings.filterwarnings('ignore'); logging.disable(logging.WARNING)
import pandas as pd
from evidently import Report
from evidently.presets import DataDriftPreset
reference, current = (pd.read_parquet(f) for f in sys.argv[1:3])
started = time.time()
found = Report([DataDriftPreset()]).run(current, reference).dict()
print(json.dumps(time.time() - started))
`

export async function drift(): Promise<Figure[]> {
  const directory = await mkdtemp(path.join(tmpdir(), 'headrace-bench-'))
  const [reference, current] = [path.join(directory, 'r.parquet'), path.join(directory, 'c.parquet')]
  try {
    const python = await statsPeer()
    await run(python, ['-c', make, reference, current, String(rows)])
    const times: number[] = []
    for (let i = 0; i < 3; i++) {
      const started = performance.now()
      const said = await headrace([
        'stats',
        'drift',
        '--reference',
        reference,
        '--current',
        current,
        '--json',
      ])
      if (said.code !== 0) throw new Error(said.stderr)
      times.push((performance.now() - started) / 1000)
    }
    const own = times.sort((a, b) => a - b)[1] as number
    const peer = JSON.parse((await run(python, ['-c', report, reference, current])).stdout) as number
    return [
      { what: 'Headrace, whole process, median of 3', value: own, unit: 's' },
      { what: 'Evidently, the report alone', value: peer, unit: 's' },
      { what: 'share of the peer’s time (bar: a fifteenth)', value: own / peer, unit: '×', bar: 1 / 15 },
      { what: 'times faster than the peer', value: peer / own, unit: '×' },
    ]
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
