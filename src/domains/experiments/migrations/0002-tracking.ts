/**
 * Experiments with an identity, tags of theirs, points of metrics that are kept once each, their aggregates kept at
 * write time, inputs and files. What was logged before moves over. `head` is the start of a value, short enough to index.
 */
import { type RawBuilder, sql } from 'kysely'
import type { Migration } from '#platform/db/index.ts'

export const tracking: Migration = {
  id: 'experiments/0002-tracking',
  up: (db, dialect) => {
    const clustered = dialect === 'sqlite' ? sql`without rowid` : sql``
    const raw = (query: RawBuilder<unknown>) => ({ compile: () => query.compile(db) })
    const add = (name: string, type: 'text' | 'bigint') =>
      db.schema.alterTable('experiments_runs').addColumn(name, type)
    return [
      db.schema
        .createTable('experiments_experiments')
        .addColumn('project', 'text', (c) => c.notNull())
        .addColumn('id', 'bigint', (c) => c.notNull())
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('artifact_location', 'text', (c) => c.notNull())
        .addColumn('stage', 'text', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addColumn('updated_at', 'bigint', (c) => c.notNull())
        .addPrimaryKeyConstraint('experiments_experiments_key', ['project', 'id']),
      db.schema
        .createIndex('experiments_experiments_by_name')
        .unique()
        .on('experiments_experiments')
        .columns(['project', 'name']),
      db.schema
        .createTable('experiments_experiment_tags')
        .addColumn('project', 'text', (c) => c.notNull())
        .addColumn('experiment', 'bigint', (c) => c.notNull())
        .addColumn('key', 'text', (c) => c.notNull())
        .addColumn('value', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('experiments_experiment_tags_key', ['project', 'experiment', 'key']),
      add('experiment_id', 'bigint'),
      add('user_id', 'text'),
      db.schema
        .alterTable('experiments_runs')
        .addColumn('stage', 'text', (c) => c.notNull().defaultTo('active')),
      add('deleted_at', 'bigint'),
      db.schema.alterTable('experiments_values').addColumn('experiment_id', 'bigint'),
      db.schema.alterTable('experiments_values').addColumn('head', 'text'),
      raw(sql`insert into experiments_experiments
        select project, row_number() over (partition by project order by min(started_at), experiment), experiment,
          'mlflow-artifacts:/' || row_number() over (partition by project order by min(started_at), experiment),
          'active', min(started_at), max(started_at)
        from experiments_runs group by project, experiment`),
      raw(sql`update experiments_runs set experiment_id = (select e.id from experiments_experiments e
        where e.project = experiments_runs.project and e.name = experiments_runs.experiment)`),
      raw(sql`update experiments_values set head = substr(value, 1, 128), experiment_id = (select r.experiment_id
        from experiments_runs r where r.project = experiments_values.project and r.id = experiments_values.run)`),
      db.schema
        .createIndex('experiments_runs_by_start')
        .on('experiments_runs')
        .columns(['project', 'experiment_id', 'stage', 'started_at', 'id']),
      db.schema
        .createIndex('experiments_values_by_value')
        .on('experiments_values')
        .columns(['project', 'experiment_id', 'kind', 'key', 'head', 'run']),
      ...['points', 'latest'].map((name) => {
        const table = db.schema
          .createTable(`experiments_${name}`)
          .addColumn('project', 'text', (c) => c.notNull())
          .addColumn('run', 'text', (c) => c.notNull())
          .addColumn('key', 'text', (c) => c.notNull())
          .addColumn('step', 'bigint', (c) => c.notNull())
          .addColumn('timestamp', 'bigint', (c) => c.notNull())
          .addColumn('value', 'double precision', (c) => c.notNull())
          .addColumn('special', 'bigint', (c) => c.notNull())
          .addColumn('model_id', 'text')
          .addColumn('dataset_name', 'text')
          .addColumn('dataset_digest', 'text')
        const whole =
          name === 'points'
            ? table.addPrimaryKeyConstraint('experiments_points_key', [
                'project',
                'run',
                'key',
                'step',
                'timestamp',
                'value',
                'special',
              ])
            : table
                .addColumn('experiment_id', 'bigint')
                .addColumn('least', 'double precision')
                .addColumn('greatest', 'double precision')
                .addPrimaryKeyConstraint('experiments_latest_key', ['project', 'run', 'key'])
        return whole.modifyEnd(clustered)
      }),
      db.schema
        .createIndex('experiments_latest_by_value')
        .on('experiments_latest')
        .columns(['project', 'experiment_id', 'key', 'value', 'run']),
      db.schema
        .createIndex('experiments_latest_by_model')
        .on('experiments_latest')
        .columns(['project', 'model_id']),
      raw(sql`insert into experiments_points (project, run, key, step, timestamp, value, special)
        select distinct project, run, key, step, timestamp,
          case special when 'Infinity' then 1.7976931348623157e308 when '-Infinity' then -1.7976931348623157e308
            else coalesce(value, 0) end,
          case when special is null then 0 when special = 'NaN' then 1 else 2 end
        from experiments_metrics`),
      raw(sql`insert into experiments_latest (project, run, key, step, timestamp, value, special, experiment_id, least, greatest)
        select p.project, p.run, p.key, p.step, p.timestamp, p.value, p.special, r.experiment_id, p.least, p.greatest from (
          select project, run, key, step, timestamp, value, special,
            min(case when special = 1 then null else value end) over (partition by project, run, key) as least,
            max(case when special = 1 then null else value end) over (partition by project, run, key) as greatest,
            row_number() over (partition by project, run, key order by step desc, timestamp desc, value desc, special desc) as place
          from experiments_points) p
        join experiments_runs r on r.project = p.project and r.id = p.run where p.place = 1`),
      db.schema.dropTable('experiments_metrics'),
      db.schema
        .createTable('experiments_inputs')
        .addColumn('project', 'text', (c) => c.notNull())
        .addColumn('run', 'text', (c) => c.notNull())
        .addColumn('kind', 'text', (c) => c.notNull())
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('digest', 'text', (c) => c.notNull())
        .addColumn('context', 'text')
        .addColumn('body', 'text', (c) => c.notNull())
        .addColumn('experiment_id', 'bigint')
        .addPrimaryKeyConstraint('experiments_inputs_key', ['project', 'run', 'kind', 'name', 'digest']),
      db.schema
        .createIndex('experiments_inputs_by_name')
        .on('experiments_inputs')
        .columns(['project', 'experiment_id', 'kind', 'name']),
      db.schema
        .createTable('experiments_files')
        .addColumn('project', 'text', (c) => c.notNull())
        .addColumn('parent', 'text', (c) => c.notNull())
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('digest', 'text')
        .addColumn('size', 'bigint', (c) => c.notNull())
        .addColumn('stored_at', 'bigint', (c) => c.notNull())
        .addPrimaryKeyConstraint('experiments_files_key', ['project', 'parent', 'name']),
    ]
  },
}
