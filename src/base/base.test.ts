/** The words without I/O. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mayDo } from './caller.ts'
import { canonicalJson, digestOf } from './digest.ts'
import { isFault } from './errors.ts'
import { checkName, newId } from './ids.ts'
import { machine } from './machine.ts'
import { mapBounded } from './map-bounded.ts'
import { decodePageToken, encodePageToken, pageOf } from './page.ts'

test('equal values give equal canonical bytes, whatever the order of their keys', () => {
  assert.equal(canonicalJson({ b: 1, a: [1, { d: null, c: 'x' }] }), '{"a":[1,{"c":"x","d":null}],"b":1}')
  assert.equal(digestOf({ a: 1, b: 2 }), digestOf({ b: 2, a: 1, c: undefined }))
})

test('ids sort by the time they were made', () => {
  const ids = [1, 2, 3].map((ms) => newId(1_700_000_000_000 + ms))
  assert.deepEqual([...ids].sort(), ids)
  assert.match(ids[0] ?? '', /^[0-9a-f]{12}7[0-9a-f]{19}$/)
})

test('a name that would leave its folder is refused', () => {
  for (const name of ['', '../x', 'a/b', '.hidden', 'a..b', 'x'.repeat(129)])
    assert.throws(
      () => checkName('dataset', name),
      (thrown) => isFault(thrown, 'name.invalid'),
      name,
    )
  assert.equal(checkName('dataset', 'daily_v1.2'), 'daily_v1.2')
})

test('a machine goes only where its table has an arrow', () => {
  const life = machine<'open' | 'shut', 'close'>('gate', { open: { close: 'shut' }, shut: {} })
  assert.equal(life.next('open', 'close'), 'shut')
  assert.ok(life.isFinal('shut'))
  assert.throws(
    () => life.next('shut', 'close'),
    (thrown) => isFault(thrown, 'gate.wrong_state'),
  )
})

test('a grant covers its noun and verb, and a star covers all on its side', () => {
  assert.ok(mayDo({ grants: ['model:*'] }, 'model:promote'))
  assert.ok(mayDo({ grants: ['*:read'] }, 'run:read'))
  assert.ok(!mayDo({ grants: ['*:read', 'run:write'] }, 'model:write'))
})

test('a page carries a token only where more rows follow, and the token comes back whole', () => {
  assert.equal(pageOf([1, 2], 2, (n) => [n]).nextPageToken, undefined)
  assert.deepEqual(decodePageToken(pageOf([1, 2, 3], 2, (n) => [n]).nextPageToken ?? ''), [2])
  assert.deepEqual(decodePageToken(encodePageToken(['a', null])), ['a', null])
  assert.throws(
    () => decodePageToken('?'),
    (thrown) => isFault(thrown, 'page.token_invalid'),
  )
})

test('bounded work keeps its order and never runs more at once than allowed', async () => {
  let running = 0
  let most = 0
  const results = await mapBounded([1, 2, 3, 4, 5], 2, async (n) => {
    most = Math.max(most, ++running)
    await new Promise((resolve) => setImmediate(resolve))
    running--
    return n * 2
  })
  assert.deepEqual(results, [2, 4, 6, 8, 10])
  assert.equal(most, 2)
})
