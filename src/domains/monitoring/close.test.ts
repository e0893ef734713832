/** Windows close once, by labels that are due; late labels revise them, and set nothing off again. */
import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import { z } from 'zod'
import { isFault } from '#base/errors.ts'
import { regressionMetrics } from '#stats/regression.ts'
import { openRooms } from '../../testing/rooms.ts'
import { datasetsBlock, datasetsMigrations, openDatasets } from '../datasets/index.ts'
import type { Logged } from '../serving/index.ts'
import { monitoringMigrations, monitoringSubscriptions, monitorsBlock, openMonitoring } from './index.ts'

const definition = `
datasets:
  daily: { key: [shop, date], time: date }
  checked: { time: date, checks: [{ rule: fresh, max: 1d }] }
endpoints: { e: {}, other: {} }
monitors:
  m:
    endpoint: e
    labels: { from: daily, join: [shop, date], column: units, delay: 1d }
    metrics: { wape_2d: { of: wape, rolling: 2 }, bias: {}, null_rate: {}, x_drift: { psi: x } }
  judged: { endpoint: other, labels: { from: checked, join: [shop, date], column: units } }
`
const day = (d: number) => new Date(Date.UTC(2017, 2, d)).toISOString().slice(0, 10)
const start = (d: number) => Date.UTC(2017, 2, d)
const halfHour = 30 * 60_000
type Label = readonly [shop: string, d: number, units: number | null]

async function opened() {
  const rooms = await openRooms({
    migrations: [...datasetsMigrations, ...monitoringMigrations],
    blocks: [
      datasetsBlock,
      monitorsBlock,
      { name: 'endpoints', schema: z.record(z.string(), z.unknown()), summary: 'endpoints of a test' },
    ],
    definition,
  })
  const datasets = openDatasets(rooms)
  const logged: Logged[] = []
  const asked: { from: string; to: string }[] = []
  const training = { dataset: 'training', version: 1, id: 't' }
  const deps = {
    ...rooms,
    datasets,
    registry: { getVersion: async () => ({ datasets: [training] }) },
    serving: () => ({
      predictionsOf: async (range: { endpoint: string; from: string; to: string }) => {
        asked.push(range)
        return logged.filter((p) => p.for_day >= range.from && p.for_day <= range.to)
      },
      statusOf: async () => ({ stable: { model: 'd', version: 1, features: ['x', 'y'] } }),
    }),
  } as unknown as Parameters<typeof openMonitoring>[0]
  let written = 0
  const commit = async (dataset: string, sql: string) => {
    const file = path.join(rooms.directory, `${dataset}_${written++}.parquet`)
    await rooms.columnar.writeParquet(sql, { to: file })
    const files = [{ path: 'f.parquet', source: file }]
    const producedBy = { kind: 'upload' } as const
    return datasets.commitVersion({ dataset, files, mode: 'replace', producedBy }, rooms.caller)
  }
  const labelsSql = (rows: readonly Label[]) =>
    `select * from (values ${rows.map(([s, d, u]) => `('${s}', date '${day(d)}', ${u})`).join(', ')}) t(shop, date, units)`
  await commit('training', 'select i as x from range(100) r(i)')
  const monitoring = openMonitoring(deps)
  const label = async (rows: readonly Label[], of = monitoring) => {
    const { version } = await commit('daily', labelsSql(rows))
    return of.onLabels({ dataset: 'daily', version: version.version }, rooms.caller)
  }
  const windows = async () => (await monitoring.windows({ monitor: 'm' }, rooms.caller)).windows
  const facts = async (type: string) =>
    (await rooms.events.list({ types: [`monitoring.window.${type}`], limit: 100, order: 'asc' })).map(
      (e) => e.payload as Record<string, unknown> & { window: { from: number } },
    )
  const predict = (shop: string, d: number, value: number, more: Partial<Logged> = {}) =>
    logged.push({
      id: String(logged.length),
      revision: 1,
      role: 'served',
      key: { shop },
      for_day: day(d),
      value,
      features: [value, null],
      at_ms: start(d) - halfHour + logged.length,
      ...more,
    })
  const night = (d: number) => rooms.clock.set(start(d) + 86_400_000 + halfHour)
  return {
    ...rooms,
    deps,
    datasets,
    monitoring,
    commit,
    label,
    labelsSql,
    windows,
    facts,
    predict,
    night,
    asked,
  }
}
const near = (a: number | null | undefined, b: number) =>
  assert.ok(typeof a === 'number' && Math.abs(a - b) < 1e-12, `${a} is not ${b}`)

