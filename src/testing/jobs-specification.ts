/** What jobs must do on every database: one suite, run by each implementation's own test. Two queues are two servers. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { systemCaller } from '#base/caller.ts'
import { type Clock, ManualClock, wallClock } from '#base/clock.ts'
import { Fault, isFault } from '#base/errors.ts'
import { type Db, type Migration, openDb, statement } from '#platform/db/index.ts'
import { eventsMigrations, openEvents } from '#platform/events/index.ts'
import {
  type Attempt,
  type JobKind,
  type Jobs,
  jobsMigrations,
  openJobs,
  openSchedules,
} from '#platform/jobs/index.ts'

const notes: Migration = {
  id: 'testing/0001-notes',
  up: (schema) => [schema.schema.createTable('testing_notes').addColumn('text', 'text', (c) => c.notNull())],
}
interface Tables {
  testing_notes: { text: string }
}
const caller = systemCaller('mill', 'test')
const Payload = z.object({ text: z.string() })
type P = z.output<typeof Payload>

const note = (db: Db, text: string) =>
  statement(db.tables<Tables>().insertInto('testing_notes').values({ text }))
const notesOf = async (db: Db) =>
  (await db.read(db.tables<Tables>().selectFrom('testing_notes').selectAll())).map((row) => row.text).sort()
const kindOf = (run: (payload: P, attempt: Attempt) => Promise<void>, more: Partial<JobKind<P>> = {}) => ({
  kind: 'note',
  payload: Payload,
  timeoutMs: 5_000,
  attemptsMax: 3,
  concurrencyMax: 100,
  run,
  ...more,
})
async function until(what: () => Promise<boolean> | boolean): Promise<void> {
  for (let i = 0; i < 2_000; i++) {
    if (await what()) return
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  throw new Error('did not come about')
}

export function jobsSpecification(name: string, source: { freshUrl(): Promise<string> }): void {
  const opened = async () => {
    const url = await source.freshUrl()
    const db = await openDb({ url, migrations: [...eventsMigrations, ...jobsMigrations, notes] })
    const events = openEvents({ db })
    const queues: Jobs[] = []
    const server = (more: object = {}) => {
      const jobs = openJobs({ db, events, lookEveryMs: 10, leaseMs: 300, random: () => 0, ...more })
      queues.push(jobs)
      return jobs
    }
    const close = async () => {
      await Promise.all(queues.map((jobs) => jobs.stop()))
      await events.stop()
      await db.close()
    }
    const put = async (jobs: Jobs, kind: JobKind<P>, text: string, more: object = {}) => {
      const { id, statement: insert } = jobs.enqueue({ kind, payload: { text }, ...more }, caller)
      await db.commit([insert])
      return id
    }
    const stateOf = async (jobs: Jobs, id: string) => (await jobs.get({ job: id }, caller)).state
    return { db, events, server, put, stateOf, close }
  }

  test(`${name}: of two servers one runs each job, and what it did is one unit with its end`, async () => {
    const { db, server, put, close } = await opened()
    const runs = new Map<string, number>()
    const [a, b] = [server(), server()]
    const kinds = [a, b].map((jobs) =>
      jobs.define(
        kindOf(async ({ text }, { finish }) => {
          runs.set(text, (runs.get(text) ?? 0) + 1)
          await finish([note(db, text)], 'noted')
        }),
      ),
    )
    for (let i = 0; i < 40; i++) await put(a, kinds[0] as JobKind<P>, `n${i}`)
    a.start()
    b.start()
    await Promise.all([a.settled('mill'), b.settled('mill')])
    assert.equal((await notesOf(db)).length, 40)
    assert.deepEqual([...new Set(runs.values())], [1])
    const { jobs } = await a.list({ state: 'done', limit: 100 }, caller)
    assert.equal(jobs.length, 40)
    await close()
  })

  test(`${name}: a failure is tried again, the last one leaves a dead job and a fact`, async () => {
    const { events, server, put, close } = await opened()
    const jobs = server()
    let tries = 0
    const kind = jobs.define(
      kindOf(
        async ({ text }) => {
          tries++
          if (text === 'wrong') throw new Fault('invalid', 'testing.wrong', 'it is wrong')
          throw new Error('the mill stands still')
        },
        { attemptsMax: 2 },
      ),
    )
    jobs.start()
    const [flaky, wrong] = [await put(jobs, kind, 'flaky'), await put(jobs, kind, 'wrong')]
    await until(async () => (await jobs.get({ job: flaky }, caller)).state === 'dead')
    assert.equal((await jobs.get({ job: flaky }, caller)).attempt, 2)
    const one = await jobs.get({ job: wrong }, caller)
    // What is invalid stays invalid: one attempt.
    assert.deepEqual([one.state, one.attempt, one.why], ['dead', 1, 'it is wrong'])
    assert.equal(tries, 3)
    const died = (await events.list({ project: 'mill', limit: 100 })).filter(
      (e) => e.type === 'jobs.job.died',
    )
    assert.equal(died.length, 2)
    await jobs.retry({ job: wrong }, caller)
    await until(async () => (await jobs.get({ job: wrong }, caller)).state === 'dead')
    assert.equal(tries, 4)
    await close()
  })

  test(`${name}: what a silent server ran is taken over, and its late end is refused`, async () => {
    const { db, server, put, stateOf, close } = await opened()
    // A server whose heart has stopped: it never renews.
    const silent = server({ leaseMs: 150 })
    let late: Promise<unknown> | undefined
    let wake = () => {}
    const slow = silent.define(
      kindOf(async (_, { finish }) => {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
        late = finish([note(db, 'late')]).catch((error) => error)
        await late
      }),
    )
    const id = await put(silent, slow, 'x')
    silent.start()
    await until(async () => (await stateOf(silent, id)) === 'running')
    const healthy = server()
    healthy.define(kindOf(async (_, { finish }) => finish([note(db, 'second')])))
    const renew = db.commit
    // Its renewals do not reach the database.
    db.commit = (unit) =>
      unit.some((one) => one.sql.startsWith('update "platform_jobs" set "lease_until"'))
        ? Promise.resolve()
        : renew.call(db, unit)
    healthy.start()
    await until(async () => (await stateOf(healthy, id)) === 'done')
    wake()
    await until(() => late !== undefined)
    assert.ok(isFault(await late, 'jobs.lease_lost'))
    assert.deepEqual(await notesOf(db), ['second'])
    assert.equal((await healthy.get({ job: id }, caller)).attempt, 2)
    db.commit = renew
    await close()
  })

  test(`${name}: a group runs no more at once than its limit, over all servers; higher priority goes first`, async () => {
    const { server, put, close } = await opened()
    let now = 0
    let most = 0
    const order: string[] = []
    const run = async ({ text }: P) => {
      order.push(text)
      most = Math.max(most, ++now)
      await new Promise((resolve) => setTimeout(resolve, 15))
      now--
    }
    const [a, b] = [server(), server()]
    const kind = a.define(kindOf(run))
    b.define(kindOf(run))
    const group = { name: 'press', limit: 2 }
    for (let i = 0; i < 12; i++) await put(a, kind, `low ${i}`, { group })
    await put(a, kind, 'urgent', { group, priority: 5 })
    a.start()
    b.start()
    await a.settled('mill')
    assert.equal(most, 2)
    assert.equal(order.length, 13)
    assert.ok(order.indexOf('urgent') < 2, order.join())
    await close()
  })

  test(`${name}: cancelled jobs end, also those that run elsewhere; time is bounded; one key is one job`, async () => {
    const { server, put, stateOf, close } = await opened()
    const [a, b] = [server(), server()]
    const untilAborted = (_: P, { signal }: Attempt) =>
      new Promise<void>((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason), { once: true })
      })
    const kind = a.define(kindOf(untilAborted))
    const brief = a.define(kindOf(untilAborted, { kind: 'brief', timeoutMs: 30, attemptsMax: 1 }))
    const waiting = await put(a, kind, 'later', { dueAt: Date.now() + 3_600_000 })
    const running = await put(a, kind, 'now', { key: 'one' })
    const hurried = await put(a, brief, 'brief')
    await assert.rejects(put(a, kind, 'now', { key: 'one' }), (t) => isFault(t, 'db.duplicate'))
    a.start()
    await until(async () => (await stateOf(a, running)) === 'running')
    await b.cancel({ job: waiting }, caller)
    await b.cancel({ job: running }, caller)
    assert.equal(await stateOf(a, waiting), 'cancelled')
    await until(async () => (await stateOf(a, running)) === 'cancelled')
    await until(async () => (await stateOf(a, hurried)) === 'dead')
    assert.match((await a.get({ job: hurried }, caller)).why, /longer than 0.03 s/)
    await close()
  })

  test(`${name}: a server that stops gives back what it runs, without costing it an attempt`, async () => {
    const { server, put, stateOf, close } = await opened()
    const a = server()
    const kind = a.define(
      kindOf(
        (_, { signal }) =>
          new Promise<void>((_resolve, reject) => {
            signal.addEventListener('abort', () => reject(signal.reason), { once: true })
          }),
      ),
    )
    const id = await put(a, kind, 'x')
    a.start()
    await until(async () => (await stateOf(a, id)) === 'running')
    await a.stop()
    const given = await a.get({ job: id }, caller)
    assert.deepEqual([given.state, given.attempt], ['queued', 0])
    const b = server()
    b.define(kindOf(async () => undefined))
    b.start()
    await b.settled('mill')
    assert.equal(await stateOf(b, id), 'done')
    await close()
  })

  test(`${name}: a schedule fires once for each of its times, by whichever server`, async () => {
    const { db, server, close } = await opened()
    const fired: number[] = []
    const Timed = z.object({ text: z.string(), at: z.number() })
    const clock = new ManualClock(Date.parse('2017-03-25T12:00:00Z'))
    const clocks: Record<string, Clock> = { mill: clock, wall: wallClock }
    const clockOf = async (project: string) => clocks[project] ?? wallClock
    const both = [server(), server()].map((jobs) => {
      const schedules = openSchedules({ db, jobs, clockOf, lookEveryMs: 3_600_000 })
      const kind = jobs.define({
        ...kindOf(async () => undefined),
        payload: Timed,
        run: async ({ at }) => void fired.push(at),
      })
      schedules.know(kind as JobKind)
      jobs.start()
      return { jobs, schedules, kind }
    })
    const [a, b] = both as [(typeof both)[0], (typeof both)[0]]
    const rule = { cron: '30 2 * * *', zone: 'Europe/Berlin', catchUpMs: 3_600_000 }
    const nightly = { name: 'p/nightly', rule, kind: a.kind as JobKind, payload: { text: 'x' } }
    await a.schedules.replace('p/', [nightly], caller)
    // 02:30 does not exist in the night to 26 March 2017 in Berlin: the first moment after the gap counts.
    for (const day of [
      '2017-03-26T12:00:00Z',
      '2017-03-27T12:00:00Z',
      '2017-03-27T13:00:00Z',
      '2017-03-30T12:00:00Z',
    ]) {
      clock.set(Date.parse(day))
      await Promise.all([a.schedules.look(), b.schedules.look()])
      await a.jobs.settled('mill')
    }
    assert.deepEqual(
      fired.map((at) => new Date(at).toISOString()),
      ['2017-03-26T01:00:00.000Z', '2017-03-27T00:30:00.000Z', '2017-03-30T00:30:00.000Z'],
    )
    // What is unchanged keeps its turn; what is gone is gone.
    await b.schedules.replace('p/', [nightly], caller)
    assert.equal(
      (await b.schedules.list({}, caller)).schedules[0]?.nextAt,
      Date.parse('2017-03-31T00:30:00Z'),
    )
    await b.schedules.replace('p/', [], caller)
    assert.deepEqual((await b.schedules.list({}, caller)).schedules, [])
    await close()
  })
}
