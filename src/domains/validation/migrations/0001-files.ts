/** What row rules found in a file, kept by the file's digest, so that no file is scanned twice. */
import type { Migration } from '#platform/db/index.ts'

export const files: Migration = {
  id: 'validation/0001-files',
  up: (db) => [
    db.schema
      .createTable('validation_files')
      .addColumn('project', 'text', (c) => c.notNull())
      .addColumn('dataset', 'text', (c) => c.notNull())
      .addColumn('checks', 'text', (c) => c.notNull())
      .addColumn('digest', 'text', (c) => c.notNull())
      .addColumn('finding', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('validation_files_key', ['project', 'dataset', 'checks', 'digest']),
  ],
}
