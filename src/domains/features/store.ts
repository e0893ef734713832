/** All SQL of features in the database. */
import { type Compilable, type Db, type Statement, statement } from '#platform/db/index.ts'

interface MaterialisedRow {
  project: string
  view: string
  definition: string
  dataset_id: string
  digest: string
  rows: number
  last_day: string
}
export interface OnlineStored {
  project: string
  view: string
  at: string
  names: string
  rows: string
  dataset_version: number
  written_at: number
}
interface CodeRow {
  project: string
  view: string
  name: string
  value: string
  code: number
}
interface Tables {
  features_materialised: MaterialisedRow
  features_online: OnlineStored
  features_codes: CodeRow
}

export function featuresStore(db: Db) {
  const t = db.tables<Tables>()
  return {
    materialised: (
      project: string,
      view: string,
      definition: string,
      datasetId: string,
    ): Promise<MaterialisedRow | undefined> =>
      db.readFirst(
        t
          .selectFrom('features_materialised')
          .selectAll()
          .where('project', '=', project)
          .where('view', '=', view)
          .where('definition', '=', definition)
          .where('dataset_id', '=', datasetId) as Compilable<MaterialisedRow>,
      ),
    insertMaterialised: (row: MaterialisedRow): Statement =>
      statement(
        t
          .insertInto('features_materialised')
          .values(row)
          .onConflict((c) => c.columns(['project', 'view', 'definition', 'dataset_id']).doNothing()),
      ),
    online: (project: string, view: string): Promise<OnlineStored | undefined> =>
      db.readFirst(
        t
          .selectFrom('features_online')
          .selectAll()
          .where('project', '=', project)
          .where('view', '=', view) as Compilable<OnlineStored>,
      ),
    putOnline: (row: OnlineStored): Statement =>
      statement(
        t
          .insertInto('features_online')
          .values(row)
          .onConflict((c) =>
            c.columns(['project', 'view']).doUpdateSet({
              at: row.at,
              names: row.names,
              rows: row.rows,
              dataset_version: row.dataset_version,
              written_at: row.written_at,
            }),
          ),
      ),
    codes: (project: string, view: string): Promise<CodeRow[]> =>
      db.read(
        t
          .selectFrom('features_codes')
          .selectAll()
          .where('project', '=', project)
          .where('view', '=', view)
          .orderBy('code') as Compilable<CodeRow>,
      ),
    insertCode: (row: CodeRow): Statement => statement(t.insertInto('features_codes').values(row)),
  }
}
