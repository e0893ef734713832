/** SQL of the catalogue: models, their versions as clients see them, tags. */
import { type RawBuilder, sql } from 'kysely'
import {
  type Compilable,
  type Comparison,
  compared,
  type Db,
  type Statement,
  statement,
} from '#platform/db/index.ts'
import type { AliasRow, VersionRow } from './store.ts'

export interface ModelRow {
  project: string
  model: string
  description: string
  created_at: number
  updated_at: number
}
export interface TagRow {
  project: string
  model: string
  /** 0 for the tags of the model itself. */
  version: number
  key: string
  value: string
}
export interface CatalogueClause extends Comparison {
  readonly entity: 'attribute' | 'tag'
  readonly key: string
}
export interface CatalogueOrder {
  readonly key: string
  readonly ascending: boolean
}
export interface CatalogueSearch {
  readonly clauses: readonly CatalogueClause[]
  readonly orders: readonly CatalogueOrder[]
  readonly limit: number
  readonly offset: number
}
interface Tables {
  registry_models: ModelRow
  registry_versions: VersionRow
  registry_tags: TagRow
  registry_aliases: AliasRow
}
type Sql = RawBuilder<unknown>

export const promptTag = 'mlflow.prompt.is_prompt'

export const catalogueStore = (db: Db) => ({
  ...queries(db),
  ...modelStatements(db),
  ...versionStatements(db),
  ...aliasStatements(db),
  ...tagStatements(db),
})

function queries(db: Db) {
  const t = db.tables<Tables>()
  const read = <T>(query: Sql) => db.read<T>({ compile: () => query.compile(t) })
  return {
    model: (project: string, model: string) =>
      db.readFirst<ModelRow>(
        t
          .selectFrom('registry_models')
          .selectAll()
          .where('project', '=', project)
          .where('model', '=', model) as Compilable<ModelRow>,
      ),
    searchModels: (project: string, search: CatalogueSearch) =>
      read<ModelRow>(found('registry_models', project, search, modelWords, db.dialect)),
    searchVersions: (project: string, search: CatalogueSearch) =>
      read<VersionRow>(found('registry_versions', project, search, versionWords, db.dialect)),
    /** Those that are not deleted, newest first. */
    versionsOf: (project: string, models: readonly string[]) =>
      db.read<VersionRow>(
        t
          .selectFrom('registry_versions')
          .selectAll()
          .where('project', '=', project)
          .where('model', 'in', [...models])
          .where('deleted_at', 'is', null)
          .orderBy('version', 'desc') as Compilable<VersionRow>,
      ),
    tagsOf: (project: string, models: readonly string[]) =>
      db.read<TagRow>(
        t
          .selectFrom('registry_tags')
          .selectAll()
          .where('project', '=', project)
          .where('model', 'in', [...models])
          .orderBy('key') as Compilable<TagRow>,
      ),
    aliasesOf: (project: string, models: readonly string[]) =>
      db.read<AliasRow>(
        t
          .selectFrom('registry_aliases')
          .selectAll()
          .where('project', '=', project)
          .where('model', 'in', [...models])
          .orderBy('alias') as Compilable<AliasRow>,
      ),
  }
}

function modelStatements(db: Db) {
  const t = db.tables<Tables>()
  const tables = ['registry_models', 'registry_versions', 'registry_tags', 'registry_aliases'] as const
  return {
    insertModel: (row: ModelRow): Statement => statement(t.insertInto('registry_models').values(row)),
    changeModel: (project: string, model: string, changes: Partial<ModelRow>): Statement =>
      statement(
        t
          .updateTable('registry_models')
          .set(changes)
          .where('project', '=', project)
          .where('model', '=', model),
        1,
      ),
    /** All that is called by the name. */
    renameModel: (project: string, model: string, to: string): Statement[] =>
      [...tables, 'registry_alias_moves'].map((table) =>
        statement(
          (t as ReturnType<typeof db.tables<Record<string, { project: string; model: string }>>>)
            .updateTable(table)
            .set({ model: to })
            .where('project', '=', project)
            .where('model', '=', model),
        ),
      ),
    removeModel: (project: string, model: string): Statement[] =>
      tables.map((table) =>
        statement(t.deleteFrom(table).where('project', '=', project).where('model', '=', model)),
      ),
  }
}

