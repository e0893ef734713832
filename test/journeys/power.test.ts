/** Three power cuts: the process is killed and every byte that was not fsynced is taken back. Twenty are in the bench. */
import assert from 'node:assert/strict'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { compileFaultLayer, powerCuts } from '../../src/testing/faults/index.ts'

const options = { skip: process.platform === 'linux' ? false : 'the fault layer is for Linux' }

test('three power cuts: no acknowledged write lost, each step committed once', options, async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'headrace-power-'))
  const found = await powerCuts(folder, 3, { shim: await compileFaultLayer(folder) })
  assert.ok(found.undone > 0, 'the layer has taken something back')
  const { lost, committedTwice, state } = found
  assert.deepEqual({ lost, committedTwice, state }, { lost: 0, committedTwice: 0, state: 'succeeded' })
})
