/** Models as a training program logged them: files, parameters, tags; their metrics are points that name them. */
import { sql } from 'kysely'
import type { Migration } from '#platform/db/index.ts'

export const loggedModels: Migration = {
  id: 'experiments/0003-logged-models',
  up: (db) => [
    db.schema
      .createTable('experiments_models')
      .addColumn('project', 'text', (c) => c.notNull())
      .addColumn('id', 'text', (c) => c.notNull())
      .addColumn('experiment_id', 'bigint', (c) => c.notNull())
      .addColumn('name', 'text', (c) => c.notNull())
      .addColumn('model_type', 'text')
      .addColumn('source_run', 'text')
      .addColumn('status', 'text', (c) => c.notNull())
      .addColumn('created_at', 'bigint', (c) => c.notNull())
      .addColumn('updated_at', 'bigint', (c) => c.notNull())
      .addColumn('deleted_at', 'bigint')
      .addPrimaryKeyConstraint('experiments_models_key', ['project', 'id']),
    db.schema
      .createIndex('experiments_models_by_time')
      .on('experiments_models')
      .columns(['project', 'experiment_id', 'created_at', 'id']),
    db.schema
      .createTable('experiments_model_values')
      .addColumn('project', 'text', (c) => c.notNull())
      .addColumn('model', 'text', (c) => c.notNull())
      .addColumn('kind', 'text', (c) => c.notNull())
      .addColumn('key', 'text', (c) => c.notNull())
      .addColumn('value', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('experiments_model_values_key', ['project', 'model', 'kind', 'key']),
    db.schema
      .createIndex('experiments_points_by_model')
      .on('experiments_points')
      .columns(['project', 'model_id', 'key'])
      .where(sql<boolean>`model_id is not null`),
  ],
}
