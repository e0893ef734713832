/** All SQL of access. */
import { type Compilable, type Db, type Statement, statement } from '#platform/db/index.ts'

export interface ProjectRow {
  project: string
  owner: string
  timezone: string
  created_at: number
  clock_ms: number | null
}
export interface TokenRow {
  digest: string
  id: string
  project: string
  actor: string
  kind: 'token' | 'step'
  grants: string
  created_at: number
  expires_at: number
  revoked_at: number | null
  /** The user that made it, whom it never exceeds. */
  owner: string | null
}
interface Tables {
  access_projects: ProjectRow
  access_tokens: TokenRow
}

export function accessStore(db: Db) {
  const t = db.tables<Tables>()
  return {
    project: (name: string): Promise<ProjectRow | undefined> =>
      db.readFirst(
        t.selectFrom('access_projects').selectAll().where('project', '=', name) as Compilable<ProjectRow>,
      ),
    projects: (): Promise<ProjectRow[]> =>
      db.read(t.selectFrom('access_projects').selectAll().orderBy('project') as Compilable<ProjectRow>),
    insertProject: (row: ProjectRow): Statement => statement(t.insertInto('access_projects').values(row)),
    setClock: (project: string, nowMs: number): Statement =>
      statement(
        t
          .updateTable('access_projects')
          .set({ clock_ms: nowMs })
          .where('project', '=', project)
          .where((e) => e.or([e('clock_ms', 'is', null), e('clock_ms', '<=', nowMs)])),
        1,
      ),
    insertToken: (row: TokenRow): Statement => statement(t.insertInto('access_tokens').values(row)),
    token: (digest: string): Promise<TokenRow | undefined> =>
      db.readFirst(
        t.selectFrom('access_tokens').selectAll().where('digest', '=', digest) as Compilable<TokenRow>,
      ),
    tokens: (project: string): Promise<TokenRow[]> =>
      db.read(
        t
          .selectFrom('access_tokens')
          .selectAll()
          .where('project', '=', project)
          .where('kind', '=', 'token')
          .orderBy('created_at') as Compilable<TokenRow>,
      ),
    revoke: (project: string, id: string, nowMs: number): Statement =>
      statement(
        t
          .updateTable('access_tokens')
          .set({ revoked_at: nowMs })
          .where('project', '=', project)
          .where('id', '=', id)
          .where('revoked_at', 'is', null),
        1,
      ),
  }
}
