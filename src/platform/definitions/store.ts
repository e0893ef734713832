/** SQL of applied definitions: every one is kept, numbered, by project. */
import { type Compilable, type Db, type Migration, type Statement, statement } from '#platform/db/index.ts'

export interface DefinitionRow {
  project: string
  number: number
  digest: string
  text: string
  whole: string
  root: string
  code_tree: string
  code_commit: string | null
  code_dirty: number
  applied_at: number
  applied_by: string
}
interface Tables {
  platform_definitions: DefinitionRow
}

export const definitionsMigrations: Migration[] = [
  {
    id: 'platform-definitions/0001-definitions',
    up: (db) => [
      db.schema
        .createTable('platform_definitions')
        .addColumn('project', 'text', (c) => c.notNull())
        .addColumn('number', 'bigint', (c) => c.notNull())
        .addColumn('digest', 'text', (c) => c.notNull())
        .addColumn('text', 'text', (c) => c.notNull())
        .addColumn('whole', 'text', (c) => c.notNull())
        .addColumn('root', 'text', (c) => c.notNull())
        .addColumn('code_tree', 'text', (c) => c.notNull())
        .addColumn('code_commit', 'text')
        .addColumn('code_dirty', 'integer', (c) => c.notNull())
        .addColumn('applied_at', 'bigint', (c) => c.notNull())
        .addColumn('applied_by', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('platform_definitions_key', ['project', 'number']),
    ],
  },
]

export function definitionsStore(db: Db) {
  const t = db.tables<Tables>()
  return {
    latest: (project: string): Promise<DefinitionRow | undefined> =>
      db.readFirst(
        t
          .selectFrom('platform_definitions')
          .selectAll()
          .where('project', '=', project)
          .orderBy('number', 'desc')
          .limit(1) as Compilable<DefinitionRow>,
      ),
    insert: (row: DefinitionRow): Statement => statement(t.insertInto('platform_definitions').values(row)),
  }
}
