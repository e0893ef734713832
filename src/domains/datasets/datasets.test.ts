/** Versions are named by what is in them, and what the checks keep out stays out. */
import assert from 'node:assert/strict'
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { isFault } from '#base/errors.ts'
import { openRooms } from '../../testing/rooms.ts'
import { datasetsBlock, datasetsMigrations, openDatasets, sourcesBlock } from './index.ts'

const definition = `
sources:
  tills: { kind: files, path: "in/sales_*.parquet" }
  lists: { kind: files, path: in/products.csv }
datasets:
  sales: { from: tills, key: [id], checks: [{ rule: not_null, columns: [id] }] }
  products: { from: lists }
  daily: { from: "step:nightly/aggregate.daily" }
`
async function opened() {
  const rooms = await openRooms({
    migrations: datasetsMigrations,
    blocks: [sourcesBlock, datasetsBlock],
    definition,
  })
  await mkdir(path.join(rooms.directory, 'in'))
  const datasets = openDatasets(rooms)
  const night = (n: number, rows: number) =>
    rooms.columnar.writeParquet(`select ${n} * 1000 + i as id, i * 0.5 as amount from range(${rows}) r(i)`, {
      to: path.join(rooms.directory, 'in', `sales_${n}.parquet`),
    })
  const poll = async (source: string) => (await datasets.pollSource({ source }, rooms.caller)).committed
  return { ...rooms, datasets, night, poll }
}

test('each night that arrives becomes part of a new version, and a night without news makes none', async () => {
  await using house = await opened()
  await house.night(1, 10)
  const [first] = await house.poll('tills')
  assert.deepEqual([first?.version.version, first?.version.rows, first?.created], [1, 10, true])
  assert.deepEqual(await house.poll('tills'), [])
  await house.night(2, 5)
  const [second] = await house.poll('tills')
  assert.deepEqual([second?.version.version, second?.version.rows, second?.version.files.length], [2, 15, 2])
  const told = await house.events.list({ limit: 10, types: ['datasets.version.committed'] })
  assert.deepEqual(
    told.map((e) => e.subject),
    ['dataset:sales@v1', 'dataset:sales@v2'],
  )
})

test('the same nights in another data directory have the same version ids', async () => {
  const ids: string[][] = []
  for (const _ of [1, 2]) {
    await using house = await opened()
    const seen: string[] = []
    for (const n of [1, 2, 3]) {
      await house.night(n, 100)
      seen.push((await house.poll('tills'))[0]?.version.id ?? '')
    }
    ids.push(seen)
  }
  assert.deepEqual(ids[0], ids[1])
})

test('two writers at once get two versions, and neither loses a row', async () => {
  await using house = await opened()
  const file = async (n: number) => {
    await house.night(n, n)
    return [{ path: `sales_${n}.parquet`, source: path.join(house.directory, 'in', `sales_${n}.parquet`) }]
  }
  const given = [await file(1), await file(2), await file(3)]
  await Promise.all(
    given.map((files) =>
      house.datasets.commitVersion(
        { dataset: 'sales', files, mode: 'append', producedBy: { kind: 'upload' } },
        house.caller,
      ),
    ),
  )
  const latest = await house.datasets.versionOf({ dataset: 'sales', version: 'latest' }, house.caller)
  assert.deepEqual([latest.version, latest.rows], [3, 6])
})

test('a version with checks is not read before its verdict, and then without the rows in quarantine', async () => {
  await using house = await opened()
  await house.night(1, 10)
  const version = (await house.poll('tills'))[0]?.version
  assert.equal(version?.state, 'unjudged')
  await assert.rejects(house.datasets.acceptedFiles({ dataset: 'sales', version: 1 }, house.caller), (t) =>
    isFault(t, 'datasets.not_accepted'),
  )
  const quarantine = [{ fileDigest: version?.files[0]?.digest ?? '', rows: [0, 9], reasons: ['a', 'b'] }]
  await house.datasets.setVerdict(
    { dataset: 'sales', version: 1, passed: true, report: { checks: [] }, quarantine },
    house.caller,
  )
  const { paths } = await house.datasets.acceptedFiles(
    { dataset: 'sales', version: 'accepted' },
    house.caller,
  )
  const [row] = await house.columnar.query('select count(*) as n, min(id) as low, max(id) as high from v', {
    files: { v: paths },
  })
  assert.deepEqual(row, { n: 8, low: 1001, high: 1008 })
})

