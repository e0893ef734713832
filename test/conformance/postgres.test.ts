/** The suites of the database and of facts on PostgreSQL, and a whole server with its tables there. */
import assert from 'node:assert/strict'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { z } from 'zod'
import { systemCaller } from '#base/caller.ts'
import { openDb } from '#platform/db/index.ts'
import { defineEvent, eventsMigrations, openEvents } from '#platform/events/index.ts'
import { databaseSpecification } from '../../src/testing/database-specification.ts'
import { jobsSpecification } from '../../src/testing/jobs-specification.ts'
import { runMlflow } from '../../src/testing/mlflow.ts'
import { startPostgres } from '../../src/testing/postgres.ts'
import { startServer } from '../../src/testing/server.ts'

const postgres = await startPostgres()
after(() => postgres?.stop())

if (postgres === undefined) {
  const why = 'PostgreSQL is not installed, and could not be'
  test('PostgreSQL', { skip: process.env.CI === 'true' ? false : why }, () => assert.fail(why))
} else {
  databaseSpecification('postgres', postgres)
  jobsSpecification('postgres', postgres)

  test('postgres: facts reach a subscriber in order, and the chain is whole', async () => {
    const db = await openDb({ url: await postgres.freshUrl(), migrations: eventsMigrations })
    const events = openEvents({ db })
    const grown = defineEvent('testing.plant.grown', z.object({ cm: z.number() }))
    const heard: unknown[] = []
    events.subscribe({
      name: 'gardener',
      types: [grown],
      handle: async (e) => void heard.push((e.payload as { cm: number }).cm),
    })
    events.start()
    for (const cm of [1, 2, 3])
      await db.commit([
        events.record(systemCaller('garden', 'test'), { type: grown, subject: 'plant', payload: { cm } }),
      ])
    await events.settled()
    assert.deepEqual(heard, [1, 2, 3])
    await events.stop()
    assert.deepEqual([(await events.verify()).intact, (await events.verify()).verified], [true, 3])
    await db.close()
  })

  test('postgres: a server keeps its tables there over a restart', async () => {
    const env = { DATABASE_URL: await postgres.freshUrl() }
    const data = path.join(await mkdtemp(path.join(tmpdir(), 'headrace-pg-')), 'data')
    const first = await startServer(data, env)
    const headers = { 'content-type': 'application/json' }
    const made = await fetch(`${first.url}/p/alpha/api/v1/runs`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ experiment: 'e' }),
    })
    const { id } = (await made.json()) as { id: string }
    const metrics = [
      { key: 'loss', value: 'NaN' },
      { key: 'wape', value: 0.25 },
    ]
    assert.equal(
      (
        await fetch(`${first.url}/p/alpha/api/v1/runs/${id}/log`, {
          method: 'POST',
          headers,
          body: JSON.stringify({ metrics }),
        })
      ).status,
      200,
    )
    assert.equal(await first.stop(), 0)
    const second = await startServer(data, env)
    const run = (await (await fetch(`${second.url}/p/alpha/api/v1/runs/${id}`)).json()) as { metrics: object }
    assert.deepEqual(run.metrics, { loss: 'NaN', wape: 0.25 })
    assert.equal(await second.stop(), 0)
  })

  test('postgres: users, groups and roles decide there as in SQLite', async (t) => {
    const server = await startServer(path.join(await mkdtemp(path.join(tmpdir(), 'headrace-pg-')), 'data'), {
      DATABASE_URL: await postgres.freshUrl(),
    })
    t.after(() => server.kill())
    const password = 'a long phrase of words'
    const send = async (method: string, address: string, body: object) => {
      const headers = { 'content-type': 'application/json' }
      const sent = { method, headers, body: JSON.stringify(body) }
      return (await fetch(`${server.url}${address}`, sent)).status
    }
    assert.equal(await send('POST', '/api/v1/users', { user: 'ana', password }), 201)
    assert.equal(await send('POST', '/api/v1/users', { user: 'ana', password }), 409)
    assert.equal(await send('PUT', '/api/v1/users/ana/groups/team', {}), 200)
    const role = { subject: 'group:team', project: 'alpha', role: 'viewer' }
    assert.equal(await send('POST', '/api/v1/grants', role), 200)
    const authorization = `Basic ${Buffer.from(`ana:${password}`).toString('base64')}`
    for (const [project, status] of [
      ['alpha', 200],
      ['beta', 403],
    ] as const) {
      const address = `${server.url}/p/${project}/api/v1/models`
      assert.equal((await fetch(address, { headers: { authorization } })).status, status)
    }
    assert.equal(await server.stop(), 0)
  })

  test('postgres: the mlflow client tracks, searches and registers there as in SQLite', async (t) => {
    const server = await startServer(path.join(await mkdtemp(path.join(tmpdir(), 'headrace-pg-')), 'data'), {
      DATABASE_URL: await postgres.freshUrl(),
    })
    t.after(() => server.kill())
    for (const script of [
      'mlflow-tracking.py',
      'mlflow-models.py',
      'mlflow-traces.py',
      'mlflow-judging.py',
    ]) {
      const ran = await runMlflow(script, server.url).catch((error: Error) => {
        if (process.env.CI === 'true') throw error
        t.skip(error.message)
      })
      if (ran === undefined) return
      assert.equal(ran.code, 0, ran.said)
    }
  })
}
