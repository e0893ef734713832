/** A chain of 40 steps of /bin/true, from the start of the run to its end as the server records them; median of 7. */
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { applyChain, chainEnded, startChain } from '../src/testing/chain.ts'
import { startServer } from '../src/testing/server.ts'
import { median } from './fsync.ts'
import type { Figure } from './run.ts'

const bars = { process: 0.3, fsync: 0.6 }

export async function chain(): Promise<Figure[]> {
  const figures: Figure[] = []
  for (const durability of ['process', 'fsync'] as const) {
    const dataDir = path.join(await mkdtemp(path.join(tmpdir(), 'headrace-chain-bench-')), 'data')
    const server = await startServer(dataDir, {}, ['--durability', durability])
    await applyChain(server.url, 40, '/bin/true')
    const times: number[] = []
    for (let i = 0; i < 8; i++) {
      const run = await chainEnded(server.url, await startChain(server.url))
      if (run.state !== 'succeeded') throw new Error(`the chain ${run.state}`)
      if (i > 0) times.push(((run.finishedAt ?? 0) - (run.startedAt ?? 0)) / 1000)
    }
    await server.stop()
    figures.push({
      what: `chain of 40 steps of /bin/true, durability ${durability}`,
      value: median(times),
      unit: 's',
      bar: bars[durability],
    })
  }
  return figures
}
