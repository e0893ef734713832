/** People decide, within the policy and in time. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFault } from '#base/errors.ts'
import { openRooms } from '../../testing/rooms.ts'
import { openReviews, reviewsMigrations } from './index.ts'

const roles: Record<string, string[]> = { ana: ['lead'], ben: ['lead'], cy: ['lead'], dan: [] }
async function opened(count = 2) {
  const rooms = await openRooms({ migrations: reviewsMigrations })
  const reviews = openReviews({ ...rooms, rolesOf: async (_project, actor) => roles[actor] ?? [] })
  const policy = { from: ['role:lead'], count, not_author: true, expires: '3d' }
  const ask = () =>
    reviews.request(
      { subject: 'model:m@1', question: 'to production?', policy, author: 'cy', evidence: { wape: 0.2 } },
      rooms.caller,
    )
  const as = (name: string) => ({ ...rooms.caller, actor: { kind: 'user' as const, name } })
  const approve = (review: string, name: string) => reviews.approve({ review, comment: 'good' }, as(name))
  return { ...rooms, reviews, ask, as, approve }
}

test('two of the role approve, and the decision is told once', async () => {
  await using house = await opened()
  const { id } = await house.ask()
  assert.equal((await house.ask()).id, id)
  assert.equal((await house.approve(id, 'ana')).state, 'open')
  assert.equal((await house.approve(id, 'ben')).state, 'approved')
  const told = await house.events.list({ types: ['reviews.review.decided'], limit: 9 })
  assert.deepEqual(
    told.map((e) => e.payload),
    [{ review: id, subject: 'model:m@1', state: 'approved', by: ['ana', 'ben'] }],
  )
})

test('one rejection rejects', async () => {
  await using house = await opened()
  const { id } = await house.ask()
  assert.equal((await house.reviews.reject({ review: id, comment: 'no' }, house.as('ana'))).state, 'rejected')
})

for (const [what, name] of [
  ['a stranger', 'dan'],
  ['the author', 'cy'],
] as const)
  test(`${what} may not vote`, async () => {
    await using house = await opened()
    const { id } = await house.ask()
    await assert.rejects(house.approve(id, name), (t) => isFault(t, 'reviews.not_allowed'))
  })

test('nobody votes twice, nor after the decision, nor after the time', async () => {
  await using house = await opened(2)
  const { id } = await house.ask()
  await house.approve(id, 'ana')
  await assert.rejects(house.approve(id, 'ana'), (t) => isFault(t, 'reviews.not_allowed'))
  house.clock.advance(4 * 86_400_000)
  await assert.rejects(house.approve(id, 'ben'), (t) => isFault(t, 'review.wrong_state'))
  assert.equal((await house.reviews.get({ review: id }, house.caller)).state, 'expired')
  assert.notEqual((await house.ask()).id, id)
})
