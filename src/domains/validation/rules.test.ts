/** Every rule, by itself: what it lets through, what it says, and that no data makes it crash. */
import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import { countByEdges } from '#stats/drift.ts'
import { openRooms } from '../../testing/rooms.ts'
import { datasetsBlock, datasetsMigrations, openDatasets } from '../datasets/index.ts'
import { openValidation, validationMigrations } from './index.ts'
import { type Decile, referenceBins } from './rules.ts'

interface Options {
  readonly onFail?: string
}
/** A dataset `d` with one or more checks; files by SQL. */
async function opened(checks: string, { onFail = 'quarantine' }: Options = {}) {
  const definition = `
datasets:
  shops: { key: [id] }
  d: { time: at, on_fail: ${onFail}, checks: [${checks}] }
`
  const migrations = [...datasetsMigrations, ...validationMigrations]
  const rooms = await openRooms({ migrations, blocks: [datasetsBlock], definition })
  const datasets = openDatasets(rooms)
  const asked: string[] = []
  const columnar = {
    ...rooms.columnar,
    schemaOf: (files: string) => rooms.columnar.schemaOf(files),
    query: <R>(sql: string, options?: object) => {
      asked.push(sql)
      return rooms.columnar.query<R>(sql, options)
    },
  } as typeof rooms.columnar
  const validation = openValidation({ ...rooms, columnar, datasets })
  const commit = async (name: string, sql: string, dataset = 'd') => {
    const file = path.join(rooms.directory, `${dataset}-${name}-${asked.length}.parquet`)
    await rooms.columnar.writeParquet(sql, { to: file })
    const files = [{ path: `${name}.parquet`, source: file }]
    await datasets.commitVersion(
      { dataset, files, mode: 'append', producedBy: { kind: 'upload' } },
      rooms.caller,
    )
  }
  const check = () => validation.checkVersion({ dataset: 'd', version: 'latest' }, rooms.caller)
  return { ...rooms, datasets, validation, asked, commit, check }
}
const at = (day: number) => `timestamp '2017-03-14 12:00:00' + interval ${day} day as at`
const verdict = (report: { passed: boolean; checks: readonly { sentence: string; failing: number }[] }) =>
  [report.passed, report.checks[0]?.failing, report.checks[0]?.sentence] as const

const rowCases = [
  ['{ rule: in_set, column: x, values: [1, 2, two] }', "unnest(['1', '2.0', 'two', 'zwei', null])", 1],
  ['{ rule: in_set, column: x, values: [1, 2] }', 'unnest([1, 2, 3])', 1],
  ["{ rule: matches, column: x, pattern: 'a+' }", "unnest(['aa', 'ab', null])", 1],
  ['{ rule: matches, column: x, pattern: "[0-9]{2}" }', 'unnest([10, 5])', 1],
  ['{ rule: between, column: x, min: 0 }', "unnest([0, -1, 'nan'::double, 'inf'::double, null])", 3],
  ['{ rule: between, column: x, max: 5 }', "unnest(['4', '6', 'many'])", 2],
  ['{ rule: between, column: x, min: 0, max: 1 }', "date '2017-01-01'", 1],
  ['{ rule: not_null, columns: [x, at] }', 'unnest([1, null])', 1],
  ['{ rule: in_dataset, column: x, dataset: shops }', 'unnest([1, 2, 99, null])', 1],
  ['{ rule: in_dataset, column: x, dataset: shops }', "unnest(['1', '2', 'x'])", 1],
] as const
for (const [rule, column, failing] of rowCases)
  test(`${rule} holds ${column} to it, row by row`, async () => {
    await using house = await opened(rule)
    await house.commit('shops', 'select i as id from range(10) r(i)', 'shops')
    await house.commit('a', `select ${column} as x, ${at(0)}`)
    const report = await house.check()
    assert.deepEqual(
      [report.passed, report.checks[0]?.failing, report.quarantinedRows],
      [true, failing, failing],
    )
    assert.equal(report.checks[0]?.sample.length, Math.min(failing, 3))
  })

