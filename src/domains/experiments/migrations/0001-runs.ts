/** Runs, and what they log. Numbers that SQLite has no word for (NaN, infinities) are kept in `special`. */
import type { Migration } from '#platform/db/index.ts'

export const runs: Migration = {
  id: 'experiments/0001-runs',
  up: (db) => [
    db.schema
      .createTable('experiments_runs')
      .addColumn('project', 'text', (c) => c.notNull())
      .addColumn('id', 'text', (c) => c.notNull())
      .addColumn('experiment', 'text', (c) => c.notNull())
      .addColumn('name', 'text', (c) => c.notNull())
      .addColumn('status', 'text', (c) => c.notNull())
      .addColumn('started_at', 'bigint', (c) => c.notNull())
      .addColumn('ended_at', 'bigint')
      .addColumn('started_by', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('experiments_runs_key', ['project', 'id']),
    db.schema
      .createIndex('experiments_runs_by_time')
      .on('experiments_runs')
      .columns(['project', 'experiment', 'started_at']),
    db.schema
      .createTable('experiments_metrics')
      .addColumn('project', 'text', (c) => c.notNull())
      .addColumn('run', 'text', (c) => c.notNull())
      .addColumn('key', 'text', (c) => c.notNull())
      .addColumn('step', 'bigint', (c) => c.notNull())
      .addColumn('timestamp', 'bigint', (c) => c.notNull())
      .addColumn('value', 'double precision')
      .addColumn('special', 'text'),
    db.schema
      .createIndex('experiments_metrics_by_run')
      .on('experiments_metrics')
      .columns(['project', 'run', 'key', 'step']),
    db.schema
      .createTable('experiments_values')
      .addColumn('project', 'text', (c) => c.notNull())
      .addColumn('run', 'text', (c) => c.notNull())
      .addColumn('kind', 'text', (c) => c.notNull())
      .addColumn('key', 'text', (c) => c.notNull())
      .addColumn('value', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('experiments_values_key', ['project', 'run', 'kind', 'key']),
  ],
}