function versionStatements(db: Db) {
  const t = db.tables<Tables>()
  return {
    changeVersion: (
      { project, model, version }: Pick<VersionRow, 'project' | 'model' | 'version'>,
      changes: Partial<VersionRow>,
    ): Statement =>
      statement(
        t
          .updateTable('registry_versions')
          .set(changes)
          .where('project', '=', project)
          .where('model', '=', model)
          .where('version', '=', version)
          .where('deleted_at', 'is', null),
        1,
      ),
    /** Versions of a stage go to the archive, but for one. */
    archive: ({ project, model, version }: VersionRow, stage: string, at: number): Statement =>
      statement(
        t
          .updateTable('registry_versions')
          .set({ stage: 'Archived', updated_at: at })
          .where('project', '=', project)
          .where('model', '=', model)
          .where('stage', '=', stage)
          .where('version', '!=', version)
          .where('deleted_at', 'is', null),
      ),
  }
}

function aliasStatements(db: Db) {
  const t = db.tables<Tables>()
  return {
    dropAlias: (project: string, model: string, alias: string): Statement =>
      statement(
        t
          .deleteFrom('registry_aliases')
          .where('project', '=', project)
          .where('model', '=', model)
          .where('alias', '=', alias),
      ),
    dropAliasesOf: ({ project, model, version }: VersionRow): Statement =>
      statement(
        t
          .deleteFrom('registry_aliases')
          .where('project', '=', project)
          .where('model', '=', model)
          .where('version', '=', version),
      ),
  }
}

function tagStatements(db: Db) {
  const t = db.tables<Tables>()
  return {
    setTag: (row: TagRow): Statement =>
      statement(
        t
          .insertInto('registry_tags')
          .values(row)
          .onConflict((c) =>
            c.columns(['project', 'model', 'version', 'key']).doUpdateSet({ value: row.value }),
          ),
      ),
    dropTag: ({ project, model, version, key }: Omit<TagRow, 'value'>): Statement =>
      statement(
        t
          .deleteFrom('registry_tags')
          .where('project', '=', project)
          .where('model', '=', model)
          .where('version', '=', version)
          .where('key', '=', key),
      ),
  }
}

interface Words {
  readonly columns: Readonly<Record<string, string>>
  /** Of the tag that belongs to the row. */
  readonly tagVersion: string
  readonly fallback: string
}
const modelWords: Words = {
  columns: { name: 'r.model', timestamp: 'r.updated_at', last_updated_timestamp: 'r.updated_at' },
  tagVersion: '0',
  fallback: 'r.model asc',
}
const versionWords: Words = {
  columns: {
    name: 'r.model',
    version_number: 'r.version',
    run_id: 'r.run_id',
    source_path: 'r.source',
    creation_timestamp: 'r.created_at',
    last_updated_timestamp: 'coalesce(r.updated_at, r.created_at)',
  },
  tagVersion: 'r.version',
  fallback: 'coalesce(r.updated_at, r.created_at) desc, r.model asc, r.version desc',
}

/** Prompts are models too, and stay hidden from who does not ask for them by their tag. */
function found(
  table: 'registry_models' | 'registry_versions',
  project: string,
  { clauses, orders, limit, offset }: CatalogueSearch,
  words: Words,
  dialect: Db['dialect'],
): Sql {
  const tagged = (
    key: string,
  ) => sql`select 1 from registry_tags g where g.project = r.project and g.model = r.model
    and g.version = ${sql.raw(words.tagVersion)} and g.key = ${key}`
  const conditionOf = (clause: CatalogueClause): Sql => {
    const column = words.columns[clause.key]
    if (clause.entity === 'attribute') return compared(sql.raw(column ?? 'r.model'), clause, dialect)
    if (clause.comparator === 'IS NULL') return sql`not exists (${tagged(clause.key)})`
    if (clause.comparator === 'IS NOT NULL') return sql`exists (${tagged(clause.key)})`
    const isIt = sql`exists (${tagged(clause.key)} and ${compared(sql`g.value`, clause, dialect)})`
    const isOther = clause.key === promptTag && clause.comparator === '!='
    return isOther ? sql`(${isIt} or not exists (${tagged(clause.key)}))` : isIt
  }
  const asksForPrompts = clauses.some((c) => c.entity === 'tag' && c.key === promptTag)
  const where = [
    sql`r.project = ${project}`,
    ...(table === 'registry_versions' ? [sql`r.deleted_at is null`] : []),
    ...(asksForPrompts ? [] : [sql`not exists (${tagged(promptTag)} and lower(g.value) = 'true')`]),
    ...clauses.map(conditionOf),
  ]
  const by = [
    ...orders.map(({ key, ascending }) =>
      sql.raw(`${words.columns[key] ?? 'r.model'} ${ascending ? 'asc' : 'desc'}`),
    ),
    sql.raw(words.fallback),
  ]
  return sql`select r.* from ${sql.table(table)} r where ${sql.join(where, sql` and `)}
    order by ${sql.join(by)} limit ${limit} offset ${offset}`
}
