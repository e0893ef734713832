/** Closed windows. */
import type { Migration } from '#platform/db/index.ts'

export const windows: Migration = {
  id: 'monitoring/0001-windows',
  up: (db) => [
    db.schema
      .createTable('monitoring_windows')
      .addColumn('project', 'text', (c) => c.notNull())
      .addColumn('monitor', 'text', (c) => c.notNull())
      .addColumn('day', 'text', (c) => c.notNull())
      .addColumn('metrics', 'text', (c) => c.notNull())
      .addColumn('served', 'text', (c) => c.notNull())
      .addColumn('by_revision', 'text', (c) => c.notNull())
      .addColumn('label_version', 'bigint', (c) => c.notNull())
      .addColumn('closed_at', 'bigint', (c) => c.notNull())
      .addPrimaryKeyConstraint('monitoring_windows_key', ['project', 'monitor', 'day']),
  ],
}