for (const [onFail, severity, passed, quarantined] of [
  ['quarantine', 'error', true, 1],
  ['quarantine', 'warn', true, 0],
  ['quarantine', 'block', false, 0],
  ['block', 'error', false, 0],
  ['warn', 'error', true, 0],
] as const)
  test(`on_fail ${onFail} with severity ${severity} ${passed ? 'accepts' : 'refuses'} and keeps out ${quarantined}`, async () => {
    await using house = await opened(`{ rule: between, column: x, min: 0, severity: ${severity} }`, {
      onFail,
    })
    await house.commit('a', `select unnest([1, -1]) as x, ${at(0)}`)
    const report = await house.check()
    assert.deepEqual([report.passed, report.quarantinedRows], [passed, quarantined])
  })

test('a dataset to look into that has no version blocks, and says so', async () => {
  await using house = await opened('{ rule: in_dataset, column: x, dataset: shops }')
  await house.commit('a', `select 1 as x, ${at(0)}`)
  assert.deepEqual(verdict(await house.check()), [false, 0, 'shops has no accepted version'])
})

test('a key that comes again in a later file blocks', async () => {
  await using house = await opened('{ rule: unique, columns: [x, y] }')
  await house.commit('a', `select i as x, 1 as y, ${at(0)} from range(5) r(i)`)
  assert.deepEqual(verdict(await house.check()), [true, 0, 'x, y is once each'])
  await house.commit('b', `select i + 3 as x, 1 as y, ${at(1)} from range(5) r(i)`)
  const report = await house.check()
  assert.deepEqual(verdict(report), [false, 2, 'x, y: 2 keys in several rows'])
  assert.deepEqual(report.checks[0]?.sample[0], { x: 3, y: 1, copies: 2 })
})

test('a count without `per` is of the whole version', async () => {
  await using house = await opened('{ rule: row_count, min: 5, max: 6 }')
  await house.commit('a', `select 1 as x, ${at(0)} from range(4)`)
  assert.match((await house.check()).summary, /there are 4 rows; expected 5 to 6 rows/)
  await house.commit('b', `select 1 as x, ${at(0)}`)
  assert.equal((await house.check()).passed, true)
})

test('files without rows are too few, unless the day is excepted', async () => {
  for (const [except, passed] of [
    ['[]', false],
    ['[2017-03-14]', true],
  ] as const) {
    await using house = await opened(`{ rule: row_count, min: 1, per: day, except: ${except} }`)
    await house.commit('a', `select 1 as x, ${at(0)} from range(0)`)
    assert.equal((await house.check()).passed, passed)
  }
})

test('no rows at all are not fresh, and have nothing that could drift', async () => {
  await using house = await opened(
    '{ rule: fresh, max: 30h }, { rule: drift, column: x, method: psi, against: previous, max: 0.25 }',
  )
  await house.commit('a', `select 1 as x, ${at(0)} from range(0)`)
  const report = await house.check()
  assert.deepEqual(
    report.checks.map((c) => [c.passed, c.sentence]),
    [
      [false, 'no row has a time'],
      [true, 'x has no accepted version before to compare with'],
    ],
  )
})

for (const against of ['previous', 'previous_28d'])
  test(`drift against ${against} sees a flat column leave its value, and a column that is no number any more`, async () => {
    await using house = await opened(
      `{ rule: drift, column: x, method: psi, against: ${against}, max: 0.25 }`,
    )
    await house.commit('a', `select 3.0 as x, ${at(0)} from range(100)`)
    assert.equal((await house.check()).passed, true)
    await house.commit('b', `select 3.0 as x, ${at(1)} from range(100)`)
    assert.equal((await house.check()).passed, true)
    await house.commit('c', `select 2.0 as x, ${at(2)} from range(100)`)
    assert.match((await house.check()).summary, /x: PSI \d+\.\d+ .* median went from 3 to 2/)
    await house.commit('c', `select 'n/a' as x, ${at(2)} from range(100)`)
    assert.match((await house.check()).summary, /x has no numbers any more/)
  })

