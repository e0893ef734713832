import assert from 'node:assert/strict'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { isFault } from '#base/errors.ts'
import { jobsSpecification } from '../../testing/jobs-specification.ts'
import { backoffMs, never, turnOf } from './rules.ts'
import { cronTimes } from './schedules.ts'

jobsSpecification('sqlite', {
  freshUrl: async () =>
    `sqlite:${path.join(await mkdtemp(path.join(tmpdir(), 'headrace-jobs-')), 'headrace.db')}`,
})

test('back-off doubles to five minutes, and half of it is by chance', () => {
  assert.deepEqual(
    [1, 2, 3, 9, 40].map((attempt) => backoffMs(attempt, 0)),
    [500, 1_000, 2_000, 128_000, 150_000],
  )
  assert.equal(backoffMs(1, 1), 1_000)
})

test('times that passed unseen count as one, and not at all where they are too old', () => {
  const rule = { cron: '0 * * * *', zone: 'UTC', catchUpMs: 600_000 }
  const times = cronTimes(rule.cron, rule.zone)
  const at = (text: string) => Date.parse(`2026-01-01T${text}:00Z`)
  const turn = (now: string, isReplay = false) => {
    const { firesFor, nextAt } = turnOf(rule, times, { dueAt: at('01:00'), now: at(now), isReplay })
    return [firesFor === undefined ? 'none' : new Date(firesFor).toISOString().slice(11, 16), nextAt]
  }
  assert.deepEqual(turn('01:00'), ['01:00', at('02:00')])
  assert.deepEqual(turn('04:05'), ['04:00', at('05:00')])
  assert.deepEqual(turn('04:45'), ['none', at('05:00')])
  assert.deepEqual(turn('04:45', true), ['04:00', at('05:00')])
  // Every second, with the server away for a month: not one by one.
  const seconds = { cron: '* * * * * *', zone: 'UTC', catchUpMs: 600_000 }
  const late = turnOf(seconds, cronTimes(seconds.cron, 'UTC'), {
    dueAt: 0,
    now: at('01:00'),
    isReplay: false,
  })
  assert.deepEqual(late, { firesFor: undefined, nextAt: at('01:00') + 1_000 })
})

test('a cron expression or a zone that does not exist is refused in words; one that never comes is never due', () => {
  for (const [cron, zone] of [
    ['61 * * * *', 'UTC'],
    ['often', 'UTC'],
    ['', 'UTC'],
    ['0 0 * * *', 'Mars/Olympus'],
  ] as const)
    assert.throws(
      () => cronTimes(cron, zone),
      (thrown) => isFault(thrown, 'jobs.cron_invalid'),
      cron,
    )
  const leap = cronTimes('0 0 30 2 *', 'UTC')
  assert.equal(leap.after(0), undefined)
  const rule = { cron: '0 0 30 2 *', zone: 'UTC', catchUpMs: 0 }
  assert.equal(turnOf(rule, leap, { dueAt: 0, now: 5, isReplay: true }).nextAt, never)
})