test('a day closes with the errors of what was served, and of every revision', async () => {
  await using house = await opened()
  house.predict('a', 15, 8)
  house.predict('b', 15, 25)
  for (const [shop, value] of [
    ['a', 11],
    ['b', 20],
  ] as const)
    house.predict(shop, 15, value, { revision: 2, role: 'shadow' })
  house.night(15)
  assert.equal(
    await house.label([
      ['a', 15, 10],
      ['b', 15, 20],
    ]),
    1,
  )
  const [window] = await house.windows()
  const expected = regressionMetrics([10, 20], [8, 25])
  near(window?.metrics.wape, expected.wape as number)
  near(window?.metrics.rmse, expected.rmse as number)
  near(window?.metrics.bias, expected.bias as number)
  near(window?.metrics.wape_2d, expected.wape as number)
  near(window?.metrics.null_rate, 0.5)
  assert.ok((window?.metrics.x_drift ?? 0) > 0.25)
  assert.deepEqual([window?.day, window?.labelVersion], ['2017-03-15', 1])
  const [fact] = await house.facts('closed')
  assert.deepEqual(fact?.window, { from: start(15), to: start(16) })
  assert.deepEqual(fact?.labelVersion, { dataset: 'daily', version: 1 })
  assert.deepEqual(fact?.byRevision, { 1: 7 / 30, 2: 1 / 30 })
})

test('the same labels close nothing twice, by another delivery or after a restart', async () => {
  await using house = await opened()
  house.predict('a', 15, 8)
  house.night(15)
  await house.label([['a', 15, 10]])
  const again = openMonitoring(house.deps)
  assert.equal(await again.onLabels({ dataset: 'daily', version: 1 }, house.caller), 0)
  assert.equal(
    await house.label(
      [
        ['a', 15, 10],
        ['a', 16, 3],
      ],
      again,
    ),
    0,
  )
  assert.equal((await house.facts('closed')).length, 1)
  assert.deepEqual(await house.facts('revised'), [])
})

test('two deliveries at the same moment close a day once', async () => {
  await using house = await opened()
  house.predict('a', 15, 8)
  const { version } = await house.commit('daily', house.labelsSql([['a', 15, 10]]))
  house.night(15)
  const deliver = () =>
    house.monitoring.onLabels({ dataset: 'daily', version: version.version }, house.caller)
  const closed = await Promise.all([deliver(), deliver(), deliver()])
  assert.equal(
    closed.reduce((a, b) => a + b),
    1,
  )
  assert.equal((await house.facts('closed')).length, 1)
})

test('a day whose labels are not due yet waits for them', async () => {
  await using house = await opened()
  house.predict('a', 15, 8)
  house.clock.set(start(15) + 12 * 3_600_000)
  assert.equal(await house.label([['a', 15, 4]]), 0)
  house.night(15)
  assert.equal(await house.label([['a', 15, 10]]), 1)
  near((await house.windows())[0]?.metrics.wape, 0.2)
})

test('labels that change revise their window and the rolling ones after it, and fire nothing again', async () => {
  await using house = await opened()
  for (const d of [15, 16, 17]) house.predict('a', d, 8)
  house.predict('b', 15, 5)
  const labels: Label[] = []
  for (const d of [15, 16, 17]) {
    labels.push(['a', d, 10])
    house.night(d)
    await house.label(labels)
  }
  const before = await house.windows()
  assert.deepEqual(
    before.map((w) => w.served.rows),
    [1, 1, 1],
  )
  // The second shop reports late, the first corrects itself.
  house.night(18)
  assert.equal(await house.label([['a', 15, 16], ['b', 15, 5], ...labels.slice(1)]), 1)
  const after = await house.windows()
  near(after[0]?.metrics.wape, 8 / 21)
  near(after[1]?.metrics.wape_2d, 10 / 31)
  near(after[2]?.metrics.wape_2d, 0.2)
  assert.deepEqual(
    after.map((w) => w.labelVersion),
    [4, 2, 3],
  )
  assert.deepEqual(
    after.map((w) => [w.closedAt, w.metrics.x_drift, w.metrics.null_rate]),
    before.map((w) => [w.closedAt, w.metrics.x_drift, w.metrics.null_rate]),
  )
  assert.equal((await house.facts('closed')).length, 3)
  const revised = await house.facts('revised')
  assert.deepEqual(
    revised.map((f) => [f.window.from, f.before, f.labelVersion]),
    [[start(15), before[0]?.metrics, { dataset: 'daily', version: 4 }]],
  )
  // An older version that is told again takes nothing back.
  assert.equal(await house.monitoring.onLabels({ dataset: 'daily', version: 1 }, house.caller), 0)
  assert.deepEqual(await house.windows(), after)
})

test('a day that was skipped closes when its labels come, and later rolling windows pool it', async () => {
  await using house = await opened()
  for (const d of [15, 16]) house.predict('a', d, 8)
  house.night(16)
  assert.equal(await house.label([['a', 16, 10]]), 1)
  near((await house.windows())[0]?.metrics.wape_2d, 0.2)
  assert.equal(
    await house.label([
      ['a', 15, 4],
      ['a', 16, 10],
    ]),
    1,
  )
  const windows = await house.windows()
  assert.deepEqual(
    windows.map((w) => w.day),
    ['2017-03-15', '2017-03-16'],
  )
  near(windows[1]?.metrics.wape_2d, 6 / 14)
})

test('of several answers for a key the last counts, whichever revision gave it', async () => {
  await using house = await opened()
  house.predict('a', 15, 100)
  house.predict('a', 15, 9, { revision: 2 })
  house.night(15)
  await house.label([['a', 15, 10]])
  const [window] = await house.windows()
  assert.deepEqual([window?.served.rows, window?.byRevision['1']?.rows], [1, 1])
  near(window?.metrics.wape, 0.1)
})

