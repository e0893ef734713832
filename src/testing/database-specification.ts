/** What every database behind `Db` must do: one suite, run by each implementation's own test. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFault } from '#base/errors.ts'
import { type Db, type Migration, openDb, statement } from '#platform/db/index.ts'

interface Shelf {
  id: string
  version: number
  state: string
}
interface Tables {
  testing_shelves: Shelf
}

const migration: Migration = {
  id: 'testing/0001-shelves',
  up: (schema) => [
    schema.schema
      .createTable('testing_shelves')
      .addColumn('id', 'text', (c) => c.notNull())
      .addColumn('version', 'bigint', (c) => c.notNull())
      .addColumn('state', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('testing_shelves_key', ['id', 'version']),
  ],
}

export function databaseSpecification(name: string, source: { freshUrl(): Promise<string> }): void {
  const opened = async () => openDb({ url: await source.freshUrl(), migrations: [migration] })
  const insert = (db: Db, row: Shelf) =>
    statement(db.tables<Tables>().insertInto('testing_shelves').values(row))
  const all = (db: Db) =>
    db.read(db.tables<Tables>().selectFrom('testing_shelves').selectAll().orderBy('id').orderBy('version'))
  const move = (db: Db, from: string, to: string) =>
    statement(
      db
        .tables<Tables>()
        .updateTable('testing_shelves')
        .set({ state: to })
        .where('id', '=', 'a')
        .where('state', '=', from),
      1,
    )

  test(`${name}: what is committed is read back, numbers as numbers`, async () => {
    const db = await opened()
    await db.commit([insert(db, { id: 'a', version: 1_700_000_000_000, state: 'new' })])
    assert.deepEqual({ ...(await all(db))[0] }, { id: 'a', version: 1_700_000_000_000, state: 'new' })
    await db.close()
  })

  test(`${name}: a guard that fails undoes its unit alone, not its neighbours in the group`, async () => {
    const db = await opened()
    await db.commit([insert(db, { id: 'a', version: 1, state: 'new' })])
    const results = await Promise.allSettled([
      db.commit([insert(db, { id: 'b', version: 1, state: 'new' })]),
      db.commit([insert(db, { id: 'c', version: 1, state: 'new' }), move(db, 'old', 'gone')]),
      db.commit([insert(db, { id: 'd', version: 1, state: 'new' })]),
    ])
    assert.deepEqual(
      results.map((r) => r.status),
      ['fulfilled', 'rejected', 'fulfilled'],
    )
    assert.ok(isFault((results[1] as PromiseRejectedResult).reason, 'db.guard_failed'))
    assert.deepEqual(
      (await all(db)).map((r) => r.id),
      ['a', 'b', 'd'],
    )
    await db.close()
  })

  test(`${name}: of two writers that take the same number one is told so`, async () => {
    const db = await opened()
    const take = () => db.commit([insert(db, { id: 'a', version: 1, state: 'new' })])
    const results = await Promise.allSettled([take(), take()])
    assert.deepEqual(results.map((r) => r.status).sort(), ['fulfilled', 'rejected'])
    const lost = results.find((r) => r.status === 'rejected') as PromiseRejectedResult
    assert.ok(isFault(lost.reason, 'db.duplicate'))
    await db.close()
  })

  test(`${name}: of many that move a state only one wins`, async () => {
    const db = await opened()
    await db.commit([insert(db, { id: 'a', version: 1, state: 'new' })])
    const results = await Promise.allSettled(
      Array.from({ length: 8 }, () => db.commit([move(db, 'new', 'taken')])),
    )
    assert.equal(results.filter((r) => r.status === 'fulfilled').length, 1)
    await db.close()
  })

  test(`${name}: a listener hears of a commit after it, and never of one that failed`, async () => {
    const db = await opened()
    const heard: number[] = []
    db.onCommit((unit) => heard.push(unit.length))
    await db.commit([insert(db, { id: 'a', version: 1, state: 'new' })])
    await db.commit([insert(db, { id: 'a', version: 1, state: 'new' })]).catch(() => undefined)
    assert.deepEqual(heard, [1])
    await db.close()
  })

  test(`${name}: opened again it has its rows and runs no migration twice`, async () => {
    const url = await source.freshUrl()
    const first = await openDb({ url, migrations: [migration] })
    await first.commit([insert(first, { id: 'a', version: 1, state: 'new' })])
    await first.close()
    const second = await openDb({ url, migrations: [migration] })
    assert.equal((await all(second)).length, 1)
    await second.close()
  })

  test(`${name}: a database of a newer Headrace, or one whose migration was edited, is refused`, async () => {
    const url = await source.freshUrl()
    await (await openDb({ url, migrations: [migration] })).close()
    await assert.rejects(openDb({ url, migrations: [] }), (thrown) => isFault(thrown, 'db.newer'))
    const edited = {
      ...migration,
      up: (schema: Parameters<Migration['up']>[0]) => [schema.schema.dropTable('testing_shelves')],
    }
    await assert.rejects(openDb({ url, migrations: [edited] }), (thrown) =>
      isFault(thrown, 'db.migration_changed'),
    )
  })

  test(`${name}: a statement that cannot be is an internal fault, and the next one works`, async () => {
    const db = await opened()
    await assert.rejects(db.commit([{ sql: 'insert into nowhere values (1)', parameters: [] }]), (t) =>
      isFault(t, 'db.failed'),
    )
    await db.commit([insert(db, { id: 'z', version: 1, state: 'new' })])
    assert.equal((await all(db)).length, 1)
    await db.close()
  })
}
