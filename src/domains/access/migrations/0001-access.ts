/** Projects with their clock, and tokens, of which only digests are kept. */
import type { Migration } from '#platform/db/index.ts'

export const accessTables: Migration = {
  id: 'access/0001-access',
  up: (db) => [
    db.schema
      .createTable('access_projects')
      .addColumn('project', 'text', (c) => c.primaryKey())
      .addColumn('owner', 'text', (c) => c.notNull())
      .addColumn('timezone', 'text', (c) => c.notNull())
      .addColumn('created_at', 'bigint', (c) => c.notNull())
      .addColumn('clock_ms', 'bigint'),
    db.schema
      .createTable('access_tokens')
      .addColumn('digest', 'text', (c) => c.primaryKey())
      .addColumn('id', 'text', (c) => c.notNull())
      .addColumn('project', 'text', (c) => c.notNull())
      .addColumn('actor', 'text', (c) => c.notNull())
      .addColumn('kind', 'text', (c) => c.notNull())
      .addColumn('grants', 'text', (c) => c.notNull())
      .addColumn('created_at', 'bigint', (c) => c.notNull())
      .addColumn('expires_at', 'bigint', (c) => c.notNull())
      .addColumn('revoked_at', 'bigint'),
    db.schema.createIndex('access_tokens_by_project').on('access_tokens').columns(['project', 'id']),
  ],
}
