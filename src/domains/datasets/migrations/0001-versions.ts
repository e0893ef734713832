/** Versions, verdicts, and what was learnt of files once. */
import type { Migration } from '#platform/db/index.ts'

export const versions: Migration = {
  id: 'datasets/0001-versions',
  up: (db) => [
    db.schema
      .createTable('datasets_versions')
      .addColumn('project', 'text', (c) => c.notNull())
      .addColumn('dataset', 'text', (c) => c.notNull())
      .addColumn('version', 'bigint', (c) => c.notNull())
      .addColumn('id', 'text', (c) => c.notNull())
      .addColumn('rows', 'bigint', (c) => c.notNull())
      .addColumn('bytes', 'bigint', (c) => c.notNull())
      .addColumn('files', 'bigint', (c) => c.notNull())
      .addColumn('key', 'text', (c) => c.notNull())
      .addColumn('time', 'text')
      .addColumn('parents', 'text', (c) => c.notNull())
      .addColumn('produced_by', 'text', (c) => c.notNull())
      .addColumn('message', 'text', (c) => c.notNull())
      .addColumn('created_at', 'bigint', (c) => c.notNull())
      .addColumn('created_by', 'text', (c) => c.notNull())
      .addColumn('state', 'text', (c) => c.notNull())
      .addColumn('verdict', 'text')
      .addPrimaryKeyConstraint('datasets_versions_key', ['project', 'dataset', 'version']),
    db.schema.createIndex('datasets_versions_by_id').on('datasets_versions').columns(['project', 'id']),
    db.schema
      .createTable('datasets_file_facts')
      .addColumn('digest', 'text', (c) => c.primaryKey())
      .addColumn('rows', 'bigint', (c) => c.notNull())
      .addColumn('schema', 'text', (c) => c.notNull()),
    db.schema
      .createTable('datasets_source_files')
      .addColumn('project', 'text', (c) => c.notNull())
      .addColumn('source', 'text', (c) => c.notNull())
      .addColumn('path', 'text', (c) => c.notNull())
      .addColumn('size', 'bigint', (c) => c.notNull())
      .addColumn('modified_at', 'bigint', (c) => c.notNull())
      .addColumn('digest', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('datasets_source_files_key', ['project', 'source', 'path']),
    db.schema
      .createTable('datasets_filtered_files')
      .addColumn('digest', 'text', (c) => c.notNull())
      .addColumn('quarantine', 'text', (c) => c.notNull())
      .addColumn('filtered', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('datasets_filtered_files_key', ['digest', 'quarantine']),
  ],
}
