/** Twenty power cuts (of the process) in the middle of work. */
import assert from 'node:assert/strict'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { crashRepeatedly, seeded } from '../../src/testing/crash.ts'

test('killed twenty times: no acknowledged write lost, each step committed once, no orphan, the same end', async (t) => {
  const seed = Date.now() % 1_000_000
  t.diagnostic(`seed ${seed}`)
  const dataDir = path.join(await mkdtemp(path.join(tmpdir(), 'headrace-crash-')), 'data')
  const found = await crashRepeatedly(dataDir, 20, seeded(seed))
  assert.ok(found.acknowledged > 100, `${found.acknowledged} writes`)
  assert.deepEqual(
    { ...found, acknowledged: 0 },
    { kills: 20, acknowledged: 0, lost: 0, committedTwice: 0, orphans: 0, state: 'succeeded' },
  )
})
