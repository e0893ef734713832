/** Facts reach their subscribers in order and at least once, and nobody can edit them unseen. */
import assert from 'node:assert/strict'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { z } from 'zod'
import { systemCaller } from '#base/caller.ts'
import { openDb } from '#platform/db/index.ts'
import { defineEvent, type Events, eventsMigrations, openEvents } from './index.ts'

const grown = defineEvent('testing.plant.grown', z.object({ cm: z.number() }))
const caller = systemCaller('garden', 'test')

async function openLog(file?: string) {
  const at = file ?? path.join(await mkdtemp(path.join(tmpdir(), 'headrace-events-')), 'a.db')
  const db = await openDb({ url: `sqlite:${at}`, migrations: eventsMigrations })
  return { file: at, db, events: openEvents({ db }) }
}
const record = (events: Events, cm: number) =>
  events.record(caller, { type: grown, subject: 'plant:fern', payload: { cm } })

test('a subscriber hears each fact once, in order, with who did it', async () => {
  const { db, events } = await openLog()
  const heard: unknown[] = []
  events.subscribe({
    name: 'gardener',
    types: [grown],
    handle: async (e) => void heard.push([e.actor, e.payload]),
  })
  events.start()
  for (const cm of [1, 2, 3]) await db.commit([record(events, cm)])
  await events.settled()
  assert.deepEqual(
    heard,
    [1, 2, 3].map((cm) => ['system:test', { cm }]),
  )
  await events.stop()
  await db.close()
})

test('a fact whose unit failed was never told', async () => {
  const { db, events } = await openLog()
  events.start()
  await assert.rejects(
    db.commit([record(events, 1), { sql: 'update platform_cursors set seq = 1', parameters: [], expect: 1 }]),
  )
  assert.deepEqual(await events.list({ limit: 10 }), [])
  await events.stop()
  await db.close()
})

test('after a restart a subscriber goes on where it was', async () => {
  const { file, db, events } = await openLog()
  const heard: number[] = []
  const subscribe = (log: Events) =>
    log.subscribe({
      name: 'gardener',
      types: [grown],
      handle: async (e) => void heard.push((e.payload as { cm: number }).cm),
    })
  subscribe(events)
  events.start()
  await db.commit([record(events, 1)])
  await events.settled()
  await events.stop()
  await db.commit([record(events, 2)])
  await db.close()
  const again = await openLog(file)
  subscribe(again.events)
  again.events.start()
  await again.events.settled()
  assert.deepEqual(heard, [1, 2])
  await again.events.stop()
  await again.db.close()
})

test('a handler that fails is tried again; one that always fails is parked and does not hold the next fact', async () => {
  const { db, events } = await openLog()
  let tries = 0
  const heard: unknown[] = []
  events.subscribe({
    name: 'clumsy',
    types: [grown],
    handle: async (e) => {
      if ((e.payload as { cm: number }).cm === 1) {
        tries++
        throw new Error('dropped it')
      }
      heard.push(e.payload)
    },
  })
  events.start()
  await db.commit([record(events, 1)])
  await db.commit([record(events, 2)])
  await events.settled()
  assert.equal(tries, 5)
  assert.deepEqual(heard, [{ cm: 2 }])
  assert.equal((await events.deadLetters())[0]?.subscriber, 'clumsy')
  await events.stop()
  await db.close()
})

test('a live listener hears what is committed after it came', async () => {
  const { db, events } = await openLog()
  await db.commit([record(events, 1)])
  events.start()
  await events.settled()
  const heard: unknown[] = []
  events.onCommitted((e) => heard.push(e.payload))
  await db.commit([record(events, 2)])
  await events.settled()
  assert.deepEqual(heard, [{ cm: 2 }])
  await events.stop()
  await db.close()
})

const tamper = (file: string, sql: string) => {
  const raw = new DatabaseSync(file)
  raw.exec(sql)
  raw.close()
}

for (const [deed, sql, problem] of [
  ['an edited row', `update platform_events set actor = 'nobody' where seq = 2`, /row 2 /],
  ['a removed row', 'delete from platform_events where seq = 2', /row 3 /],
  ['a cut tail', 'delete from platform_events where seq = 4', /missing at the end/],
] as const)
  test(`the audit chain finds ${deed}`, async () => {
    const { file, db, events } = await openLog()
    events.start()
    for (const cm of [1, 2, 3, 4]) await db.commit([record(events, cm)])
    await events.stop()
    assert.equal((await events.verify()).intact, true)
    assert.equal((await events.verify()).verified, 4)
    tamper(file, sql)
    const verdict = await events.verify()
    assert.equal(verdict.intact, false)
    assert.match(verdict.problem ?? '', problem)
    await db.close()
  })
