/** Power cuts on a disk that keeps only what was fsynced: nothing acknowledged may be lost. */
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { compileFaultLayer, powerCuts } from '../src/testing/faults/index.ts'
import type { Figure } from './run.ts'

const cuts = 20
const controlCuts = 4

export async function faults(): Promise<Figure[]> {
  const folder = await mkdtemp(path.join(tmpdir(), 'headrace-faults-'))
  const shim = await compileFaultLayer(folder)
  const held = await powerCuts(path.join(folder, 'fsync'), cuts, { shim })
  if (held.state !== 'succeeded') throw new Error(`the chain ${held.state}`)
  // The control: where the log is not synced at each commit, the layer must find losses, or it finds nothing at all.
  const control = await powerCuts(path.join(folder, 'process'), controlCuts, {
    shim,
    env: { HEADRACE_DURABILITY: 'process' },
  })
  return [
    { what: `power cuts survived (${held.acknowledged} acknowledged writes)`, value: held.kills, unit: '' },
    { what: 'writes that were not fsynced, taken back', value: held.undone, unit: '' },
    { what: 'acknowledged writes lost', value: held.lost, unit: '', bar: 0 },
    { what: 'steps committed twice', value: held.committedTwice, unit: '', bar: 0 },
    {
      what: `control, durability: process, ${controlCuts} cuts: acknowledged writes lost`,
      value: control.lost,
      unit: '',
    },
  ]
}
