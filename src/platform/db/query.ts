/**
 * The values that travel to the database: compiled statements, each with the number of rows it must change. Kysely is
 * the builder only; nothing here executes. Read next: sqlite.ts and postgres.ts, which do.
 */
import {
  DummyDriver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely'
import { Fault } from '#base/errors.ts'

export type Dialect = 'sqlite' | 'postgres'
export type Param = string | number | bigint | null | Uint8Array

export interface Statement {
  readonly sql: string
  readonly parameters: readonly Param[]
  /** Rows that it must change; another count fails the whole unit as `db.guard_failed`. */
  readonly expect?: number
}

/** Anything that Kysely can compile. `R` is the row that a read gives. */
export interface Compilable<R = unknown> {
  compile(): { readonly sql: string; readonly parameters: readonly unknown[] }
  readonly expressionType?: R | undefined
}

/** One database, whatever is behind it. */
export interface Db {
  readonly dialect: Dialect
  /** The builder, typed to the tables of one domain. Compile with it; never execute. */
  tables<T>(): Kysely<T>
  /** Rows of a committed snapshot, read off the main thread. */
  read<R>(query: Compilable<R>): Promise<R[]>
  readFirst<R>(query: Compilable<R>): Promise<R | undefined>
  /**
   * Commits one unit, all or nothing; durable when it resolves.
   * @throws Fault conflict `db.guard_failed`, conflict `db.duplicate`, unavailable `db.*`
   */
  commit(unit: readonly Statement[]): Promise<void>
  /** Runs after each successful commit in this process, with its statements. */
  onCommit(listener: (unit: readonly Statement[]) => void): () => void
  /** A consistent copy while serving (SQLite: one file). */
  backup(to: string): Promise<void>
  close(): Promise<void>
}

/** A compiled query as a member of a unit. `expect` guards compare-and-set updates and one-row deletes. */
export function statement(query: Compilable, expect?: number): Statement {
  const { sql, parameters } = query.compile()
  const bound = parameters.map(asParam)
  return expect === undefined ? { sql, parameters: bound } : { sql, parameters: bound, expect }
}

/** Booleans are stored as 0 and 1 in both dialects; undefined is a mistake of the caller. */
export function asParam(value: unknown): Param {
  if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint')
    return value
  if (typeof value === 'boolean') return value ? 1 : 0
  if (value instanceof Uint8Array) return value
  throw new Fault('internal', 'db.parameter_unsupported', `a ${typeof value} cannot be a database parameter`)
}

export function builderOf(dialect: Dialect): Kysely<unknown> {
  const sqlite = dialect === 'sqlite'
  return new Kysely<unknown>({
    dialect: {
      createAdapter: () => (sqlite ? new SqliteAdapter() : new PostgresAdapter()),
      createDriver: () => new DummyDriver(),
      createIntrospector: (db) => (sqlite ? new SqliteIntrospector(db) : new PostgresIntrospector(db)),
      createQueryCompiler: () => (sqlite ? new SqliteQueryCompiler() : new PostgresQueryCompiler()),
    },
  })
}

/** What a failed unit says; the same words for both dialects. */
export const dbFaults = {
  guard: (statementIndex: number) =>
    new Fault('conflict', 'db.guard_failed', 'somebody else changed this in the meantime', {
      remedy: 'read it again and repeat',
      details: { statement: statementIndex },
    }),
  duplicate: (constraint: string) =>
    new Fault('conflict', 'db.duplicate', 'this exists already', { details: { constraint } }),
  full: () =>
    new Fault('unavailable', 'db.disk_full', 'the disk of the database is full; nothing was written', {
      remedy: 'free some space; the server goes on by itself',
    }),
  busy: (why: string) =>
    new Fault('unavailable', 'db.unavailable', `the database does not answer: ${why}`, {
      remedy: 'try again shortly',
    }),
  closed: () => new Fault('unavailable', 'db.closed', 'the database is closed'),
  failed: (sql: string, why: string) =>
    new Fault('internal', 'db.failed', `a statement failed: ${why}`, { details: { sql: sql.slice(0, 500) } }),
}
