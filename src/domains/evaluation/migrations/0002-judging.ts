/** Scorers of language models by version, and evaluation sets: questions with what is expected of the answers. */
import type { Migration } from '#platform/db/index.ts'

export const judging: Migration = {
  id: 'evaluation/0002-judging',
  up: (db) => [
    db.schema
      .createTable('evaluation_scorers')
      .addColumn('project', 'text', (c) => c.notNull())
      .addColumn('experiment', 'text', (c) => c.notNull())
      .addColumn('name', 'text', (c) => c.notNull())
      .addColumn('version', 'bigint', (c) => c.notNull())
      .addColumn('id', 'text', (c) => c.notNull())
      .addColumn('body', 'text', (c) => c.notNull())
      .addColumn('created_at', 'bigint', (c) => c.notNull())
      .addPrimaryKeyConstraint('evaluation_scorers_key', ['project', 'experiment', 'name', 'version']),
    db.schema
      .createTable('evaluation_sets')
      .addColumn('project', 'text', (c) => c.notNull())
      .addColumn('id', 'text', (c) => c.notNull())
      .addColumn('name', 'text', (c) => c.notNull())
      .addColumn('fields', 'text')
      .addColumn('created_at', 'bigint', (c) => c.notNull())
      .addColumn('updated_at', 'bigint', (c) => c.notNull())
      .addColumn('created_by', 'text')
      .addColumn('updated_by', 'text')
      .addPrimaryKeyConstraint('evaluation_sets_key', ['project', 'id']),
    db.schema
      .createTable('evaluation_set_values')
      .addColumn('project', 'text', (c) => c.notNull())
      .addColumn('set_id', 'text', (c) => c.notNull())
      .addColumn('kind', 'text', (c) => c.notNull())
      .addColumn('key', 'text', (c) => c.notNull())
      .addColumn('value', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('evaluation_set_values_key', ['project', 'set_id', 'kind', 'key']),
    db.schema
      .createTable('evaluation_set_records')
      .addColumn('project', 'text', (c) => c.notNull())
      .addColumn('set_id', 'text', (c) => c.notNull())
      .addColumn('inputs_digest', 'text', (c) => c.notNull())
      .addColumn('id', 'text', (c) => c.notNull())
      .addColumn('body', 'text', (c) => c.notNull())
      .addColumn('created_at', 'bigint', (c) => c.notNull())
      .addColumn('updated_at', 'bigint', (c) => c.notNull())
      .addPrimaryKeyConstraint('evaluation_set_records_key', ['project', 'set_id', 'inputs_digest']),
    db.schema
      .createIndex('evaluation_set_records_by_time')
      .on('evaluation_set_records')
      .columns(['project', 'set_id', 'created_at', 'id']),
  ],
}
