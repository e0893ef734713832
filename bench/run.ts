/** `npm run bench -- NAME [--json]`, `npm run bench -- --list`: medians and ratios, with the machine that gave them. */
import { cpus, totalmem } from 'node:os'
import { chain } from './chain.ts'
import { crash } from './crash.ts'
import { faults } from './faults.ts'
import { drift } from './drift.ts'
import { expectations } from './expectations.ts'
import { fsyncMs } from './fsync.ts'
import { mlflow } from './mlflow.ts'
import { startup } from './startup.ts'

export interface Figure {
  readonly what: string
  readonly value: number
  readonly unit: string
  readonly bar?: number
}
const benches: Record<string, { summary: string; run: () => Promise<Figure[]> }> = {
  startup: { summary: 'time to /health, memory, first byte of the CLI', run: startup },
  chain: { summary: 'a chain of 40 steps of /bin/true', run: chain },
  faults: { summary: 'kill -9 on a disk that drops every byte not fsynced, 20 times', run: faults },
  expectations: {
    summary: '20 expectations on a million rows, against Great Expectations',
    run: expectations,
  },
  drift: { summary: 'drift of a million rows in 20 columns, against Evidently', run: drift },
  mlflow: { summary: 'tracking over HTTP, against FastTrackML and mlflow server (needs wrk)', run: mlflow },
  crash: { summary: 'kill -9 of the server, 100 times', run: crash },
}

const args = process.argv.slice(2).filter((a) => a !== '--json')
const bench = benches[args[0] ?? '']
if (args.includes('--list') || bench === undefined) {
  for (const [name, { summary }] of Object.entries(benches))
    process.stdout.write(`${name.padEnd(10)} ${summary}\n`)
  process.exit(args.includes('--list') ? 0 : 2)
}
const machine = `${cpus().length} cores, ${(totalmem() / 2 ** 30).toFixed(0)} GB, node ${process.versions.node}, fsync ${(await fsyncMs()).toFixed(2)} ms`
const figures = await bench.run()
if (process.argv.includes('--json'))
  process.stdout.write(`${JSON.stringify({ bench: args[0], machine, figures })}\n`)
else {
  process.stdout.write(`${machine}\n`)
  for (const { what, value, unit, bar } of figures) {
    const held = bar === undefined ? '' : `   bar ${bar} ${unit}: ${value <= bar ? 'held' : 'NOT HELD'}`
    process.stdout.write(`  ${what.padEnd(64)} ${value.toFixed(2).padStart(9)} ${unit}${held}\n`)
  }
}
