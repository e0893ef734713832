/** One specification of the database; SQLite here, PostgreSQL in test/conformance/postgres. */
import assert from 'node:assert/strict'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { databaseSpecification } from '../../testing/database-specification.ts'
import { openDb } from './index.ts'
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
