/** SQL of traces. */
import { type RawBuilder, sql } from 'kysely'
import { type Compilable, compared, type Db, type Statement, statement } from '#platform/db/index.ts'
import type { Assessment, Span, TraceClause, TraceInfo, TraceSearch, TraceState } from './model.ts'
import { assessedValue } from './rules.ts'

export interface TraceRow {
  project: string
  id: string
  experiment_id: number
  client_request_id: string | null
  state: TraceState
  requested_at: number
  duration_ms: number | null
  request_preview: string | null
  response_preview: string | null
}
export type ValueKind = 'tag' | 'metadata' | 'run'
interface ValueRow {
  project: string
  trace: string
  kind: ValueKind
  key: string
  value: string
}
interface SpanRow {
  project: string
  trace: string
  span: string
  parent: string | null
  name: string
  type: string | null
  status: string
  started_ns: string
  body: string
}
interface AssessmentRow {
  project: string
  trace: string
  id: string
  kind: 'feedback' | 'expectation'
  name: string
  value: string | null
  body: string
  valid: number
  created_at: number
  updated_at: number
}
interface Tables {
  traces_traces: TraceRow
  traces_values: ValueRow
  traces_spans: SpanRow
  traces_assessments: AssessmentRow
}
type Sql = RawBuilder<unknown>
const nsDigits = 20

export const tracesStore = (db: Db) => ({ ...queries(db), ...statements(db), ...removals(db) })

function queries(db: Db) {
  const t = db.tables<Tables>()
  const of =
    <T>(table: 'traces_values' | 'traces_spans' | 'traces_assessments', order: string[]) =>
    (project: string, traces: readonly string[]): Promise<T[]> => {
      const query = sql`select * from ${sql.table(table)} where project = ${project}
        and trace in (${sql.join([...traces])}) order by ${sql.join(order.map((name) => sql.ref(name)))}`
      return traces.length === 0 ? Promise.resolve([]) : db.read<T>({ compile: () => query.compile(t) })
    }
  return {
    traces: (project: string, ids: readonly string[]): Promise<TraceRow[]> =>
      ids.length === 0
        ? Promise.resolve([])
        : db.read<TraceRow>(
            t
              .selectFrom('traces_traces')
              .selectAll()
              .where('project', '=', project)
              .where('id', 'in', [...ids]) as Compilable<TraceRow>,
          ),
    values: of<ValueRow>('traces_values', ['key']),
    spans: of<SpanRow>('traces_spans', ['started_ns', 'span']),
    assessments: of<AssessmentRow>('traces_assessments', ['created_at', 'id']),
    /** The oldest traces of an experiment up to a time. */
    before: (project: string, experiment: number, untilMs: number, limit: number) =>
      db.read<{ id: string }>(
        t
          .selectFrom('traces_traces')
          .select('id')
          .where('project', '=', project)
          .where('experiment_id', '=', experiment)
          .where('requested_at', '<=', untilMs)
          .orderBy('requested_at')
          .limit(limit) as Compilable<{ id: string }>,
      ),
    search(project: string, { experimentIds, clauses, orders, limit, offset }: TraceSearch) {
      const experiments = experimentIds.map(Number).filter(Number.isSafeInteger)
      if (experiments.length === 0) return Promise.resolve([])
      const where = [
        sql`t.project = ${project}`,
        sql`t.experiment_id in (${sql.join(experiments)})`,
        ...clauses.map((clause) => conditionOf(clause, db.dialect)),
      ]
      const by = [
        ...orders.map(({ key, ascending }) => sql`${columnOf(key)} ${sql.raw(ascending ? 'asc' : 'desc')}`),
        sql`t.requested_at desc`,
        sql`t.id`,
      ]
      const query = sql`select t.* from traces_traces t where ${sql.join(where, sql` and `)}
        order by ${sql.join(by)} limit ${limit} offset ${offset}`
      return db.read<TraceRow>({ compile: () => query.compile(t) })
    },
  }
}

