/**
 * Forward-only migrations, written once for both dialects and frozen by the digest of what they compile to.
 * Each domain owns its own; the order is that of their ids within a domain.
 */
import type { Kysely } from 'kysely'
import { sha256 } from '#base/digest.ts'
import { Fault } from '#base/errors.ts'
import { asParam, builderOf, type Compilable, type Dialect, type Statement } from './query.ts'

export interface Migration {
  /** `datasets/0001-versions` */
  readonly id: string
  up(schema: Kysely<unknown>, dialect: Dialect): Compilable[]
}

export interface AppliedMigration {
  readonly id: string
  readonly digest: string
}

export const migrationsTable =
  'create table if not exists platform_migrations (id text primary key, digest text not null, applied_at bigint not null)'

/** The statements that bring a database from `applied` to `wanted`. @throws Fault precondition_failed */
export function pendingUnits(
  wanted: readonly Migration[],
  applied: readonly AppliedMigration[],
  dialect: Dialect,
  nowMs: number,
): Statement[] {
  const done = new Map(applied.map((m) => [m.id, m.digest]))
  const known = new Set(wanted.map((m) => m.id))
  const newer = applied.filter((m) => !known.has(m.id))
  if (newer.length > 0) throw newerDatabase(newer.map((m) => m.id))
  const schema = builderOf(dialect)
  return wanted.flatMap((migration) => {
    const statements = migration.up(schema, dialect).map((query) => query.compile())
    const digest = sha256(statements.map((s) => s.sql).join(';\n'))
    const before = done.get(migration.id)
    if (before !== undefined && before !== digest) throw changedMigration(migration.id)
    if (before !== undefined) return []
    const mark = dialect === 'sqlite' ? 'values (?, ?, ?)' : 'values ($1, $2, $3)'
    return [
      ...statements.map((s) => ({ sql: s.sql, parameters: s.parameters.map(asParam) })),
      {
        sql: `insert into platform_migrations (id, digest, applied_at) ${mark}`,
        parameters: [migration.id, digest, nowMs],
      },
    ]
  })
}

const newerDatabase = (ids: readonly string[]) =>
  new Fault(
    'precondition_failed',
    'db.newer',
    `the database was made by a newer Headrace (it has ${ids.slice(0, 3).join(', ')})`,
    {
      remedy: 'start that version, or restore the backup that it took before it upgraded',
    },
  )

const changedMigration = (id: string) =>
  new Fault(
    'precondition_failed',
    'db.migration_changed',
    `migration ${id} is not the one that this database was made with`,
    {
      remedy: 'a released migration is frozen: add a new one instead of editing it',
    },
  )
