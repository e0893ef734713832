/** All SQL of lineage. */
import { type Compilable, type Db, type Statement, statement } from '#platform/db/index.ts'
import type { ReproductionState } from './model.ts'

export interface ReproductionRow {
  project: string
  id: string
  model: string
  version: number
  state: ReproductionState
  /** JSON. */
  report: string
  started_at: number
  started_by: string
}

export function lineageStore(db: Db) {
  const t = db.tables<{ lineage_reproductions: ReproductionRow }>()
  const all = t.selectFrom('lineage_reproductions').selectAll()
  return {
    get: (project: string, id: string): Promise<ReproductionRow | undefined> =>
      db.readFirst(all.where('project', '=', project).where('id', '=', id) as Compilable<ReproductionRow>),
    ofVersion: (project: string, model: string, version: number, limit: number): Promise<ReproductionRow[]> =>
      db.read(
        all
          .where('project', '=', project)
          .where('model', '=', model)
          .where('version', '=', version)
          .orderBy('id', 'desc')
          .limit(limit) as Compilable<ReproductionRow>,
      ),
    insert: (row: ReproductionRow): Statement => statement(t.insertInto('lineage_reproductions').values(row)),
    end: (row: ReproductionRow, to: ReproductionState, report: string): Statement =>
      statement(
        t
          .updateTable('lineage_reproductions')
          .set({ state: to, report })
          .where('project', '=', row.project)
          .where('id', '=', row.id)
          .where('state', '=', row.state),
        1,
      ),
  }
}