test('nothing that was asked, or labelled, closes nothing', async () => {
  await using house = await opened()
  house.night(15)
  assert.equal(await house.label([['a', 15, 10]]), 0)
  house.predict('a', 16, 8)
  house.night(16)
  assert.equal(
    await house.label([
      ['a', 15, 10],
      ['a', 16, null],
    ]),
    0,
  )
  await house.commit('daily', `${house.labelsSql([['a', 15, 1]])} limit 0`)
  assert.equal(await house.monitoring.onLabels({ dataset: 'daily', version: 3 }, house.caller), 0)
  assert.deepEqual(await house.windows(), [])
})

test('a day on which no key meets its label has no error, rather than zero', async () => {
  await using house = await opened()
  house.predict('a', 15, 8)
  house.night(15)
  await house.label([['z', 15, 10]])
  const [window] = await house.windows()
  assert.deepEqual([window?.metrics.wape, window?.metrics.bias, window?.metrics.wape_2d], [null, null, null])
})

test('a night reads the new day alone', async () => {
  await using house = await opened()
  const labels: Label[] = []
  for (let d = 15; d < 20; d++) {
    house.predict('a', d, 8)
    labels.push(['a', d, 10])
    house.night(d)
    house.asked.length = 0
    await house.label(labels)
  }
  assert.deepEqual(
    house.asked.map(({ from, to }) => [from, to]),
    [['2017-03-19', '2017-03-19']],
  )
})

test('quality of a revision is that of its windows since a time, by role where it is asked', async () => {
  await using house = await opened()
  for (const d of [15, 16]) {
    house.predict('a', d, 8)
    house.predict('a', d, 7, { revision: 2, role: d === 15 ? 'shadow' : 'served' })
  }
  house.night(16)
  await house.label([
    ['a', 15, 10],
    ['a', 16, 10],
  ])
  const ask = (query: object) =>
    house.monitoring.qualityOf({ endpoint: 'e', revision: 2, sinceMs: start(15), ...query }, house.caller)
  const { labels, wape, rmse, bias } = await ask({})
  assert.equal(labels, 2)
  near(wape, 0.3)
  near(rmse, 3)
  near(bias, -3)
  assert.equal((await ask({ sinceMs: start(16) })).labels, 1)
  assert.equal((await ask({ role: 'shadow' })).labels, 1)
  const none = { labels: 0, wape: null, rmse: null, bias: null }
  assert.deepEqual(await ask({ revision: 9 }), none)
  assert.deepEqual(await ask({ endpoint: 'unwatched' }), none)
})

test('versions that are accepted at once, and those that a verdict accepts, are heard', async () => {
  await using house = await opened()
  monitoringSubscriptions(house.monitoring, house.events)
  house.events.start()
  house.predict('a', 15, 8)
  house.night(15)
  await house.commit('daily', house.labelsSql([['a', 15, 10]]))
  await house.commit('checked', house.labelsSql([['a', 15, 10]]))
  await house.events.settled()
  const closed = async () => (await house.facts('closed')).map((f) => f.monitor)
  assert.deepEqual(await closed(), ['m'])
  const verdict = { dataset: 'checked', version: 1, report: {}, quarantine: [] }
  await house.datasets.setVerdict({ ...verdict, passed: false }, house.caller)
  await house.events.settled()
  assert.deepEqual(await closed(), ['m'])
  await house.datasets.setVerdict({ ...verdict, passed: true }, house.caller)
  await house.events.settled()
  assert.deepEqual(await closed(), ['m', 'judged'])
})

test('labels that were refused since are left to the version that replaces them', async () => {
  await using house = await opened()
  house.predict('a', 15, 8)
  house.night(15)
  await house.commit('checked', house.labelsSql([['a', 15, 10]]))
  assert.equal(await house.monitoring.onLabels({ dataset: 'checked', version: 1 }, house.caller), 0)
})

test('a monitor that is not there is not found, and one without windows has no last', async () => {
  await using house = await opened()
  await assert.rejects(house.monitoring.windows({ monitor: 'n' }, house.caller), (t) =>
    isFault(t, 'monitoring.monitor_not_found'),
  )
  const { monitors } = await house.monitoring.listMonitors({}, house.caller)
  assert.deepEqual(monitors[0], { name: 'm', endpoint: 'e' })
  const series = { monitor: 'm', metric: 'wape', windows: 2 }
  assert.deepEqual(await house.monitoring.series(series, house.caller), [])
})

test('a monitor of an endpoint or dataset that is not there is found before anything runs', () => {
  const monitor = monitorsBlock.schema.parse({
    m: { endpoint: 'x', labels: { from: 'y', join: ['k'], column: 'c' } },
  })
  const found = monitorsBlock.objections?.(monitor, { endpoints: {}, datasets: {} }) ?? []
  assert.deepEqual(
    found.map((o) => o.path),
    [
      ['monitors', 'm', 'endpoint'],
      ['monitors', 'm', 'labels', 'from'],
    ],
  )
})
