/** Versions, aliases with their history, and converted artifacts by what they were converted from. */
import type { Migration } from '#platform/db/index.ts'

export const models: Migration = {
  id: 'registry/0001-models',
  up: (db) => [
    db.schema
      .createTable('registry_versions')
      .addColumn('project', 'text', (c) => c.notNull())
      .addColumn('model', 'text', (c) => c.notNull())
      .addColumn('version', 'bigint', (c) => c.notNull())
      .addColumn('state', 'text', (c) => c.notNull())
      .addColumn('tree', 'text', (c) => c.notNull())
      .addColumn('artifact', 'text', (c) => c.notNull())
      .addColumn('view', 'text', (c) => c.notNull())
      .addColumn('run_id', 'text', (c) => c.notNull())
      .addColumn('environment_lock', 'text', (c) => c.notNull())
      .addColumn('code', 'text', (c) => c.notNull())
      .addColumn('datasets', 'text', (c) => c.notNull())
      .addColumn('evaluation_id', 'text')
      .addColumn('gates', 'text', (c) => c.notNull())
      .addColumn('created_at', 'bigint', (c) => c.notNull())
      .addColumn('created_by', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('registry_versions_key', ['project', 'model', 'version']),
    db.schema
      .createTable('registry_aliases')
      .addColumn('project', 'text', (c) => c.notNull())
      .addColumn('model', 'text', (c) => c.notNull())
      .addColumn('alias', 'text', (c) => c.notNull())
      .addColumn('version', 'bigint', (c) => c.notNull())
      .addPrimaryKeyConstraint('registry_aliases_key', ['project', 'model', 'alias']),
    db.schema
      .createTable('registry_alias_moves')
      .addColumn('project', 'text', (c) => c.notNull())
      .addColumn('model', 'text', (c) => c.notNull())
      .addColumn('id', 'text', (c) => c.notNull())
      .addColumn('alias', 'text', (c) => c.notNull())
      .addColumn('version', 'bigint', (c) => c.notNull())
      .addColumn('from_version', 'bigint')
      .addColumn('moved_at', 'bigint', (c) => c.notNull())
      .addColumn('moved_by', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('registry_alias_moves_key', ['project', 'model', 'id']),
    db.schema
      .createTable('registry_artifacts')
      .addColumn('project', 'text', (c) => c.notNull())
      .addColumn('tree', 'text', (c) => c.notNull())
      .addColumn('environment_lock', 'text', (c) => c.notNull())
      .addColumn('artifact', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('registry_artifacts_key', ['project', 'tree', 'environment_lock']),
  ],
}
