/** Reviews and their votes, one vote an actor. */
import type { Migration } from '#platform/db/index.ts'

export const reviewsTables: Migration = {
  id: 'reviews/0001-reviews',
  up: (db) => [
    db.schema
      .createTable('reviews_reviews')
      .addColumn('project', 'text', (c) => c.notNull())
      .addColumn('id', 'text', (c) => c.notNull())
      .addColumn('subject', 'text', (c) => c.notNull())
      .addColumn('question', 'text', (c) => c.notNull())
      .addColumn('policy', 'text', (c) => c.notNull())
      .addColumn('author', 'text', (c) => c.notNull())
      .addColumn('evidence', 'text', (c) => c.notNull())
      .addColumn('state', 'text', (c) => c.notNull())
      .addColumn('created_at', 'bigint', (c) => c.notNull())
      .addColumn('expires_at', 'bigint', (c) => c.notNull())
      .addColumn('decided_at', 'bigint')
      .addPrimaryKeyConstraint('reviews_reviews_key', ['project', 'id']),
    db.schema.createIndex('reviews_by_subject').on('reviews_reviews').columns(['project', 'subject']),
    db.schema
      .createTable('reviews_votes')
      .addColumn('project', 'text', (c) => c.notNull())
      .addColumn('review', 'text', (c) => c.notNull())
      .addColumn('actor', 'text', (c) => c.notNull())
      .addColumn('verdict', 'text', (c) => c.notNull())
      .addColumn('comment', 'text', (c) => c.notNull())
      .addColumn('voted_at', 'bigint', (c) => c.notNull())
      .addPrimaryKeyConstraint('reviews_votes_key', ['project', 'review', 'actor']),
  ],
}
