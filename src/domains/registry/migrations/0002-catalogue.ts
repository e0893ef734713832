/**
 * Models that clients register by themselves beside those of the definition: descriptions, tags, stages, sources. A
 * version without an artifact has no form that is served here yet. Deleted versions stay as rows: numbers are not reused.
 */
import { type RawBuilder, sql } from 'kysely'
import type { Migration } from '#platform/db/index.ts'

export const catalogue: Migration = {
  id: 'registry/0002-catalogue',
  up: (db) => {
    const raw = (query: RawBuilder<unknown>) => ({ compile: () => query.compile(db) })
    const add = (name: string, type: 'text' | 'bigint') =>
      db.schema.alterTable('registry_versions').addColumn(name, type)
    return [
      db.schema
        .createTable('registry_models')
        .addColumn('project', 'text', (c) => c.notNull())
        .addColumn('model', 'text', (c) => c.notNull())
        .addColumn('description', 'text', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addColumn('updated_at', 'bigint', (c) => c.notNull())
        .addPrimaryKeyConstraint('registry_models_key', ['project', 'model']),
      db.schema
        .createTable('registry_tags')
        .addColumn('project', 'text', (c) => c.notNull())
        .addColumn('model', 'text', (c) => c.notNull())
        .addColumn('version', 'bigint', (c) => c.notNull())
        .addColumn('key', 'text', (c) => c.notNull())
        .addColumn('value', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('registry_tags_key', ['project', 'model', 'version', 'key']),
      add('source', 'text'),
      add('run_link', 'text'),
      add('description', 'text'),
      add('logged_model', 'text'),
      add('updated_at', 'bigint'),
      add('deleted_at', 'bigint'),
      db.schema
        .alterTable('registry_versions')
        .addColumn('stage', 'text', (c) => c.notNull().defaultTo('None')),
      raw(sql`insert into registry_models
        select project, model, '', min(created_at), max(created_at) from registry_versions group by project, model`),
    ]
  },
}
