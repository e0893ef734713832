/** A number is given once: two writers that give codes in the same moment cannot both have it. */
import type { Migration } from '#platform/db/index.ts'

export const codesOnce: Migration = {
  id: 'features/0002-codes',
  up: (db) => [
    db.schema
      .createIndex('features_codes_code')
      .unique()
      .on('features_codes')
      .columns(['project', 'view', 'name', 'code']),
  ],
}
