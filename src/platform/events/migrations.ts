/** Tables of facts, cursors, the chain's head and what could not be delivered. */
import { sql } from 'kysely'
import type { Migration } from '#platform/db/index.ts'

export const eventsMigrations: Migration[] = [
  {
    id: 'platform-events/0001-facts',
    up(db, dialect) {
      const facts = db.schema
        .createTable('platform_events')
        .addColumn('seq', dialect === 'sqlite' ? 'integer' : 'bigint', (c) =>
          dialect === 'sqlite' ? c.primaryKey().autoIncrement() : c.primaryKey().generatedAlwaysAsIdentity(),
        )
        .addColumn('project', 'text', (c) => c.notNull())
        .addColumn('type', 'text', (c) => c.notNull())
        .addColumn('subject', 'text', (c) => c.notNull())
        .addColumn('actor', 'text', (c) => c.notNull())
        .addColumn('actor_kind', 'text', (c) => c.notNull())
        .addColumn('request_id', 'text', (c) => c.notNull())
        .addColumn('recorded_at', 'bigint', (c) => c.notNull())
        .addColumn('happened_at', 'bigint', (c) => c.notNull())
        .addColumn('payload', 'text', (c) => c.notNull())
        .addColumn('hash', 'text')
      // On PostgreSQL the order of sequence numbers is not the order of commits; cursors stop below the oldest transaction.
      const dated =
        dialect === 'postgres'
          ? facts.addColumn('xid', sql`xid8`, (c) => c.notNull().defaultTo(sql`pg_current_xact_id()`))
          : facts
      return [
        dated,
        db.schema.createIndex('platform_events_by_project').on('platform_events').columns(['project', 'seq']),
        db.schema
          .createIndex('platform_events_by_subject')
          .on('platform_events')
          .columns(['project', 'subject', 'seq']),
        db.schema
          .createTable('platform_cursors')
          .addColumn('name', 'text', (c) => c.primaryKey())
          .addColumn('seq', 'bigint', (c) => c.notNull()),
        db.schema
          .createTable('platform_dead_letters')
          .addColumn('subscriber', 'text', (c) => c.notNull())
          .addColumn('seq', 'bigint', (c) => c.notNull())
          .addColumn('why', 'text', (c) => c.notNull())
          .addColumn('parked_at', 'bigint', (c) => c.notNull())
          .addPrimaryKeyConstraint('platform_dead_letters_key', ['subscriber', 'seq']),
        db.schema
          .createTable('platform_chain_head')
          .addColumn('id', 'integer', (c) => c.primaryKey())
          .addColumn('seq', 'bigint', (c) => c.notNull())
          .addColumn('sealed', 'bigint', (c) => c.notNull())
          .addColumn('hash', 'text', (c) => c.notNull()),
      ]
    },
  },
]
