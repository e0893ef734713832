/** Revisions, which one is stable, rollouts, and segments of the prediction log. */
import type { Migration } from '#platform/db/index.ts'

export const endpoints: Migration = {
  id: 'serving/0001-endpoints',
  up: (db) => [
    db.schema
      .createTable('serving_revisions')
      .addColumn('project', 'text', (c) => c.notNull())
      .addColumn('endpoint', 'text', (c) => c.notNull())
      .addColumn('number', 'bigint', (c) => c.notNull())
      .addColumn('id', 'text', (c) => c.notNull().unique())
      .addColumn('model', 'text', (c) => c.notNull())
      .addColumn('version', 'bigint', (c) => c.notNull())
      .addColumn('onnx', 'text', (c) => c.notNull())
      .addColumn('view', 'text', (c) => c.notNull())
      .addColumn('features', 'text', (c) => c.notNull())
      .addColumn('created_at', 'bigint', (c) => c.notNull())
      .addColumn('created_by', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('serving_revisions_key', ['project', 'endpoint', 'number']),
    db.schema
      .createTable('serving_routes')
      .addColumn('project', 'text', (c) => c.notNull())
      .addColumn('endpoint', 'text', (c) => c.notNull())
      .addColumn('stable', 'bigint', (c) => c.notNull())
      .addPrimaryKeyConstraint('serving_routes_key', ['project', 'endpoint']),
    db.schema
      .createTable('serving_rollouts')
      .addColumn('project', 'text', (c) => c.notNull())
      .addColumn('endpoint', 'text', (c) => c.notNull())
      .addColumn('id', 'text', (c) => c.notNull())
      .addColumn('revision', 'bigint', (c) => c.notNull())
      .addColumn('stable', 'bigint')
      .addColumn('state', 'text', (c) => c.notNull())
      .addColumn('step', 'bigint', (c) => c.notNull())
      .addColumn('windows', 'bigint', (c) => c.notNull())
      .addColumn('reason', 'text', (c) => c.notNull())
      .addColumn('findings', 'text', (c) => c.notNull())
      .addColumn('started_at', 'bigint', (c) => c.notNull())
      .addColumn('moved_at', 'bigint', (c) => c.notNull())
      .addPrimaryKeyConstraint('serving_rollouts_key', ['project', 'endpoint', 'id']),
    db.schema
      .createTable('serving_segments')
      .addColumn('project', 'text', (c) => c.notNull())
      .addColumn('endpoint', 'text', (c) => c.notNull())
      .addColumn('id', 'text', (c) => c.notNull())
      .addColumn('first_day', 'text', (c) => c.notNull())
      .addColumn('last_day', 'text', (c) => c.notNull())
      .addColumn('rows', 'bigint', (c) => c.notNull())
      .addColumn('digest', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('serving_segments_key', ['project', 'endpoint', 'id']),
  ],
}
