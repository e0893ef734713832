/** One specification of the database; SQLite here, PostgreSQL in test/conformance/postgres. */
import assert from 'node:assert/strict'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { databaseSpecification } from '../../testing/database-specification.ts'
import { type Db, type Migration, openDb } from './index.ts'
import { test } from 'node:test'
import { isFault } from '#base/errors.ts'

const fileUrl = async () => `sqlite:${path.join(await mkdtemp(path.join(tmpdir(), 'headrace-db-')), 'a.db')}`

databaseSpecification('sqlite', { freshUrl: fileUrl })

test('an address of another kind is refused with what would work', async () => {
  await assert.rejects(openDb({ url: 'mysql://x', migrations: [] }), (thrown) =>
    isFault(thrown, 'db.url_unsupported'),
  )
})

test('a backup is a whole database of its own', async () => {
  const url = await fileUrl()
  const db = await openDb({ url, migrations: [] })
  const copy = `${url.slice('sqlite:'.length)}.copy`
  await db.backup(copy)
  await db.close()
  const again = await openDb({ url: `sqlite:${copy}`, migrations: [] })
  await again.close()
})

test('a database of an older version is kept before it is upgraded, and one that cannot be kept is left as it was', async () => {
  const url = await fileUrl()
  const first: Migration = {
    id: 'testing/0001-one',
    up: (schema) => [schema.schema.createTable('testing_one').addColumn('id', 'text')],
  }
  const second: Migration = {
    id: 'testing/0002-two',
    up: (schema) => [schema.schema.createTable('testing_two').addColumn('id', 'text')],
  }
  const kept: string[] = []
  const beforeUpgrade = async (db: Db) => {
    const names = db.tables<{ sqlite_schema: { name: string } }>().selectFrom('sqlite_schema').select('name')
    const rows = await db.read(names.where('name', 'like', 'testing_%'))
    kept.push(rows.map((row) => row.name).join())
  }
  await (await openDb({ url, migrations: [first], beforeUpgrade })).close()
  assert.deepEqual(kept, [], 'a new database has nothing to keep')
  const refuses = async () => {
    throw new Error('the disk is full')
  }
  await assert.rejects(
    openDb({ url, migrations: [first, second], beforeUpgrade: refuses }),
    /the disk is full/,
  )
  await (await openDb({ url, migrations: [first, second], beforeUpgrade })).close()
  assert.deepEqual(kept, ['testing_one'])
  await (await openDb({ url, migrations: [first, second], beforeUpgrade })).close()
  assert.equal(kept.length, 1)
})
