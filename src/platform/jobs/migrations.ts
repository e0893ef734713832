/** Tables of jobs and of what starts them by the clock. */
import type { Migration } from '#platform/db/index.ts'

export const jobsMigrations: Migration[] = [
  {
    id: 'platform-jobs/0001-jobs',
    up: (db) => [
      db.schema
        .createTable('platform_jobs')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('project', 'text', (c) => c.notNull())
        .addColumn('kind', 'text', (c) => c.notNull())
        .addColumn('payload', 'text', (c) => c.notNull())
        .addColumn('state', 'text', (c) => c.notNull())
        .addColumn('priority', 'bigint', (c) => c.notNull())
        .addColumn('due_at', 'bigint', (c) => c.notNull())
        .addColumn('attempt', 'bigint', (c) => c.notNull())
        .addColumn('fence', 'bigint', (c) => c.notNull())
        .addColumn('owner', 'text')
        .addColumn('lease_until', 'bigint')
        .addColumn('conflict_group', 'text')
        .addColumn('group_limit', 'bigint')
        .addColumn('slot', 'text', (c) => c.unique())
        .addColumn('unique_key', 'text', (c) => c.unique())
        .addColumn('cancelling', 'bigint', (c) => c.notNull())
        .addColumn('why', 'text', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addColumn('created_by', 'text', (c) => c.notNull())
        .addColumn('finished_at', 'bigint'),
      db.schema
        .createIndex('platform_jobs_by_turn')
        .on('platform_jobs')
        .columns(['state', 'priority', 'due_at', 'id']),
      db.schema
        .createIndex('platform_jobs_by_project')
        .on('platform_jobs')
        .columns(['project', 'state', 'created_at']),
      db.schema
        .createTable('platform_schedules')
        .addColumn('project', 'text', (c) => c.notNull())
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('rule', 'text', (c) => c.notNull())
        .addColumn('kind', 'text', (c) => c.notNull())
        .addColumn('payload', 'text', (c) => c.notNull())
        .addColumn('next_at', 'bigint', (c) => c.notNull())
        .addColumn('last_at', 'bigint')
        .addPrimaryKeyConstraint('platform_schedules_key', ['project', 'name']),
    ],
  },
]
