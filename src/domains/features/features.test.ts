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
      sum_4: { window: units, agg: sum, over: 4d, until: 2d }
      min_2: { window: units, agg: min, over: 2d, until: 1d }
      max_2: { window: units, agg: max, over: 2d, until: 3d }
      count_3: { window: units, agg: count, over: 3d, until: 1d }
      double: { sql: lag_2 * 2 }
`
// Two shops, ten days, one day of one shop missing.
const values = Array.from({ length: 10 }, (_, d) =>
  ['b', 'a']
    .filter((s) => !(s === 'a' && d === 4))
    .map((shop) => ({ shop, d, units: (d * 7 + shop.charCodeAt(0)) % 11 })),
).flat()

async function opened(text = definition) {
  const rooms = await openRooms({
    migrations: [...datasetsMigrations, ...featuresMigrations],
    blocks: [datasetsBlock, featuresBlock],
    definition: text,
  })
  const datasets = openDatasets(rooms)
  let written = 0
  const write = async (sql: string) => {
    const file = path.join(rooms.directory, `daily_${written++}.parquet`)
    await rooms.columnar.writeParquet(sql, { to: file })
    await datasets.commitVersion(
      {
        dataset: 'daily',
        files: [{ path: 'daily.parquet', source: file }],
        mode: 'replace',
        producedBy: { kind: 'upload' },
      },
      rooms.caller,
    )
  }
  const commit = (rows: readonly { shop: string; d: number; units: number }[]) =>
    write(
      `select * from (values ${rows.map((v) => `('${v.shop}', date '2017-03-01' + ${v.d}, ${v.units})`).join(', ')}) t(shop, date, units)`,
    )
  await commit(values)
  return { ...rooms, datasets, write, commit, features: openFeatures({ ...rooms, datasets }) }
}
const at = (shop: string, d: number) => values.find((v) => v.shop === shop && v.d === d)?.units ?? Number.NaN
const mean = (all: number[]) => (all.length === 0 ? Number.NaN : all.reduce((a, b) => a + b, 0) / all.length)
/** Known values of the days that lie `until` to `until + over - 1` before. */
const seen = (shop: string, d: number, over: number, until: number) =>
  Array.from({ length: over }, (_, i) => at(shop, d - until - i)).filter(Number.isFinite)
const orNot = (all: number[], of: (all: number[]) => number) => (all.length === 0 ? Number.NaN : of(all))
const oracle = (shop: string, d: number) => [
  shop === 'a' ? 0 : 1,
  at(shop, d - 2),
  mean(seen(shop, d, 3, 1)),
  new Date(Date.UTC(2017, 2, 1 + d)).getUTCDay(),
  orNot(seen(shop, d, 4, 2), (all) => all.reduce((a, b) => a + b, 0)),
  orNot(seen(shop, d, 2, 1), (all) => Math.min(...all)),
  orNot(seen(shop, d, 2, 3), (all) => Math.max(...all)),
  seen(shop, d, 3, 1).length,
  at(shop, d - 2) * 2,
]

test('every row is what a plain reimplementation says, with gaps as gaps', async () => {
  await using house = await opened()
  const { rows, names } = await house.features.labelledRows({ view: 'v' }, house.caller)
  assert.deepEqual(names.slice(0, 4), ['code', 'lag_2', 'mean_3', 'weekday'])
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

test('what was answered online for a day is what training later sees for it, to the last bit', async () => {
  await using house = await opened()
  await house.features.materialize({ view: 'v' }, house.caller)
  const online = (await house.features.onlineRows({ view: 'v' }, house.caller)).rows
  // The next night brings that day, and whatever it brings changes nothing of what was known before.
  await house.commit([...values, { shop: 'a', d: 10, units: 1_000 }, { shop: 'b', d: 10, units: 2_000 }])
  const days = { fromDay: '2017-03-11', toDay: '2017-03-11' }
  const { rows } = await house.features.labelledRows({ view: 'v', ...days }, house.caller)
  assert.deepEqual(
    rows.map((r) => [r.key, r.at, r.values]),
    online.map((r) => [r?.key, r?.at, r?.values]),
  )
  assert.deepEqual(
    rows.map((r) => r.label),
    [1_000, 2_000],
  )
})

for (const sql of ['units', 'units - lag_2', '"__0"', '(select max(units) from source)', '1; drop table x'])
  test(`an expression cannot reach the label of its row: ${sql}`, async () => {
    const text = definition.replace('dayofweek(date)', `'${sql}'`)
    const rejected = async () => {
      await using house = await opened(text)
      return await house.features.labelledRows({ view: 'v' }, house.caller)
    }
    await assert.rejects(rejected, (t) => isFault(t) && t.kind === 'invalid')
  })

test('a column that the dataset has not is named', async () => {
  await using house = await opened(definition.replace('lag: units', 'lag: sold'))
  await assert.rejects(
    house.features.materialize({ view: 'v' }, house.caller),
    (t) => isFault(t, 'features.view_failed') && /v of daily@v1: .*sold/.test(t.message),
  )
})

test('a dataset without rows makes no view, and what was online stays', async () => {
  await using house = await opened()
  await house.features.materialize({ view: 'v' }, house.caller)
  await house.write("select 'a' as shop, date '2017-03-20' as date, 1 as units limit 0")
  await assert.rejects(house.features.materialize({ view: 'v' }, house.caller), (t) =>
    isFault(t, 'features.no_rows'),
  )
  assert.equal((await house.features.onlineRows({ view: 'v' }, house.caller)).at, '2017-03-11')
})

test('a window without labelled rows gives no training set', async () => {
  await using house = await opened()
  const dayMs = 86_400_000
  const query = { view: 'v', lastMs: 8 * dayMs, untilMs: 20 * dayMs }
  await assert.rejects(
    house.features.trainingSet(query, house.caller),
    (t) => isFault(t, 'features.no_rows') && /from 2017-03-03 to 2017-02-18 in daily@v1/.test(t.message),
  )
})

test('a view that is not there is not found', async () => {
  await using house = await opened()
  await assert.rejects(house.features.materialize({ view: 'w' }, house.caller), (t) =>
    isFault(t, 'features.view_not_found'),
  )
})

test('codes never change: a new category comes after those that are known, whoever asks first', async () => {
  await using house = await opened()
  await house.features.materialize({ view: 'v' }, house.caller)
  await house.commit([...values, { shop: '0-first', d: 9, units: 1 }, { shop: 'aa', d: 9, units: 1 }])
  const codes = async () => {
    const { rows } = await house.features.labelledRows({ view: 'v' }, house.caller)
    return Object.fromEntries(rows.map((r) => [r.key.shop, r.values[0]]))
  }
  const expected = { a: 0, b: 1, '0-first': 2, aa: 3 }
  assert.deepEqual(await Promise.all([codes(), codes(), codes()]), [expected, expected, expected])
})

test('the same definition over the same version gives the same bytes, and is made once', async () => {
  await using house = await opened()
  let written = 0
  const columnar = {
    query: house.columnar.query.bind(house.columnar),
    writeParquet: (...given: Parameters<typeof house.columnar.writeParquet>) => {
      written++
      return house.columnar.writeParquet(...given)
    },
  } as typeof house.columnar
  const features = openFeatures({ ...house, columnar })
  await features.materialize({ view: 'v' }, house.caller)
  await features.materialize({ view: 'v' }, house.caller)
  await features.labelledRows({ view: 'v' }, house.caller)
  assert.equal(written, 1)
})