test('bins of the reference that SQL gives are those that counting gives', () => {
  for (const values of [
    [1, 1, 1, 1],
    [0, 0, 0, 0, 0, 0, 1, 2, 3, 4],
    Array.from({ length: 97 }, (_, i) => i % 13),
  ]) {
    const sorted = [...values].sort((a, b) => a - b)
    const deciles = Array.from({ length: 9 }, (_, i): Decile => {
      const x = sorted[Math.ceil(((i + 1) * values.length) / 10) - 1] ?? 0
      const below = values.filter((v) => v < x).length
      return { x, below, upto: values.filter((v) => v <= x).length, total: values.length }
    })
    const { edges, counts } = referenceBins(deciles)
    assert.deepEqual(counts, countByEdges(values, edges))
  }
})

const nightly =
  '{ rule: schema, against: previous }, { rule: not_null, columns: [x] }, { rule: row_count, min: 50, per: day }, { rule: drift, column: x, method: psi, against: previous_28d, max: 0.25 }'
const night = (day: number, x = 'i % 97', name = 'x') =>
  `select ${x} as ${name}, ${at(day)} from range(500) r(i)`

for (const [what, odd, sentence] of [
  ['prices in cents', night(1, '(i % 97) * 100'), /x: PSI .*\(n1\.parquet\)/],
  [
    'a renamed column',
    night(1, 'i % 97', 'y'),
    /since v1: x is gone, y is new \(n1\.parquet\); there is no column x \(n1\.parquet\)/,
  ],
  ['too few rows', `${night(1)} limit 3`, /2017-03-15 has 3/],
] as const)
  test(`after ${what}, good nights do not carry the bad one in; its repair does`, async () => {
    await using house = await opened(nightly)
    const accepted = async () =>
      (await house.datasets.versionOf({ dataset: 'd', version: 'accepted' }, house.caller)).version
    await house.commit('n0', night(0))
    assert.equal((await house.check()).passed, true)
    await house.commit('n1', odd)
    assert.equal((await house.check()).passed, false)
    for (const day of [2, 3]) {
      await house.commit(`n${day}`, night(day))
      const report = await house.check()
      assert.match(report.summary, sentence)
      assert.deepEqual([report.passed, await accepted()], [false, 1])
    }
    await house.commit('n1', night(1))
    assert.deepEqual([(await house.check()).summary, await accepted()], ['4 of 4 checks passed', 5])
  })

test('a version that is checked again is held against what was accepted before it, not against itself', async () => {
  await using house = await opened(nightly)
  for (const day of [0, 1, 2]) {
    await house.commit(`n${day}`, night(day))
    await house.check()
  }
  const again = await house.validation.checkVersion({ dataset: 'd', version: 2 }, house.caller)
  assert.equal(again.checks[0]?.expected, 'as in v1')
  assert.equal(again.passed, true)
})

test('without its column of time a version is refused with a sentence', async () => {
  await using house = await opened('{ rule: row_count, min: 1, per: day }, { rule: fresh, max: 30h }')
  await house.commit('a', "select 1 as x, timestamp '2017-03-14' as stamp")
  assert.equal((await house.check()).summary, 'there is no column at')
})

test('a file is scanned once for the same rules, and again for others', async () => {
  await using house = await opened('{ rule: between, column: x, min: 0 }')
  const scans = () => house.asked.filter((sql) => sql.startsWith('select file_row_number')).length
  for (const day of [0, 1, 2]) {
    await house.commit(`n${day}`, night(day))
    await house.check()
  }
  await house.check()
  assert.equal(scans(), 3)
})
