/** Materialised views by definition and dataset version, the rows that serve online, and numeric codes. */
import type { Migration } from '#platform/db/index.ts'

export const featuresTables: Migration = {
  id: 'features/0001-features',
  up: (db) => [
    db.schema
      .createTable('features_materialised')
      .addColumn('project', 'text', (c) => c.notNull())
      .addColumn('view', 'text', (c) => c.notNull())
      .addColumn('definition', 'text', (c) => c.notNull())
      .addColumn('dataset_id', 'text', (c) => c.notNull())
      .addColumn('digest', 'text', (c) => c.notNull())
      .addColumn('rows', 'bigint', (c) => c.notNull())
      .addColumn('last_day', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('features_materialised_key', ['project', 'view', 'definition', 'dataset_id']),
    db.schema
      .createTable('features_online')
      .addColumn('project', 'text', (c) => c.notNull())
      .addColumn('view', 'text', (c) => c.notNull())
      .addColumn('at', 'text', (c) => c.notNull())
      .addColumn('names', 'text', (c) => c.notNull())
      .addColumn('rows', 'text', (c) => c.notNull())
      .addColumn('dataset_version', 'bigint', (c) => c.notNull())
      .addColumn('written_at', 'bigint', (c) => c.notNull())
      .addPrimaryKeyConstraint('features_online_key', ['project', 'view']),
    db.schema
      .createTable('features_codes')
      .addColumn('project', 'text', (c) => c.notNull())
      .addColumn('view', 'text', (c) => c.notNull())
      .addColumn('name', 'text', (c) => c.notNull())
      .addColumn('value', 'text', (c) => c.notNull())
      .addColumn('code', 'bigint', (c) => c.notNull())
      .addPrimaryKeyConstraint('features_codes_key', ['project', 'view', 'name', 'value']),
  ],
}
