/** Checks stop what is wrong, keep out single rows, and say both in a sentence. */
import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import { openRooms } from '../../testing/rooms.ts'
import { datasetsBlock, datasetsMigrations, openDatasets } from '../datasets/index.ts'
import { checksObjections, openValidation, validationMigrations } from './index.ts'

const definition = `
datasets:
  products: { key: [id] }
  sales:
    time: at
    on_fail: quarantine
    checks:
      - { rule: schema, against: previous }
      - { rule: not_null, columns: [product] }
      - { rule: between, column: price, min: 0, max: 100000 }
      - { rule: in_dataset, column: product, dataset: products }
      - { rule: row_count, min: 100, per: day }
      - { rule: fresh, max: 30h }
      - { rule: drift, column: price, method: psi, against: previous_28d, max: 0.25, severity: block }
`
async function opened() {
  const rooms = await openRooms({
    migrations: [...datasetsMigrations, ...validationMigrations],
    blocks: [datasetsBlock],
    definition,
  })
  const datasets = openDatasets(rooms)
  const validation = openValidation({ ...rooms, datasets })
  const commit = async (dataset: string, name: string, sql: string) => {
    const file = path.join(rooms.directory, `${name}.parquet`)
    await rooms.columnar.writeParquet(sql, { to: file })
    return datasets.commitVersion(
      {
        dataset,
        files: [{ path: `${name}.parquet`, source: file }],
        mode: 'append',
        producedBy: { kind: 'upload' },
      },
      rooms.caller,
    )
  }
  await commit('products', 'products', 'select i as id from range(50) r(i)')
  const night = (n: number, price = '(i % 97) * 0.1', product = 'i % 50', rows = 500) =>
    commit(
      'sales',
      `night_${n}`,
      `select ${product} as product, (${price})::double as price, timestamp '2017-03-14 12:00:00' + interval ${n} day as at from range(${rows}) r(i)`,
    )
  const check = async () => {
    const version = await datasets.versionOf({ dataset: 'sales', version: 'latest' }, rooms.caller)
    return validation.checkVersion({ dataset: 'sales', version: version.version }, rooms.caller)
  }
  return { ...rooms, datasets, validation, night, check }
}
const failed = (report: { checks: readonly { rule: string; passed: boolean }[] }) =>
  report.checks.filter((c) => !c.passed).map((c) => c.rule)

test('good nights pass, and the accepted version follows', async () => {
  await using house = await opened()
  await house.night(0)
  assert.deepEqual(failed(await house.check()), [])
  house.clock.advance(86_400_000)
  await house.night(1)
  const report = await house.check()
  assert.deepEqual([report.passed, failed(report)], [true, []], report.summary)
  assert.equal(
    (await house.datasets.versionOf({ dataset: 'sales', version: 'accepted' }, house.caller)).version,
    2,
  )
})

test('single bad rows go to quarantine with their reasons, and the version is accepted without them', async () => {
  await using house = await opened()
  await house.night(
    0,
    'case when i = 3 then -1 else i % 97 end',
    'case when i = 5 then 99 when i = 6 then null else i % 50 end',
  )
  const report = await house.check()
  assert.deepEqual(
    [report.passed, report.quarantinedRows, failed(report)],
    [true, 3, ['not_null', 'between', 'in_dataset']],
  )
  const verdict = await house.datasets.verdictOf({ dataset: 'sales', version: 1 }, house.caller)
  assert.deepEqual(verdict?.quarantine[0]?.rows, [3, 5, 6])
  assert.match(
    verdict?.quarantine[0]?.reasons.join() ?? '',
    /between price,in_dataset product,not_null product/,
  )
})

test('prices in cents are stopped by their distribution, with a sentence that shows it', async () => {
  await using house = await opened()
  await house.night(0)
  await house.check()
  house.clock.advance(86_400_000)
  await house.night(1, '(i % 97) * 10')
  const report = await house.check()
  assert.deepEqual([report.passed, failed(report)], [false, ['drift']])
  assert.match(
    report.summary,
    /price: PSI \d\.\d+ against the 28 days before, bound 0\.25; its median went from 4\.6 to 465$/,
  )
  assert.equal(
    (await house.datasets.versionOf({ dataset: 'sales', version: 'accepted' }, house.caller)).version,
    1,
  )
})

for (const [what, sql, rule, sentence] of [
  [
    'a renamed column',
    `select i % 50 as item, ((i % 97) * 0.1)::double as price, timestamp '2017-03-15 12:00:00' as at from range(500) r(i)`,
    'schema',
    /product is gone, item is new|there is no column/,
  ],
  [
    'a night that is nearly empty',
    `select i % 50 as product, ((i % 97) * 0.1)::double as price, timestamp '2017-03-15 12:00:00' as at from range(98) r(i)`,
    'row_count',
    /2017-03-15 has 98/,
  ],
  [
    'a changed type',
    `select i % 50 as product, (i % 97)::integer as price, timestamp '2017-03-15 12:00:00' as at from range(500) r(i)`,
    'schema',
    /price was DOUBLE and is INTEGER/,
  ],
] as const)
  test(`${what} blocks the version and is said`, async () => {
    await using house = await opened()
    await house.night(0)
    await house.check()
    house.clock.advance(86_400_000)
    const file = path.join(house.directory, 'odd.parquet')
    await house.columnar.writeParquet(sql, { to: file })
    await house.datasets.commitVersion(
      {
        dataset: 'sales',
        files: [{ path: 'odd.parquet', source: file }],
        mode: 'append',
        producedBy: { kind: 'upload' },
      },
      house.caller,
    )
    const report = await house.check()
    assert.equal(report.passed, false)
    assert.ok(failed(report).includes(rule), report.summary)
    assert.match(report.summary, sentence)
  })

test('data that is too old blocks', async () => {
  await using house = await opened()
  await house.night(0)
  house.clock.advance(3 * 86_400_000)
  assert.ok(failed(await house.check()).includes('fresh'))
})

test('a check that is not understood is found before anything runs', () => {
  const whole = {
    datasets: {
      d: {
        time: 't',
        checks: [
          { rule: 'betwen', column: 'x' },
          { rule: 'fresh', max: '1h' },
          { rule: 'in_dataset', column: 'x', dataset: 'y' },
          { rule: 'between', column: 'x' },
          { rule: 'matches', column: 'x', pattern: '(' },
        ],
      },
    },
  }
  assert.deepEqual(
    checksObjections(whole).map((o) => o.path.slice(0, 4)),
    [
      ['datasets', 'd', 'checks', 0],
      ['datasets', 'd', 'checks', 2],
      ['datasets', 'd', 'checks', 3],
      ['datasets', 'd', 'checks', 4],
    ],
  )
})
