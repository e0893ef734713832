/** A hundred kills in the middle of work. */
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { crashRepeatedly, seeded } from '../src/testing/crash.ts'
import type { Figure } from './run.ts'

export async function crash(): Promise<Figure[]> {
  const dataDir = path.join(await mkdtemp(path.join(tmpdir(), 'headrace-crash-bench-')), 'data')
  const found = await crashRepeatedly(dataDir, 100, seeded(1))
  if (found.state !== 'succeeded') throw new Error(`the chain ${found.state}`)
  return [
    { what: `kills survived (${found.acknowledged} acknowledged writes)`, value: found.kills, unit: '' },
    { what: 'acknowledged writes lost', value: found.lost, unit: '', bar: 0 },
    { what: 'steps committed twice', value: found.committedTwice, unit: '', bar: 0 },
    { what: 'orphans', value: found.orphans, unit: '', bar: 0 },
  ]
}
