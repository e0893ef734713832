/** All SQL of validation in the database. */
import { type Db, type Statement, statement } from '#platform/db/index.ts'

interface Tables {
  validation_files: { project: string; dataset: string; checks: string; digest: string; finding: string }
}
export type ValidationStore = ReturnType<typeof validationStore>
export function validationStore(db: Db) {
  const t = db.tables<Tables>()
  return {
    findings: async (project: string, dataset: string, checks: string): Promise<Map<string, string>> => {
      const rows = await db.read(
        t
          .selectFrom('validation_files')
          .select(['digest', 'finding'])
          .where('project', '=', project)
          .where('dataset', '=', dataset)
          .where('checks', '=', checks),
      )
      return new Map(rows.map((r) => [r.digest, r.finding]))
    },
    insert: (project: string, dataset: string, checks: string, digest: string, finding: string): Statement =>
      statement(
        t
          .insertInto('validation_files')
          .values({ project, dataset, checks, digest, finding })
          .onConflict((c) => c.columns(['project', 'dataset', 'checks', 'digest']).doNothing()),
      ),
  }
}
