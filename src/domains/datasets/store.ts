/** All SQL of datasets. */
import { type Compilable, type Db, type Statement, statement } from '#platform/db/index.ts'
import type { VersionRef, VersionState } from './model.ts'

export interface VersionRow {
  project: string
  dataset: string
  version: number
  id: string
  rows: number
  bytes: number
  files: number
  key: string
  time: string | null
  parents: string
  produced_by: string
  message: string
  created_at: number
  created_by: string
  state: VersionState
  verdict: string | null
}
interface SourceFileRow {
  project: string
  source: string
  path: string
  size: number
  modified_at: number
  digest: string
}
interface Tables {
  datasets_versions: VersionRow
  datasets_file_facts: { digest: string; rows: number; schema: string }
  datasets_source_files: SourceFileRow
  datasets_filtered_files: { digest: string; quarantine: string; filtered: string }
}

export function datasetsStore(db: Db) {
  const t = db.tables<Tables>()
  const versions = (project: string, dataset: string) =>
    t
      .selectFrom('datasets_versions')
      .selectAll()
      .where('project', '=', project)
      .where('dataset', '=', dataset)
  return {
    version(project: string, dataset: string, ref: VersionRef): Promise<VersionRow | undefined> {
      const all = versions(project, dataset)
      const one =
        typeof ref === 'number'
          ? all.where('version', '=', ref)
          : (ref === 'accepted' ? all.where('state', '=', 'accepted') : all)
              .orderBy('version', 'desc')
              .limit(1)
      return db.readFirst(one as Compilable<VersionRow>)
    },
    versions: (project: string, dataset: string, below: number, limit: number): Promise<VersionRow[]> =>
      db.read(
        versions(project, dataset)
          .where('version', '<', below)
          .orderBy('version', 'desc')
          .limit(limit) as Compilable<VersionRow>,
      ),
    names: async (project: string): Promise<string[]> =>
      (
        await db.read(
          t.selectFrom('datasets_versions').select('dataset').distinct().where('project', '=', project),
        )
      ).map((r) => r.dataset),
    insertVersion: (row: VersionRow): Statement => statement(t.insertInto('datasets_versions').values(row)),
    judge: (
      project: string,
      dataset: string,
      version: number,
      from: VersionState,
      to: VersionState,
      verdict: string,
    ): Statement =>
      statement(
        t
          .updateTable('datasets_versions')
          .set({ state: to, verdict })
          .where('project', '=', project)
          .where('dataset', '=', dataset)
          .where('version', '=', version)
          .where('state', '=', from),
        1,
      ),
    factsOf: (digests: readonly string[]) =>
      digests.length === 0
        ? Promise.resolve([])
        : db.read(
            t
              .selectFrom('datasets_file_facts')
              .selectAll()
              .where('digest', 'in', [...digests]),
          ),
    insertFacts: (digest: string, rows: number, schema: string): Statement =>
      statement(
        t
          .insertInto('datasets_file_facts')
          .values({ digest, rows, schema })
          .onConflict((c) => c.column('digest').doNothing()),
      ),
    sourceFiles: (project: string, source: string): Promise<SourceFileRow[]> =>
      db.read(
        t
          .selectFrom('datasets_source_files')
          .selectAll()
          .where('project', '=', project)
          .where('source', '=', source) as Compilable<SourceFileRow>,
      ),
    upsertSourceFile: (row: SourceFileRow): Statement =>
      statement(
        t
          .insertInto('datasets_source_files')
          .values(row)
          .onConflict((c) =>
            c
              .columns(['project', 'source', 'path'])
              .doUpdateSet({ size: row.size, modified_at: row.modified_at, digest: row.digest }),
          ),
      ),
    filteredOf: async (digest: string, quarantine: string): Promise<string | undefined> =>
      (
        await db.readFirst(
          t
            .selectFrom('datasets_filtered_files')
            .select('filtered')
            .where('digest', '=', digest)
            .where('quarantine', '=', quarantine),
        )
      )?.filtered,
    insertFiltered: (digest: string, quarantine: string, filtered: string): Statement =>
      statement(
        t
          .insertInto('datasets_filtered_files')
          .values({ digest, quarantine, filtered })
          .onConflict((c) => c.columns(['digest', 'quarantine']).doNothing()),
      ),
  }
}
export type DatasetsStore = ReturnType<typeof datasetsStore>
