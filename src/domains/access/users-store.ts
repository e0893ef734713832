/** SQL of users, their groups, roles and sessions. */
import { sql } from 'kysely'
import { type Compilable, type Db, type Statement, statement } from '#platform/db/index.ts'
import type { Held } from './rules.ts'

export interface UserRow {
  user_name: string
  password: string | null
  created_at: number
}
export interface HeldRow extends Held {
  created_at: number
  created_by: string
}
export interface SessionRow {
  digest: string
  user_name: string
  created_at: number
  expires_at: number
}
interface Tables {
  access_users: UserRow
  access_members: { group_name: string; user_name: string }
  access_held_roles: HeldRow
  access_sessions: SessionRow
  access_tokens: { owner: string | null; revoked_at: number | null }
}

export function usersStore(db: Db) {
  const t = db.tables<Tables>()
  return { ...userQueries(db, t), ...userStatements(t), ...sessions(db, t) }
}
type Builder = ReturnType<typeof tablesOf>
const tablesOf = (db: Db) => db.tables<Tables>()

const userQueries = (db: Db, t: Builder) => ({
  user: (name: string): Promise<UserRow | undefined> =>
    db.readFirst(
      t.selectFrom('access_users').selectAll().where('user_name', '=', name) as Compilable<UserRow>,
    ),
  users: (): Promise<UserRow[]> =>
    db.read(t.selectFrom('access_users').selectAll().orderBy('user_name') as Compilable<UserRow>),
  members: (): Promise<{ group_name: string; user_name: string }[]> =>
    db.read(
      t.selectFrom('access_members').selectAll() as Compilable<{ group_name: string; user_name: string }>,
    ),
  /** Roles of the user and of the groups that it is in. */
  heldBy: (name: string): Promise<HeldRow[]> =>
    db.read(
      t
        .selectFrom('access_held_roles')
        .selectAll()
        .where((e) =>
          e.or([
            e('subject', '=', `user:${name}`),
            e(
              'subject',
              'in',
              e
                .selectFrom('access_members')
                .select(sql<string>`'group:' || group_name`.as('subject'))
                .where('user_name', '=', name),
            ),
          ]),
        ) as Compilable<HeldRow>,
    ),
  held: (): Promise<HeldRow[]> =>
    db.read(t.selectFrom('access_held_roles').selectAll().orderBy('subject') as Compilable<HeldRow>),
})

const userStatements = (t: Builder) => ({
  insertUser: (row: UserRow): Statement => statement(t.insertInto('access_users').values(row)),
  setPassword: (name: string, password: string): Statement =>
    statement(t.updateTable('access_users').set({ password }).where('user_name', '=', name), 1),
  removeUser: (name: string, nowMs: number): Statement[] => [
    statement(t.deleteFrom('access_users').where('user_name', '=', name), 1),
    statement(t.deleteFrom('access_members').where('user_name', '=', name)),
    statement(t.deleteFrom('access_held_roles').where('subject', '=', `user:${name}`)),
    statement(t.deleteFrom('access_sessions').where('user_name', '=', name)),
    statement(
      t
        .updateTable('access_tokens')
        .set({ revoked_at: nowMs })
        .where('owner', '=', name)
        .where('revoked_at', 'is', null),
    ),
  ],
  join: (group: string, user: string): Statement =>
    statement(
      t
        .insertInto('access_members')
        .values({ group_name: group, user_name: user })
        .onConflict((c) => c.doNothing()),
    ),
  leave: (group: string, user: string): Statement =>
    statement(
      t.deleteFrom('access_members').where('group_name', '=', group).where('user_name', '=', user),
      1,
    ),
  hold: (row: HeldRow): Statement =>
    statement(
      t
        .insertInto('access_held_roles')
        .values(row)
        .onConflict((c) => c.doNothing()),
    ),
  release: ({ subject, project, resource, role }: Held): Statement =>
    statement(
      t
        .deleteFrom('access_held_roles')
        .where('subject', '=', subject)
        .where('project', '=', project)
        .where('resource', '=', resource)
        .where('role', '=', role),
      1,
    ),
})

const sessions = (db: Db, t: Builder) => ({
  session: (digest: string): Promise<SessionRow | undefined> =>
    db.readFirst(
      t.selectFrom('access_sessions').selectAll().where('digest', '=', digest) as Compilable<SessionRow>,
    ),
  /** Also sweeps what has ended. */
  insertSession: (row: SessionRow): Statement[] => [
    statement(t.deleteFrom('access_sessions').where('expires_at', '<', row.created_at)),
    statement(t.insertInto('access_sessions').values(row)),
  ],
  removeSession: (digest: string): Statement =>
    statement(t.deleteFrom('access_sessions').where('digest', '=', digest)),
  removeSessions: (user: string): Statement =>
    statement(t.deleteFrom('access_sessions').where('user_name', '=', user)),
})
