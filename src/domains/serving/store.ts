/** All SQL of serving. */
import { type Compilable, type Db, type Statement, statement } from '#platform/db/index.ts'
import type { RolloutState } from './model.ts'

export interface RevisionRow {
  project: string
  endpoint: string
  number: number
  id: string
  model: string
  version: number
  onnx: string
  view: string
  features: string
  created_at: number
  created_by: string
}
export interface RolloutRow {
  project: string
  endpoint: string
  id: string
  revision: number
  stable: number | null
  state: RolloutState
  step: number
  windows: number
  reason: string
  findings: string
  started_at: number
  moved_at: number
}
interface SegmentRow {
  project: string
  endpoint: string
  id: string
  first_day: string
  last_day: string
  rows: number
  digest: string
}
interface Tables {
  serving_revisions: RevisionRow
  serving_routes: { project: string; endpoint: string; stable: number }
  serving_rollouts: RolloutRow
  serving_segments: SegmentRow
}

export function servingStore(db: Db) {
  const t = db.tables<Tables>()
  return {
    revisions: (project: string, endpoint: string): Promise<RevisionRow[]> =>
      db.read(
        t
          .selectFrom('serving_revisions')
          .selectAll()
          .where('project', '=', project)
          .where('endpoint', '=', endpoint)
          .orderBy('number', 'desc') as Compilable<RevisionRow>,
      ),
    revisionById: (id: string): Promise<RevisionRow | undefined> =>
      db.readFirst(
        t.selectFrom('serving_revisions').selectAll().where('id', '=', id) as Compilable<RevisionRow>,
      ),
    insertRevision: (row: RevisionRow): Statement => statement(t.insertInto('serving_revisions').values(row)),
    routes: () => db.read(t.selectFrom('serving_routes').selectAll()),
    putRoute: (project: string, endpoint: string, stable: number): Statement =>
      statement(
        t
          .insertInto('serving_routes')
          .values({ project, endpoint, stable })
          .onConflict((c) => c.columns(['project', 'endpoint']).doUpdateSet({ stable })),
      ),
    rollouts: (project: string, endpoint: string, limit: number): Promise<RolloutRow[]> =>
      db.read(
        t
          .selectFrom('serving_rollouts')
          .selectAll()
          .where('project', '=', project)
          .where('endpoint', '=', endpoint)
          .orderBy('id', 'desc')
          .limit(limit) as Compilable<RolloutRow>,
      ),
    insertRollout: (row: RolloutRow): Statement => statement(t.insertInto('serving_rollouts').values(row)),
    moveRollout: (row: RolloutRow, set: Partial<RolloutRow>): Statement =>
      statement(
        t
          .updateTable('serving_rollouts')
          .set(set)
          .where('project', '=', row.project)
          .where('endpoint', '=', row.endpoint)
          .where('id', '=', row.id)
          .where('state', '=', row.state)
          .where('step', '=', row.step)
          .where('windows', '=', row.windows),
        1,
      ),
    insertSegment: (row: SegmentRow): Statement => statement(t.insertInto('serving_segments').values(row)),
    segments: (project: string, endpoint: string, from: string, to: string): Promise<SegmentRow[]> =>
      db.read(
        t
          .selectFrom('serving_segments')
          .selectAll()
          .where('project', '=', project)
          .where('endpoint', '=', endpoint)
          .where('first_day', '<=', to)
          .where('last_day', '>=', from)
          .orderBy('id') as Compilable<SegmentRow>,
      ),
  }
}
export type ServingStore = ReturnType<typeof servingStore>