test('a refused version leaves the one before it as the accepted one', async () => {
  await using house = await opened()
  for (const [n, passed] of [
    [1, true],
    [2, false],
  ] as const) {
    await house.night(n, 3)
    await house.poll('tills')
    await house.datasets.setVerdict(
      { dataset: 'sales', version: n, passed, report: {}, quarantine: [] },
      house.caller,
    )
  }
  assert.equal(
    (await house.datasets.versionOf({ dataset: 'sales', version: 'accepted' }, house.caller)).version,
    1,
  )
})

test('a Parquet file cut short is refused by name, and nothing of it is taken in', async () => {
  await using house = await opened()
  await house.night(1, 100)
  const file = path.join(house.directory, 'in', 'sales_1.parquet')
  await writeFile(file, (await readFile(file)).subarray(0, 200))
  await assert.rejects(
    house.poll('tills'),
    (t) => isFault(t, 'datasets.unreadable_file') && /sales_1/.test(t.message),
  )
  await assert.rejects(house.datasets.versionOf({ dataset: 'sales', version: 'latest' }, house.caller), (t) =>
    isFault(t, 'datasets.dataset_version_not_found'),
  )
})

test('a CSV source becomes Parquet on the way in', async () => {
  await using house = await opened()
  await writeFile(path.join(house.directory, 'in', 'products.csv'), 'id,name\n1,milk\n2,bread\n')
  const version = (await house.poll('lists'))[0]?.version
  assert.deepEqual(
    [version?.rows, version?.files[0]?.path, version?.state],
    [2, 'products.parquet', 'accepted'],
  )
})

test('a difference says what came, what went and what a column became', async () => {
  await using house = await opened()
  for (const n of [1, 2]) {
    await house.night(n, 10 * n)
    await house.poll('tills')
  }
  const diff = await house.datasets.diffVersions({ dataset: 'sales', from: 1, to: 2 }, house.caller)
  assert.deepEqual(
    [diff.rows, diff.files.added, diff.keys],
    [[10, 30], ['sales_2.parquet'], { added: 20, removed: 0, same: 10 }],
  )
})

test('what is not there is said so, by name', async () => {
  await using house = await opened()
  await assert.rejects(house.poll('nowhere'), (t) => isFault(t, 'datasets.source_not_found'))
  await assert.rejects(house.datasets.versionOf({ dataset: 'nothing', version: 4 }, house.caller), (t) =>
    isFault(t, 'datasets.dataset_version_not_found'),
  )
})

test('verification names each broken blob with the versions that hold it', async () => {
  await using house = await opened()
  await house.night(1, 10)
  await house.poll('tills')
  await house.night(2, 5)
  const [second] = await house.poll('tills')
  const whole = await house.datasets.verify({}, house.caller)
  assert.deepEqual([whole.versions, whole.blobs, whole.broken], [2, 4, []])
  const first = second?.version.files.find((f) => f.path.endsWith('sales_1.parquet'))
  const other = second?.version.files.find((f) => f.path.endsWith('sales_2.parquet'))
  const file = await house.blobs.localPath(first?.digest ?? '')
  await chmod(file, 0o644)
  const bytes = await readFile(file)
  bytes[20] = (bytes[20] ?? 0) ^ 1
  await writeFile(file, bytes)
  await rm(await house.blobs.localPath(other?.digest ?? ''))
  const { broken } = await house.datasets.verify({ dataset: 'sales' }, house.caller)
  const used = (digest: string | undefined) => broken.find((one) => one.digest === digest)
  assert.equal(broken.length, 2)
  assert.deepEqual(
    [used(first?.digest)?.problem, used(first?.digest)?.usedBy.map((u) => u.version)],
    ['corrupt', [2, 1]],
  )
  assert.deepEqual([used(other?.digest)?.problem, used(other?.digest)?.usedBy.length], ['missing', 1])
  assert.equal((await house.datasets.verify({ dataset: 'sales', version: 1 }, house.caller)).broken.length, 1)
  await assert.rejects(house.datasets.verify({ dataset: 'none' }, house.caller), (t) =>
    isFault(t, 'datasets.dataset_not_found'),
  )
})
