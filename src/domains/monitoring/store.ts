/** All SQL of monitoring. */
import { type Compilable, type Db, type Statement, statement } from '#platform/db/index.ts'

export interface WindowRow {
  project: string
  monitor: string
  day: string
  metrics: string
  served: string
  by_revision: string
  label_version: number
  closed_at: number
}
interface Tables {
  monitoring_windows: WindowRow
}
export function monitoringStore(db: Db) {
  const t = db.tables<Tables>()
  const all = (project: string, monitor: string) =>
    t
      .selectFrom('monitoring_windows')
      .selectAll()
      .where('project', '=', project)
      .where('monitor', '=', monitor)
  return {
    insert: (row: WindowRow): Statement => statement(t.insertInto('monitoring_windows').values(row)),
    last: async (project: string, monitor: string, count: number): Promise<WindowRow[]> =>
      (
        await db.read(all(project, monitor).orderBy('day', 'desc').limit(count) as Compilable<WindowRow>)
      ).reverse(),
    since: (project: string, monitor: string, day: string): Promise<WindowRow[]> =>
      db.read(all(project, monitor).where('day', '>=', day).orderBy('day') as Compilable<WindowRow>),
  }
}
