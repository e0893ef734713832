/** Reproductions of model versions: what was rebuilt, and how it compares. */
import type { Migration } from '#platform/db/index.ts'

export const reproductions: Migration = {
  id: 'lineage/0001-reproductions',
  up: (db) => [
    db.schema
      .createTable('lineage_reproductions')
      .addColumn('project', 'text', (c) => c.notNull())
      .addColumn('id', 'text', (c) => c.notNull())
      .addColumn('model', 'text', (c) => c.notNull())
      .addColumn('version', 'bigint', (c) => c.notNull())
      .addColumn('state', 'text', (c) => c.notNull())
      .addColumn('report', 'text', (c) => c.notNull())
      .addColumn('started_at', 'bigint', (c) => c.notNull())
      .addColumn('started_by', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('lineage_reproductions_key', ['project', 'id']),
    db.schema
      .createIndex('lineage_reproductions_by_model')
      .on('lineage_reproductions')
      .columns(['project', 'model', 'version', 'id']),
  ],
}
