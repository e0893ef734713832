/**
 * PostgreSQL behind the same face: a unit is one transaction, a guard is a row count. Deadlocks and lost races of
 * serialisation are repeated; a lost connection is `unavailable`.
 */
import { writeFile } from 'node:fs/promises'
import type { Kysely } from 'kysely'
import { default as pg, type PoolClient } from 'pg'
import { Fault } from '#base/errors.ts'
import { type AppliedMigration, migrationsTable, pendingUnits } from './migrate.ts'
import type { OpenDbOptions } from './open.ts'
import { asParam, builderOf, type Compilable, type Db, dbFaults, type Statement } from './query.ts'

const connectionsMax = 10
const attemptsMax = 5
// https://www.postgresql.org/docs/current/errcodes-appendix.html
const uniqueViolation = '23505'
const repeatable = new Set(['40001', '40P01'])
const outOfSpace = new Set(['53100', '53200'])
/** Any constant: only Headrace servers take it, so that two do not migrate at once. */
const migrationLock = 4_400_001

export async function openPostgres(options: OpenDbOptions): Promise<Db> {
  pg.types.setTypeParser(pg.types.builtins.INT8, Number)
  const pool = new pg.Pool({
    connectionString: options.url,
    max: connectionsMax,
    application_name: 'headrace',
  })
  // An idle connection that the server ends must not end the process; the next query opens another.
  pool.on('error', () => undefined)
  const db = new PostgresDb(pool)
  try {
    await migrate(pool, options)
  } catch (error) {
    await pool.end()
    throw faultOf(error, 'migrations')
  }
  return db
}

async function migrate(pool: pg.Pool, options: OpenDbOptions): Promise<void> {
  const client = await pool.connect()
  try {
    await client.query('begin')
    await client.query('select pg_advisory_xact_lock($1)', [migrationLock])
    await client.query(migrationsTable)
    const applied = await client.query<AppliedMigration>('select id, digest from platform_migrations')
    for (const one of pendingUnits(options.migrations, applied.rows, 'postgres', Date.now())) {
      await client.query(one.sql, [...one.parameters])
    }
    await client.query('commit')
  } catch (error) {
    await client.query('rollback').catch(() => undefined)
    throw error
  } finally {
    client.release()
  }
}

class PostgresDb implements Db {
  readonly dialect = 'postgres'
  readonly #pool: pg.Pool
  readonly #builder = builderOf('postgres')
  readonly #listeners = new Set<(unit: readonly Statement[]) => void>()

  constructor(pool: pg.Pool) {
    this.#pool = pool
  }

  tables<T>(): Kysely<T> {
    return this.#builder as Kysely<T>
  }

  async read<R>(query: Compilable<R>): Promise<R[]> {
    const { sql, parameters } = query.compile()
    try {
      return (await this.#pool.query(sql, parameters.map(asParam))).rows as R[]
    } catch (error) {
      throw faultOf(error, sql)
    }
  }

  async readFirst<R>(query: Compilable<R>): Promise<R | undefined> {
    return (await this.read(query))[0]
  }

  async commit(unit: readonly Statement[]): Promise<void> {
    if (unit.length === 0) return
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#once(unit)
        break
      } catch (error) {
        if (attempt < attemptsMax && repeatable.has((error as { code?: string }).code ?? '')) continue
        throw faultOf(error, '')
      }
    }
    for (const listener of this.#listeners) listener(unit)
  }

  onCommit(listener: (unit: readonly Statement[]) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** PostgreSQL has tools of its own for this; what we write says which. */
  async backup(to: string): Promise<void> {
    await writeFile(
      to,
      'This server keeps its tables in PostgreSQL: back them up with pg_dump, and restore with pg_restore.\n',
    )
  }

  async close(): Promise<void> {
    await this.#pool.end()
  }

  async #once(unit: readonly Statement[]): Promise<void> {
    const client = await this.#pool.connect()
    let broken: Error | undefined
    try {
      await client.query('begin')
      await runAll(client, unit)
      await client.query('commit')
    } catch (error) {
      await client.query('rollback').catch((lost: Error) => {
        broken = lost
      })
      throw error
    } finally {
      client.release(broken)
    }
  }
}

async function runAll(client: PoolClient, unit: readonly Statement[]): Promise<void> {
  for (const [i, { sql, parameters, expect }] of unit.entries()) {
    const { rowCount } = await client.query(sql, [...parameters])
    if (expect !== undefined && rowCount !== expect) throw dbFaults.guard(i)
  }
}

function faultOf(error: unknown, sql: string): Fault {
  if (error instanceof Fault) return error
  const { code = '', message, constraint = '' } = error as Error & { code?: string; constraint?: string }
  if (code === uniqueViolation) return dbFaults.duplicate(constraint)
  if (outOfSpace.has(code)) return dbFaults.full()
  const isStatementsFault = /^[0-9A-Z]{5}$/.test(code) && !/^(08|57P|53)/.test(code)
  return isStatementsFault ? dbFaults.failed(sql, message) : dbFaults.busy(message)
}
