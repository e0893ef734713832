/** Features are those of a plain reimplementation, and never look ahead. */
import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import { isFault } from '#base/errors.ts'
import { openRooms } from '../../testing/rooms.ts'
import { datasetsBlock, datasetsMigrations, openDatasets } from '../datasets/index.ts'
import { featuresBlock, featuresMigrations, openFeatures } from './index.ts'

const definition = `
datasets: { daily: { time: date } }
features:
  v:
    entity: [shop]
    from: daily
    time: date
    label: units
    online: { ttl: 3d }
    columns:
      code: { code: shop }
      lag_2: { lag: units, by: 2d }
      mean_3: { window: units, agg: avg, over: 3d, until: 1d }
      weekday: { sql: dayofweek(date) }
`
// Two shops, ten days, one day of one shop missing.
const values = Array.from({ length: 10 }, (_, d) =>
  ['b', 'a']
    .filter((s) => !(s === 'a' && d === 4))
    .map((shop) => ({ shop, d, units: (d * 7 + shop.charCodeAt(0)) % 11 })),
).flat()

async function opened() {
  const rooms = await openRooms({
    migrations: [...datasetsMigrations, ...featuresMigrations],
    blocks: [datasetsBlock, featuresBlock],
    definition,
  })
  const datasets = openDatasets(rooms)
  const file = path.join(rooms.directory, 'daily.parquet')
  const rows = values.map((v) => `('${v.shop}', date '2017-03-01' + ${v.d}, ${v.units})`).join(', ')
  await rooms.columnar.writeParquet(`select * from (values ${rows}) t(shop, date, units)`, { to: file })
  await datasets.commitVersion(
    {
      dataset: 'daily',
      files: [{ path: 'daily.parquet', source: file }],
      mode: 'replace',
      producedBy: { kind: 'upload' },
    },
    rooms.caller,
  )
  return { ...rooms, datasets, features: openFeatures({ ...rooms, datasets }) }
}
const at = (shop: string, d: number) => values.find((v) => v.shop === shop && v.d === d)?.units ?? Number.NaN
const mean = (all: number[]) => (all.length === 0 ? Number.NaN : all.reduce((a, b) => a + b, 0) / all.length)
const oracle = (shop: string, d: number) => [
  shop === 'a' ? 0 : 1,
  at(shop, d - 2),
  mean([d - 3, d - 2, d - 1].map((x) => at(shop, x)).filter(Number.isFinite)),
  new Date(Date.UTC(2017, 2, 1 + d)).getUTCDay(),
]

test('every row is what a plain reimplementation says, with gaps as gaps', async () => {
  await using house = await opened()
  const { rows, names } = await house.features.labelledRows({ view: 'v' }, house.caller)
  assert.deepEqual(names, ['code', 'lag_2', 'mean_3', 'weekday'])
  assert.equal(rows.length, values.length)
  for (const row of rows) {
    const d = (Date.parse(row.at) - Date.UTC(2017, 2, 1)) / 86_400_000
    const wanted = oracle(String(row.key.shop), d)
    for (const [i, v] of row.values.entries()) {
      const isSame = Object.is(v, wanted[i]) || Math.abs(v - (wanted[i] ?? 0)) < 1e-12
      assert.ok(isSame, `${row.key.shop} ${row.at} ${names[i]}: ${v} is not ${wanted[i]}`)
    }
  }
})

test('the day after the last is online, with the values that it would have offline', async () => {
  await using house = await opened()
  const made = await house.features.materialize({ view: 'v' }, house.caller)
  assert.deepEqual([made.at, made.online], ['2017-03-11', 2])
  const { rows } = await house.features.onlineRows(
    { view: 'v', keys: [{ shop: 'a' }, { shop: 'zz' }] },
    house.caller,
  )
  assert.deepEqual(rows[0]?.values, oracle('a', 10))
  assert.equal(rows[1], undefined)
})

test('a training set leaves the last days unseen, and the same one has the same id', async () => {
  await using house = await opened()
  const day = 86_400_000
  const query = { view: 'v', lastMs: 8 * day, untilMs: 3 * day }
  const first = await house.features.trainingSet(query, house.caller)
  const again = await house.features.trainingSet(query, house.caller)
  assert.equal(first.version.id, again.version.id)
  assert.deepEqual(
    first.version.parents.map((p) => p.dataset),
    ['daily'],
  )
  const [row] = await house.columnar.query<{ low: string; high: string }>(
    'select min(date) as low, max(date) as high from t',
    { files: { t: first.paths } },
  )
  assert.deepEqual(row, { low: '2017-03-03', high: '2017-03-07' })
})

test('online rows grow stale by the project clock', async () => {
  await using house = await opened()
  await assert.rejects(house.features.onlineRows({ view: 'v' }, house.caller), (t) =>
    isFault(t, 'features.not_online'),
  )
  await house.features.materialize({ view: 'v' }, house.caller)
  house.clock.advance(4 * 86_400_000)
  await assert.rejects(house.features.onlineRows({ view: 'v' }, house.caller), (t) =>
    isFault(t, 'features.stale'),
  )
})
