/** All SQL of facts. Rows are in the words of the table; events.ts turns them into StoredEvents. */
import { type Generated, sql } from 'kysely'
import type { Caller } from '#base/caller.ts'
import { type Compilable, type Db, type Statement, statement } from '#platform/db/index.ts'

export interface EventRow {
  seq: Generated<number>
  project: string
  type: string
  subject: string
  actor: string
  actor_kind: string
  request_id: string
  recorded_at: number
  happened_at: number
  payload: string
  hash: string | null
}
export type ReadRow = Omit<EventRow, 'seq'> & { seq: number }
interface Tables {
  platform_events: EventRow
  platform_cursors: { name: string; seq: number }
  platform_dead_letters: { subscriber: string; seq: number; why: string; parked_at: number }
  platform_chain_head: { id: number; seq: number; sealed: number; hash: string }
}
export interface ChainHead {
  readonly seq: number
  readonly sealed: number
  readonly hash: string
}
export interface EventQuery {
  readonly project?: string | undefined
  readonly afterSeq?: number | undefined
  readonly beforeSeq?: number | undefined
  readonly types?: readonly string[] | undefined
  readonly subject?: string | undefined
  readonly limit: number
  readonly order?: 'asc' | 'desc' | undefined
}
type Insert = { type: string; subject: string; payload: string; recordedAt: number; happenedAt: number }

export function eventsStore(db: Db) {
  const t = db.tables<Tables>()
  /** Only rows that no running transaction can still slip in before. */
  const settledOnly =
    db.dialect === 'postgres'
      ? sql<boolean>`xid < pg_snapshot_xmin(pg_current_snapshot())`
      : sql<boolean>`1 = 1`
  return {
    insert: (caller: Caller, fact: Insert): Statement =>
      statement(
        t.insertInto('platform_events').values({
          project: caller.project,
          type: fact.type,
          subject: fact.subject,
          actor: caller.actor.name,
          actor_kind: caller.actor.kind,
          request_id: caller.requestId,
          recorded_at: fact.recordedAt,
          happened_at: fact.happenedAt,
          payload: fact.payload,
        }),
      ),
    list(q: EventQuery): Promise<ReadRow[]> {
      let query = t.selectFrom('platform_events').selectAll().where(settledOnly)
      if (q.project !== undefined) query = query.where('project', '=', q.project)
      if (q.afterSeq !== undefined) query = query.where('seq', '>', q.afterSeq)
      if (q.beforeSeq !== undefined) query = query.where('seq', '<', q.beforeSeq)
      if (q.types !== undefined && q.types.length > 0) query = query.where('type', 'in', q.types)
      if (q.subject !== undefined) query = query.where('subject', '=', q.subject)
      return db.read<ReadRow>(query.orderBy('seq', q.order ?? 'asc').limit(q.limit) as Compilable<ReadRow>)
    },
    cursors: () => db.read(t.selectFrom('platform_cursors').selectAll()),
    lastSeq: async () =>
      Number(
        (
          await db.readFirst(
            t
              .selectFrom('platform_events')
              .select(sql<number>`coalesce(max(seq), 0)`.as('seq'))
              .where(settledOnly),
          )
        )?.seq ?? 0,
      ),
    moveCursor: (name: string, seq: number): Statement =>
      statement(
        t
          .insertInto('platform_cursors')
          .values({ name, seq })
          .onConflict((c) => c.column('name').doUpdateSet({ seq })),
      ),
    park: (subscriber: string, seq: number, why: string, nowMs: number): Statement =>
      statement(
        t
          .insertInto('platform_dead_letters')
          .values({ subscriber, seq, why: why.slice(0, 2_000), parked_at: nowMs })
          .onConflict((c) => c.columns(['subscriber', 'seq']).doNothing()),
      ),
    deadLetters: () => db.read(t.selectFrom('platform_dead_letters').selectAll().orderBy('seq')),
    head: async (): Promise<ChainHead | undefined> => {
      const row = await db.readFirst(t.selectFrom('platform_chain_head').selectAll().where('id', '=', 1))
      return row && { seq: row.seq, sealed: row.sealed, hash: row.hash }
    },
    seal: (seq: number, hash: string): Statement =>
      statement(
        t.updateTable('platform_events').set({ hash }).where('seq', '=', seq).where('hash', 'is', null),
        1,
      ),
    moveHead: (from: ChainHead | undefined, to: ChainHead): Statement =>
      from === undefined
        ? statement(t.insertInto('platform_chain_head').values({ id: 1, ...to }))
        : statement(
            t
              .updateTable('platform_chain_head')
              .set({ ...to })
              .where('id', '=', 1)
              .where('hash', '=', from.hash),
            1,
          ),
  }
}

export type EventsStore = ReturnType<typeof eventsStore>
