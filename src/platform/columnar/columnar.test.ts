/** Questions see the files they are given, and nothing else of the machine. */
import assert from 'node:assert/strict'
import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { isFault } from '#base/errors.ts'
import { openColumnar } from './index.ts'

async function opened() {
  const directory = await mkdtemp(path.join(tmpdir(), 'headrace-columnar-'))
  return {
    directory,
    columnar: openColumnar({ directories: [directory], temporary: path.join(directory, 'tmp') }),
  }
}

test('rows are safe for JSON, dates are days and times are UTC', async () => {
  const { columnar } = await opened()
  const rows = await columnar.query(
    `select 9007199254740993::bigint as large, 5::bigint as small, date '2017-03-15' as day, timestamp '2017-03-15 10:00:00' as at, null as nothing, 'NaN'::double as nan`,
  )
  assert.deepEqual(rows, [
    {
      large: '9007199254740993',
      small: 5,
      day: '2017-03-15',
      at: '2017-03-15T10:00:00.000Z',
      nothing: null,
      nan: Number.NaN,
    },
  ])
  await columnar.close()
})

test('the same rows give the same Parquet bytes, in this process and in another', async () => {
  const { directory, columnar } = await opened()
  const sql = `select i, 'name ' || i as name, i / 3.0 as x from range(50000) r(i) order by i`
  const [a, b] = [path.join(directory, 'a.parquet'), path.join(directory, 'b.parquet')]
  assert.equal((await columnar.writeParquet(sql, { to: a })).rows, 50_000)
  await columnar.close()
  const again = openColumnar({ directories: [directory], temporary: path.join(directory, 'tmp2') })
  await again.writeParquet(sql, { to: b })
  assert.ok((await readFile(a)).equals(await readFile(b)))
  assert.deepEqual(await again.schemaOf(a), [
    { name: 'i', type: 'BIGINT' },
    { name: 'name', type: 'VARCHAR' },
    { name: 'x', type: 'DOUBLE' },
  ])
  await again.close()
})

test('parameters are values, never text of the question', async () => {
  const { columnar } = await opened()
  assert.deepEqual(await columnar.query('select $x as x', { params: { x: "'; drop table x" } }), [
    { x: "'; drop table x" },
  ])
  await columnar.close()
})

for (const [what, sql] of [
  ['another file', `select * from read_csv('/etc/passwd')`],
  ['a file by its name', `select * from '/etc/hosts'`],
  ['the network', `select * from read_parquet('http://127.0.0.1:1/x.parquet')`],
  ['writing elsewhere', `copy (select 1) to '/tmp/headrace-outside.parquet'`],
  ['its own leash', 'set enable_external_access = true'],
  ['an extension', 'install httpfs'],
] as const)
  test(`a question cannot reach ${what}`, async () => {
    const { columnar } = await opened()
    await assert.rejects(columnar.query(sql), (t) => isFault(t))
    await columnar.close()
  })

test('a Parquet file cut short is a clear fault', async () => {
  const { directory, columnar } = await opened()
  const file = path.join(directory, 'a.parquet')
  await columnar.writeParquet('select 1 as x', { to: file })
  await writeFile(path.join(directory, 'cut.parquet'), (await readFile(file)).subarray(0, 50))
  await assert.rejects(columnar.schemaOf(path.join(directory, 'cut.parquet')), (t) =>
    isFault(t, 'columnar.failed'),
  )
  await columnar.close()
})
