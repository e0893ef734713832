/** All SQL of the registry. */
import { type Compilable, type Db, type Statement, statement } from '#platform/db/index.ts'
import type { ModelVersionState } from './model.ts'

export interface VersionRow {
  project: string
  model: string
  version: number
  state: ModelVersionState
  tree: string
  artifact: string
  view: string
  run_id: string
  environment_lock: string
  code: string
  datasets: string
  evaluation_id: string | null
  gates: string
  created_at: number
  created_by: string
  /** As a client said it; null for versions of the loop. */
  source: string | null
  run_link: string | null
  description: string | null
  logged_model: string | null
  updated_at: number | null
  deleted_at: number | null
  stage: string
}
export interface AliasRow {
  project: string
  model: string
  alias: string
  version: number
}
interface MoveRow {
  project: string
  model: string
  id: string
  alias: string
  version: number
  from_version: number | null
  moved_at: number
  moved_by: string
}
interface Tables {
  registry_versions: VersionRow
  registry_aliases: AliasRow
  registry_alias_moves: MoveRow
  registry_models: {
    project: string
    model: string
    description: string
    created_at: number
    updated_at: number
  }
  registry_artifacts: { project: string; tree: string; environment_lock: string; artifact: string }
}

export function registryStore(db: Db) {
  const t = db.tables<Tables>()
  return {
    version: (project: string, model: string, version: number): Promise<VersionRow | undefined> =>
      db.readFirst(
        t
          .selectFrom('registry_versions')
          .selectAll()
          .where('project', '=', project)
          .where('model', '=', model)
          .where('version', '=', version)
          .where('deleted_at', 'is', null) as Compilable<VersionRow>,
      ),
    versions: (project: string, model: string): Promise<VersionRow[]> =>
      db.read(
        t
          .selectFrom('registry_versions')
          .selectAll()
          .where('project', '=', project)
          .where('model', '=', model)
          .where('deleted_at', 'is', null)
          .orderBy('version', 'desc') as Compilable<VersionRow>,
      ),
    /** Also those that only clients registered. */
    names: async (project: string): Promise<string[]> =>
      (
        await db.read(
          t.selectFrom('registry_models').select('model').where('project', '=', project).orderBy('model'),
        )
      ).map((r) => r.model),
    /** Also of deleted versions: a number is given once. */
    lastNumber: async (project: string, model: string): Promise<number> =>
      (
        await db.readFirst(
          t
            .selectFrom('registry_versions')
            .select('version')
            .where('project', '=', project)
            .where('model', '=', model)
            .orderBy('version', 'desc')
            .limit(1),
        )
      )?.version ?? 0,
    ensureModel: (project: string, model: string, at: number): Statement =>
      statement(
        t
          .insertInto('registry_models')
          .values({ project, model, description: '', created_at: at, updated_at: at })
          .onConflict((c) => c.columns(['project', 'model']).doNothing()),
      ),
    byRun: (project: string, model: string, runId: string): Promise<VersionRow | undefined> =>
      db.readFirst(
        t
          .selectFrom('registry_versions')
          .selectAll()
          .where('project', '=', project)
          .where('model', '=', model)
          .where('run_id', '=', runId) as Compilable<VersionRow>,
      ),
    insertVersion: (row: VersionRow): Statement => statement(t.insertInto('registry_versions').values(row)),
    gate: (row: VersionRow, to: ModelVersionState, gates: string): Statement =>
      statement(
        t
          .updateTable('registry_versions')
          .set({ state: to, gates })
          .where('project', '=', row.project)
          .where('model', '=', row.model)
          .where('version', '=', row.version)
          .where('state', '=', row.state),
        1,
      ),
    aliases: (project: string, model: string): Promise<AliasRow[]> =>
      db.read(
        t
          .selectFrom('registry_aliases')
          .selectAll()
          .where('project', '=', project)
          .where('model', '=', model) as Compilable<AliasRow>,
      ),
    moveAlias(row: AliasRow, from: number | undefined): Statement {
      if (from === undefined) return statement(t.insertInto('registry_aliases').values(row))
      return statement(
        t
          .updateTable('registry_aliases')
          .set({ version: row.version })
          .where('project', '=', row.project)
          .where('model', '=', row.model)
          .where('alias', '=', row.alias)
          .where('version', '=', from),
        1,
      )
    },
    insertMove: (row: MoveRow): Statement => statement(t.insertInto('registry_alias_moves').values(row)),
    moves: (project: string, model: string): Promise<MoveRow[]> =>
      db.read(
        t
          .selectFrom('registry_alias_moves')
          .selectAll()
          .where('project', '=', project)
          .where('model', '=', model)
          .orderBy('id', 'desc') as Compilable<MoveRow>,
      ),
    artifact: async (project: string, tree: string, lock: string): Promise<string | undefined> =>
      (
        await db.readFirst(
          t
            .selectFrom('registry_artifacts')
            .select('artifact')
            .where('project', '=', project)
            .where('tree', '=', tree)
            .where('environment_lock', '=', lock),
        )
      )?.artifact,
    insertArtifact: (project: string, tree: string, environment_lock: string, artifact: string): Statement =>
      statement(
        t
          .insertInto('registry_artifacts')
          .values({ project, tree, environment_lock, artifact })
          .onConflict((c) => c.columns(['project', 'tree', 'environment_lock']).doNothing()),
      ),
  }
}
