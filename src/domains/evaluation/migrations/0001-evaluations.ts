/** Evaluations, whole. */
import type { Migration } from '#platform/db/index.ts'

export const evaluations: Migration = {
  id: 'evaluation/0001-evaluations',
  up: (db) => [
    db.schema
      .createTable('evaluation_evaluations')
      .addColumn('project', 'text', (c) => c.notNull())
      .addColumn('id', 'text', (c) => c.notNull())
      .addColumn('model', 'text', (c) => c.notNull())
      .addColumn('evaluation', 'text', (c) => c.notNull())
      .addColumn('created_at', 'bigint', (c) => c.notNull())
      .addPrimaryKeyConstraint('evaluation_evaluations_key', ['project', 'id']),
  ],
}
