/** All SQL of secrets: sealed values by project and name. */
import { type Compilable, type Db, type Migration, type Statement, statement } from '#platform/db/index.ts'

export interface SecretRow {
  project: string
  name: string
  key_id: string
  sealed: string
  /** Keyed, for cache keys. */
  digest: string
  created_at: number
  updated_at: number
  updated_by: string
}
interface Tables {
  platform_secrets: SecretRow
}

export const secretsMigrations: Migration[] = [
  {
    id: 'platform-secrets/0001-secrets',
    up: (db) => [
      db.schema
        .createTable('platform_secrets')
        .addColumn('project', 'text', (c) => c.notNull())
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('key_id', 'text', (c) => c.notNull())
        .addColumn('sealed', 'text', (c) => c.notNull())
        .addColumn('digest', 'text', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addColumn('updated_at', 'bigint', (c) => c.notNull())
        .addColumn('updated_by', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('platform_secrets_key', ['project', 'name']),
    ],
  },
]

export function secretsStore(db: Db) {
  const t = db.tables<Tables>()
  return {
    one: (project: string, name: string): Promise<SecretRow | undefined> =>
      db.readFirst(
        t
          .selectFrom('platform_secrets')
          .selectAll()
          .where('project', '=', project)
          .where('name', '=', name) as Compilable<SecretRow>,
      ),
    list: (project: string): Promise<SecretRow[]> =>
      db.read(
        t
          .selectFrom('platform_secrets')
          .selectAll()
          .where('project', '=', project)
          .orderBy('name') as Compilable<SecretRow>,
      ),
    /** Of every project: only the rotation of the key asks. */
    all: (): Promise<SecretRow[]> =>
      db.read(t.selectFrom('platform_secrets').selectAll() as Compilable<SecretRow>),
    put: (row: SecretRow): Statement =>
      statement(
        t
          .insertInto('platform_secrets')
          .values(row)
          .onConflict((c) =>
            c.columns(['project', 'name']).doUpdateSet({
              key_id: row.key_id,
              sealed: row.sealed,
              digest: row.digest,
              updated_at: row.updated_at,
              updated_by: row.updated_by,
            }),
          ),
      ),
    reseal: (row: SecretRow, next: Pick<SecretRow, 'key_id' | 'sealed'>): Statement =>
      statement(
        t
          .updateTable('platform_secrets')
          .set(next)
          .where('project', '=', row.project)
          .where('name', '=', row.name)
          .where('sealed', '=', row.sealed),
        1,
      ),
    remove: (project: string, name: string): Statement =>
      statement(t.deleteFrom('platform_secrets').where('project', '=', project).where('name', '=', name), 1),
  }
}
