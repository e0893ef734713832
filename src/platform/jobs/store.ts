/** SQL of jobs and schedules. Every move is guarded by state and fence. */
import { type Compilable, type Db, type Statement, statement } from '#platform/db/index.ts'
import type { JobState } from './model.ts'

export interface JobRow {
  id: string
  project: string
  kind: string
  payload: string
  state: JobState
  priority: number
  due_at: number
  attempt: number
  /** Counts claims; what a server does under an older fence is refused. */
  fence: number
  owner: string | null
  lease_until: number | null
  conflict_group: string | null
  group_limit: number | null
  /** `group 3`: the place that it holds in its group while it runs. */
  slot: string | null
  unique_key: string | null
  cancelling: number
  why: string
  created_at: number
  created_by: string
  finished_at: number | null
}
export interface ScheduleRow {
  project: string
  name: string
  rule: string
  kind: string
  payload: string
  next_at: number
  last_at: number | null
}
interface Tables {
  platform_jobs: JobRow
  platform_schedules: ScheduleRow
}
export type JobsStore = ReturnType<typeof jobsStore>

export const jobsStore = (db: Db) => ({ ...jobQueries(db), ...jobMoves(db), ...schedules(db) })

function jobQueries(db: Db) {
  const t = db.tables<Tables>()
  const jobs = () => t.selectFrom('platform_jobs').selectAll()
  return {
    /** Those whose turn it is, the most urgent first. */
    ready: (nowMs: number, limit: number): Promise<JobRow[]> =>
      db.read(
        jobs()
          .where('state', '=', 'queued')
          .where('due_at', '<=', nowMs)
          .orderBy('priority', 'desc')
          .orderBy('due_at')
          .orderBy('id')
          .limit(limit) as Compilable<JobRow>,
      ),
    running: (): Promise<JobRow[]> => db.read(jobs().where('state', '=', 'running') as Compilable<JobRow>),
    find: (project: string, id: string): Promise<JobRow | undefined> =>
      db.readFirst(jobs().where('project', '=', project).where('id', '=', id) as Compilable<JobRow>),
    list: (project: string, state: JobState | undefined, limit: number): Promise<JobRow[]> => {
      const all = jobs().where('project', '=', project)
      const some = state === undefined ? all : all.where('state', '=', state)
      return db.read(some.orderBy('created_at', 'desc').limit(limit) as Compilable<JobRow>)
    },
    /** Open jobs of a project that are due. */
    open: (project: string, nowMs: number): Promise<{ id: string }[]> =>
      db.read(
        t
          .selectFrom('platform_jobs')
          .select('id')
          .where('project', '=', project)
          .where('state', 'in', ['queued', 'running'])
          .where('due_at', '<=', nowMs)
          .limit(1) as Compilable<{ id: string }>,
      ),
  }
}

function jobMoves(db: Db) {
  const t = db.tables<Tables>()
  return {
    insert: (row: JobRow): Statement => statement(t.insertInto('platform_jobs').values(row)),
    /** One job from `before` to `set.state`; fails the unit where somebody else moved it. */
    move: (before: Pick<JobRow, 'id' | 'state' | 'fence'>, set: Partial<JobRow>): Statement =>
      statement(
        t
          .updateTable('platform_jobs')
          .set(set)
          .where('id', '=', before.id)
          .where('state', '=', before.state)
          .where('fence', '=', before.fence),
        1,
      ),
    /** Keeps what this owner runs. */
    renew: (owner: string, untilMs: number): Statement =>
      statement(
        t
          .updateTable('platform_jobs')
          .set({ lease_until: untilMs })
          .where('owner', '=', owner)
          .where('state', '=', 'running'),
      ),
    prune: (beforeMs: number): Statement =>
      statement(
        t
          .deleteFrom('platform_jobs')
          .where('state', 'in', ['done', 'cancelled'])
          .where('finished_at', '<', beforeMs),
      ),
  }
}

function schedules(db: Db) {
  const t = db.tables<Tables>()
  const all = () => t.selectFrom('platform_schedules').selectAll()
  return {
    schedules: (project: string): Promise<ScheduleRow[]> =>
      db.read(all().where('project', '=', project).orderBy('name') as Compilable<ScheduleRow>),
    /** Those that are due on the latest clock that any project can have. */
    dueSchedules: (nowMs: number): Promise<ScheduleRow[]> =>
      db.read(all().where('next_at', '<=', nowMs) as Compilable<ScheduleRow>),
    putSchedule: (row: ScheduleRow): Statement => {
      const { project: _, name: __, last_at: ___, ...changed } = row
      return statement(
        t
          .insertInto('platform_schedules')
          .values(row)
          .onConflict((c) => c.columns(['project', 'name']).doUpdateSet(changed)),
      )
    },
    /** Fails the unit where another server fired it already. */
    turnSchedule: (before: ScheduleRow, set: Pick<ScheduleRow, 'next_at' | 'last_at'>): Statement =>
      statement(
        t
          .updateTable('platform_schedules')
          .set(set)
          .where('project', '=', before.project)
          .where('name', '=', before.name)
          .where('next_at', '=', before.next_at),
        1,
      ),
    dropSchedule: (project: string, name: string): Statement =>
      statement(t.deleteFrom('platform_schedules').where('project', '=', project).where('name', '=', name)),
  }
}
