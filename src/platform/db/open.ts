/** Opens the database that an address names and brings it up to date. PostgreSQL's client loads only where it is used. */
import { Fault } from '#base/errors.ts'
import type { Migration } from './migrate.ts'
import type { Db } from './query.ts'
import { openSqlite } from './sqlite.ts'
import type { SqliteThreads } from './threads.ts'

export interface OpenDbOptions {
  /** `sqlite:/path/to/file.db` or `postgres://…` */
  readonly url: string
  readonly migrations: readonly Migration[]
  /** `fsync` (default): durable against power cuts; `process`: against the end of the process. SQLite only. */
  readonly durability?: 'fsync' | 'process'
  /** Threads that were started beforehand. SQLite only. */
  readonly threads?: SqliteThreads | undefined
  /** Called with the database of an older version before its tables change; where it fails, nothing is changed. */
  readonly beforeUpgrade?: (db: Db) => Promise<void>
}

/** @throws Fault invalid `db.url_unsupported`, precondition_failed `db.newer`, unavailable `db.unavailable` */
export async function openDb(options: OpenDbOptions): Promise<Db> {
  if (options.url.startsWith('sqlite:')) return openSqlite(options.url.slice('sqlite:'.length), options)
  if (/^postgres(ql)?:/.test(options.url)) {
    const { openPostgres } = await import('./postgres.ts')
    return openPostgres(options)
  }
  throw new Fault('invalid', 'db.url_unsupported', 'the database address is neither sqlite: nor postgres:', {
    remedy: 'give DATABASE_URL as postgres://user:password@host/name, or leave it out for SQLite',
  })
}
