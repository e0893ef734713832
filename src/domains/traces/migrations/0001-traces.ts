/** Traces with their tags and metadata, spans as they came, and what people and judges said of them. */
import type { Migration } from '#platform/db/index.ts'

export const traces: Migration = {
  id: 'traces/0001-traces',
  up: (db) => [
    db.schema
      .createTable('traces_traces')
      .addColumn('project', 'text', (c) => c.notNull())
      .addColumn('id', 'text', (c) => c.notNull())
      .addColumn('experiment_id', 'bigint', (c) => c.notNull())
      .addColumn('client_request_id', 'text')
      .addColumn('state', 'text', (c) => c.notNull())
      .addColumn('requested_at', 'bigint', (c) => c.notNull())
      .addColumn('duration_ms', 'bigint')
      .addColumn('request_preview', 'text')
      .addColumn('response_preview', 'text')
      .addPrimaryKeyConstraint('traces_traces_key', ['project', 'id']),
    db.schema
      .createIndex('traces_by_time')
      .on('traces_traces')
      .columns(['project', 'experiment_id', 'requested_at', 'id']),
    db.schema
      .createTable('traces_values')
      .addColumn('project', 'text', (c) => c.notNull())
      .addColumn('trace', 'text', (c) => c.notNull())
      .addColumn('kind', 'text', (c) => c.notNull())
      .addColumn('key', 'text', (c) => c.notNull())
      .addColumn('value', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('traces_values_key', ['project', 'trace', 'kind', 'key']),
    db.schema
      .createTable('traces_spans')
      .addColumn('project', 'text', (c) => c.notNull())
      .addColumn('trace', 'text', (c) => c.notNull())
      .addColumn('span', 'text', (c) => c.notNull())
      .addColumn('parent', 'text')
      .addColumn('name', 'text', (c) => c.notNull())
      .addColumn('type', 'text')
      .addColumn('status', 'text', (c) => c.notNull())
      .addColumn('started_ns', 'text', (c) => c.notNull())
      .addColumn('body', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('traces_spans_key', ['project', 'trace', 'span']),
    db.schema
      .createTable('traces_assessments')
      .addColumn('project', 'text', (c) => c.notNull())
      .addColumn('trace', 'text', (c) => c.notNull())
      .addColumn('id', 'text', (c) => c.notNull())
      .addColumn('kind', 'text', (c) => c.notNull())
      .addColumn('name', 'text', (c) => c.notNull())
      .addColumn('value', 'text')
      .addColumn('body', 'text', (c) => c.notNull())
      .addColumn('valid', 'bigint', (c) => c.notNull())
      .addColumn('created_at', 'bigint', (c) => c.notNull())
      .addColumn('updated_at', 'bigint', (c) => c.notNull())
      .addPrimaryKeyConstraint('traces_assessments_key', ['project', 'trace', 'id']),
  ],
}