function statements(db: Db) {
  const t = db.tables<Tables>()
  const row = (project: string, info: TraceInfo): TraceRow => ({
    project,
    id: info.id,
    experiment_id: Number(info.experimentId),
    client_request_id: info.clientRequestId ?? null,
    state: info.state,
    requested_at: info.requestedAt,
    duration_ms: info.durationMs ?? null,
    request_preview: info.requestPreview ?? null,
    response_preview: info.responsePreview ?? null,
  })
  return {
    /** `keep` leaves a trace that is there as it is. */
    putTrace(project: string, info: TraceInfo, keep: boolean): Statement {
      const { project: _, id: __, ...changes } = row(project, info)
      return statement(
        t
          .insertInto('traces_traces')
          .values(row(project, info))
          .onConflict((c) =>
            keep
              ? c.columns(['project', 'id']).doNothing()
              : c.columns(['project', 'id']).doUpdateSet(changes),
          ),
      )
    },
    putValues: (project: string, trace: string, kind: ValueKind, values: Readonly<Record<string, string>>) =>
      Object.entries(values).map(([key, value]) =>
        statement(
          t
            .insertInto('traces_values')
            .values({ project, trace, kind, key, value })
            .onConflict((c) => c.columns(['project', 'trace', 'kind', 'key']).doUpdateSet({ value })),
        ),
      ),
    dropValue: (project: string, trace: string, kind: ValueKind, key: string): Statement =>
      statement(
        t
          .deleteFrom('traces_values')
          .where('project', '=', project)
          .where('trace', '=', trace)
          .where('kind', '=', kind)
          .where('key', '=', key),
        1,
      ),
    putSpan(project: string, span: Span): Statement {
      const changes = {
        parent: span.parent ?? null,
        name: span.name,
        type: span.type ?? null,
        status: span.status,
        started_ns: String(span.startedNs).padStart(nsDigits, '0'),
        body: span.body,
      }
      return statement(
        t
          .insertInto('traces_spans')
          .values({ project, trace: span.trace, span: span.span, ...changes })
          .onConflict((c) => c.columns(['project', 'trace', 'span']).doUpdateSet(changes)),
      )
    },
    putAssessment(project: string, one: Assessment): Statement {
      const changes = {
        kind: one.kind,
        name: one.name,
        value: assessedValue(one.body) ?? null,
        body: JSON.stringify(one.body),
        valid: one.valid ? 1 : 0,
        updated_at: one.updatedAt,
      }
      const { id, trace } = one
      return statement(
        t
          .insertInto('traces_assessments')
          .values({ project, trace, id, ...changes, created_at: one.createdAt })
          .onConflict((c) => c.columns(['project', 'trace', 'id']).doUpdateSet(changes)),
      )
    },
  }
}

function removals(db: Db) {
  const t = db.tables<Tables>()
  return {
    dropAssessment: (project: string, trace: string, id: string): Statement =>
      statement(
        t
          .deleteFrom('traces_assessments')
          .where('project', '=', project)
          .where('trace', '=', trace)
          .where('id', '=', id),
        1,
      ),
    dropTraces: (project: string, traces: readonly string[]): Statement[] => [
      statement(
        t
          .deleteFrom('traces_traces')
          .where('project', '=', project)
          .where('id', 'in', [...traces]),
      ),
      ...(['traces_values', 'traces_spans', 'traces_assessments'] as const).map((table) =>
        statement(
          t
            .deleteFrom(table)
            .where('project', '=', project)
            .where('trace', 'in', [...traces]),
        ),
      ),
    ],
  }
}

const columns: Record<string, string> = {
  request_id: 't.id',
  client_request_id: 't.client_request_id',
  timestamp_ms: 't.requested_at',
  execution_time_ms: 't.duration_ms',
  end_time_ms: '(t.requested_at + t.duration_ms)',
  status: 't.state',
}
const keptValue = (kind: ValueKind, key: string): Sql =>
  sql`(select v.value from traces_values v where v.project = t.project and v.trace = t.id
    and v.kind = ${sql.lit(kind)} and v.key = ${key})`
const columnOf = (key: string): Sql =>
  key === 'name' ? keptValue('tag', 'mlflow.traceName') : sql.raw(columns[key] ?? 't.id')

function conditionOf(clause: TraceClause, dialect: Db['dialect']): Sql {
  const { entity, key } = clause
  if (entity === 'attribute' && key === 'run_id') {
    const linked = sql`select 1 from traces_values v where v.project = t.project and v.trace = t.id
      and v.kind = 'run' and ${compared(sql`v.key`, clause, dialect)}`
    return sql`(${compared(keptValue('metadata', 'mlflow.sourceRun'), clause, dialect)} or exists (${linked}))`
  }
  if (entity === 'attribute') return compared(columnOf(key), clause, dialect)
  if (entity === 'span') {
    const column = sql.raw(key === 'content' ? 's.body' : `s.${key}`)
    return sql`exists (select 1 from traces_spans s where s.project = t.project and s.trace = t.id
      and ${compared(column, clause, dialect)})`
  }
  if (entity === 'tag' || entity === 'metadata') return compared(keptValue(entity, key), clause, dialect)
  const of = sql`select 1 from traces_assessments a where a.project = t.project and a.trace = t.id
    and a.valid = 1 and a.kind = ${sql.lit(entity)} and a.name = ${key}`
  if (clause.comparator === 'IS NULL') return sql`not exists (${of})`
  if (clause.comparator === 'IS NOT NULL') return sql`exists (${of})`
  return sql`exists (${of} and ${compared(sql`a.value`, clause, dialect)})`
}
export type { AssessmentRow, SpanRow }
