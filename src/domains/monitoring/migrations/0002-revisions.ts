/** What a window was closed with, so that labels which change later are seen, and errors by revision and role. */
import type { Migration } from '#platform/db/index.ts'

const table = 'monitoring_windows'
export const revisions: Migration = {
  id: 'monitoring/0002-revisions',
  up: (db) => [
    db.schema.alterTable(table).addColumn('labels', 'text'),
    db.schema.alterTable(table).addColumn('by_role', 'text'),
    db.schema.alterTable(table).addColumn('revised_at', 'bigint'),
  ],
}
