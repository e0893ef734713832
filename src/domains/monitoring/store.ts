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
  /** Digest of the day's labels; null in windows closed before it was kept. */
  labels: string | null
  by_role: string | null
  revised_at: number | null
}
interface Tables {
  monitoring_windows: WindowRow
}
export type MonitoringStore = ReturnType<typeof monitoringStore>
export function monitoringStore(db: Db) {
  const t = db.tables<Tables>()
  const all = (project: string, monitor: string) =>
    t
      .selectFrom('monitoring_windows')
      .selectAll()
      .where('project', '=', project)
      .where('monitor', '=', monitor)
  const oldestFirst = async (query: unknown): Promise<WindowRow[]> =>
    (await db.read(query as Compilable<WindowRow>)).reverse()
  return {
    insert: (row: WindowRow): Statement => statement(t.insertInto('monitoring_windows').values(row)),
    /** Replaces a window as it was read; another writer in between makes the unit fail. */
    revise: (before: WindowRow, row: WindowRow): Statement =>
      statement(
        t
          .updateTable('monitoring_windows')
          .set(row)
          .where('project', '=', before.project)
          .where('monitor', '=', before.monitor)
          .where('day', '=', before.day)
          .where('label_version', '=', before.label_version),
        1,
      ),
    last: (project: string, monitor: string, count: number): Promise<WindowRow[]> =>
      oldestFirst(all(project, monitor).orderBy('day', 'desc').limit(count)),
    before: (project: string, monitor: string, day: string, count: number): Promise<WindowRow[]> =>
      oldestFirst(all(project, monitor).where('day', '<', day).orderBy('day', 'desc').limit(count)),
    since: (project: string, monitor: string, day: string): Promise<WindowRow[]> =>
      db.read(all(project, monitor).where('day', '>=', day).orderBy('day') as Compilable<WindowRow>),
  }
}
