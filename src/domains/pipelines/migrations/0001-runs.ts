/** Pipeline runs, their steps, and the content cache. */
import type { Migration } from '#platform/db/index.ts'

export const runs: Migration = {
  id: 'pipelines/0001-runs',
  up: (db) => [
    db.schema
      .createTable('pipelines_runs')
      .addColumn('project', 'text', (c) => c.notNull())
      .addColumn('number', 'bigint', (c) => c.notNull())
      .addColumn('pipeline', 'text', (c) => c.notNull())
      .addColumn('state', 'text', (c) => c.notNull())
      .addColumn('params', 'text', (c) => c.notNull())
      .addColumn('trigger_kind', 'text', (c) => c.notNull())
      .addColumn('cause', 'text', (c) => c.notNull())
      .addColumn('trigger_key', 'text')
      .addColumn('conflict_group', 'text')
      .addColumn('definition', 'text', (c) => c.notNull())
      .addColumn('no_cache', 'integer', (c) => c.notNull())
      .addColumn('happened_at', 'bigint', (c) => c.notNull())
      .addColumn('created_at', 'bigint', (c) => c.notNull())
      .addColumn('started_at', 'bigint')
      .addColumn('finished_at', 'bigint')
      .addColumn('created_by', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('pipelines_runs_key', ['project', 'number'])
      .addUniqueConstraint('pipelines_runs_once', ['project', 'trigger_key']),
    db.schema
      .createIndex('pipelines_runs_by_state')
      .on('pipelines_runs')
      .columns(['state', 'project', 'number']),
    db.schema
      .createIndex('pipelines_runs_by_pipeline')
      .on('pipelines_runs')
      .columns(['project', 'pipeline', 'number']),
    db.schema
      .createTable('pipelines_steps')
      .addColumn('project', 'text', (c) => c.notNull())
      .addColumn('run', 'bigint', (c) => c.notNull())
      .addColumn('name', 'text', (c) => c.notNull())
      .addColumn('position', 'integer', (c) => c.notNull())
      .addColumn('kind', 'text', (c) => c.notNull())
      .addColumn('state', 'text', (c) => c.notNull())
      .addColumn('attempt', 'integer', (c) => c.notNull())
      .addColumn('owner', 'text')
      .addColumn('started_at', 'bigint')
      .addColumn('finished_at', 'bigint')
      .addColumn('summary', 'text', (c) => c.notNull())
      .addColumn('run_id', 'text')
      .addColumn('outputs', 'text', (c) => c.notNull())
      .addColumn('waiting_on', 'text')
      .addColumn('cache_key', 'text')
      .addColumn('key_parts', 'text')
      .addColumn('reused_from', 'bigint')
      .addPrimaryKeyConstraint('pipelines_steps_key', ['project', 'run', 'name']),
    db.schema.createIndex('pipelines_steps_waiting').on('pipelines_steps').columns(['project', 'waiting_on']),
    db.schema
      .createTable('pipelines_cache')
      .addColumn('project', 'text', (c) => c.notNull())
      .addColumn('cache_key', 'text', (c) => c.notNull())
      .addColumn('run', 'bigint', (c) => c.notNull())
      .addColumn('step', 'text', (c) => c.notNull())
      .addColumn('outputs', 'text', (c) => c.notNull())
      .addColumn('summary', 'text', (c) => c.notNull())
      .addColumn('run_id', 'text')
      .addColumn('created_at', 'bigint', (c) => c.notNull())
      .addPrimaryKeyConstraint('pipelines_cache_key', ['project', 'cache_key']),
  ],
}
