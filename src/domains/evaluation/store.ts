/** All SQL of evaluation. */
import { type Compilable, type Db, type Statement, statement } from '#platform/db/index.ts'

interface Row {
  project: string
  id: string
  model: string
  evaluation: string
  created_at: number
}
interface Tables {
  evaluation_evaluations: Row
}
export function evaluationStore(db: Db) {
  const t = db.tables<Tables>()
  return {
    get: (project: string, id: string): Promise<Row | undefined> =>
      db.readFirst(
        t
          .selectFrom('evaluation_evaluations')
          .selectAll()
          .where('project', '=', project)
          .where('id', '=', id) as Compilable<Row>,
      ),
    insert: (row: Row): Statement => statement(t.insertInto('evaluation_evaluations').values(row)),
  }
}
