/**
 * Facts in the unit of the change that they tell of; delivery to subscribers in order, at least once, by durable
 * cursors; live listeners for streams. Read next: chain.ts (the audit seal), store.ts (SQL).
 */
import type { Caller } from '#base/caller.ts'
import { asFault } from '#base/errors.ts'
import type { Db, Statement } from '#platform/db/index.ts'
import { type AuditVerdict, sealNext, verifyChain } from './chain.ts'
import type { EventType } from './event.ts'
import { type EventQuery, type EventsStore, eventsStore, type ReadRow } from './store.ts'

export interface Fact<P> {
  readonly type: EventType<P>
  /** `dataset:sales@v3` */
  readonly subject: string
  readonly payload: P
  /** When it happened on the project's clock; the wall clock where left out. */
  readonly atMs?: number
}

export interface StoredEvent<P = unknown> {
  readonly seq: number
  readonly project: string
  readonly type: string
  readonly subject: string
  readonly actor: string
  readonly actorKind: string
  readonly requestId: string
  readonly recordedAt: number
  readonly happenedAt: number
  readonly payload: P
}

export interface Subscription {
  /** Names the durable cursor: stable over releases. */
  readonly name: string
  /** Types it hears, as strings or definitions. */
  readonly types: readonly (string | { readonly type: string })[]
  /** Called once per event in order; may be called again after a crash, so it dedupes by `seq`. */
  handle(event: StoredEvent): Promise<void>
}

export interface Events {
  record<P>(caller: Caller, fact: Fact<P>): Statement
  subscribe(subscription: Subscription): void
  list(query: EventQuery): Promise<StoredEvent[]>
  onCommitted(listener: (event: StoredEvent) => void): () => void
  /** Resolves when every subscriber has handled all that was recorded before, including what they recorded meanwhile. */
  settled(): Promise<void>
  deadLetters(): Promise<{ subscriber: string; seq: number; why: string }[]>
  start(): void
  stop(): Promise<void>
  verify(): Promise<AuditVerdict>
}

export interface EventsOptions {
  readonly db: Db
  /** Hears of handlers that fail; an event that fails `attemptsMax` times is parked. */
  readonly onError?: (subscriber: string, event: StoredEvent, thrown: unknown) => void
}

const attemptsMax = 5
const backoffMs = 20
const batchMax = 200
const sealEveryMs = 500
// Another server on the same PostgreSQL wakes nobody here; a slow look finds its facts.
const lookEveryMs = 1_000

export function openEvents(options: EventsOptions): Events {
  return new EventLog(options)
}

class EventLog implements Events {
  readonly #db: Db
  readonly #store: EventsStore
  readonly #onError: NonNullable<EventsOptions['onError']>
  readonly #lanes: Lane[] = []
  readonly #listeners = new Set<(event: StoredEvent) => void>()
  readonly #timers: NodeJS.Timeout[] = []
  #heardSeq = -1
  #started = false
  #stopped = false
  #pass: Promise<void> | undefined
  #again = false
  #sealing: Promise<unknown> = Promise.resolve()

  constructor({ db, onError }: EventsOptions) {
    this.#db = db
    this.#store = eventsStore(db)
    this.#onError = onError ?? (() => undefined)
    db.onCommit((unit) => {
      if (this.#started && unit.some((one) => one.sql.startsWith('insert into "platform_events"')))
        this.#wake()
    })
  }

  record<P>(caller: Caller, fact: Fact<P>): Statement {
    const recordedAt = Date.now()
    return this.#store.insert(caller, {
      type: fact.type.type,
      subject: fact.subject,
      payload: JSON.stringify(fact.payload),
      recordedAt,
      happenedAt: fact.atMs ?? recordedAt,
    })
  }

  subscribe({ name, types, handle }: Subscription): void {
    this.#lanes.push({
      name,
      types: types.map((t) => (typeof t === 'string' ? t : t.type)),
      handle,
      seq: undefined,
      attempts: 0,
    })
  }

  async list(query: EventQuery): Promise<StoredEvent[]> {
    return (await this.#store.list(query)).map(eventOf)
  }

  onCommitted(listener: (event: StoredEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  deadLetters() {
    return this.#store.deadLetters()
  }

  start(): void {
    this.#started = true
    const look = setInterval(() => this.#wake(), lookEveryMs)
    const seal = setInterval(() => this.#seal(), sealEveryMs)
    for (const timer of [look, seal]) timer.unref()
    this.#timers.push(look, seal)
    this.#wake()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    for (const timer of this.#timers) clearInterval(timer)
    await this.#pass
    await this.#sealing
    await sealNext(this.#db, this.#store).catch(() => undefined)
    // What was passed over as not its own need not be passed over again at the next start.
    const known = this.#lanes.filter((lane) => lane.seq !== undefined)
    await this.#db
      .commit(known.map((lane) => this.#store.moveCursor(lane.name, lane.seq ?? 0)))
      .catch(() => undefined)
  }

  async settled(): Promise<void> {
    for (;;) {
      const target = await this.#store.lastSeq()
      this.#wake()
      while (this.#pass !== undefined) await this.#pass
      const behind = this.#lanes.some((lane) => (lane.seq ?? 0) < target)
      if (!behind && (await this.#store.lastSeq()) === target) return
      if (this.#stopped) return
      await pause(backoffMs)
    }
  }

  async verify(): Promise<AuditVerdict> {
    await this.#sealing
    return verifyChain(this.#store)
  }

  #seal(): void {
    // A lost race (another server sealed) or a closed database: the next tick looks again.
    this.#sealing = this.#sealing.then(() => sealNext(this.#db, this.#store)).catch(() => undefined)
  }

  /** One pass at a time; a wake during a pass asks for one more. */
  #wake(): void {
    if (this.#stopped || !this.#started) return
    if (this.#pass !== undefined) {
      this.#again = true
      return
    }
    this.#pass = this.#passes().finally(() => {
      this.#pass = undefined
      if (this.#again) this.#wake()
    })
  }

  /** One read of new facts serves every lane and listener. */
  async #passes(): Promise<void> {
    try {
      do {
        this.#again = false
        await this.#loadCursors()
        const from = this.#lowest()
        const rows = await this.#store.list({ afterSeq: from, limit: batchMax })
        this.#tellListeners(rows)
        await Promise.all(this.#lanes.map((lane) => this.#deliver(lane, rows)))
        if (rows.length === batchMax && this.#lowest() > from) this.#again = true
      } while (this.#again && !this.#stopped)
    } catch {
      // The database is away: the slow look tries again.
    }
  }

  #lowest(): number {
    return Math.min(this.#heardSeq, ...this.#lanes.map((lane) => lane.seq ?? 0))
  }

  async #loadCursors(): Promise<void> {
    if (this.#heardSeq >= 0 && this.#lanes.every((lane) => lane.seq !== undefined)) return
    const saved = new Map((await this.#store.cursors()).map((c) => [c.name, c.seq]))
    for (const lane of this.#lanes) lane.seq ??= saved.get(lane.name) ?? 0
    if (this.#heardSeq < 0) this.#heardSeq = await this.#store.lastSeq()
  }

  #tellListeners(rows: readonly ReadRow[]): void {
    for (const row of rows) {
      if (row.seq <= this.#heardSeq) continue
      this.#heardSeq = row.seq
      for (const listener of this.#listeners) listener(eventOf(row))
    }
  }

  async #deliver(lane: Lane, rows: readonly ReadRow[]): Promise<void> {
    for (const row of rows) {
      if (this.#stopped) return
      if (row.seq <= (lane.seq ?? 0)) continue
      if (lane.types.includes(row.type) && !(await this.#handle(lane, eventOf(row)))) return
      lane.seq = row.seq
    }
  }

  /** False where the event must be tried again later. */
  async #handle(lane: Lane, event: StoredEvent): Promise<boolean> {
    try {
      await lane.handle(event)
    } catch (thrown) {
      lane.attempts++
      this.#onError(lane.name, event, thrown)
      if (lane.attempts < attemptsMax) {
        setTimeout(() => this.#wake(), backoffMs * 2 ** lane.attempts).unref()
        return false
      }
      const why = asFault(thrown)
      await this.#db.commit([
        this.#store.park(lane.name, event.seq, `${why.code}: ${why.message}`, Date.now()),
      ])
    }
    lane.attempts = 0
    lane.seq = event.seq
    await this.#db.commit([this.#store.moveCursor(lane.name, event.seq)])
    return true
  }
}

interface Lane {
  readonly name: string
  readonly types: readonly string[]
  handle(event: StoredEvent): Promise<void>
  seq: number | undefined
  attempts: number
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

const eventOf = (row: ReadRow): StoredEvent => ({
  seq: row.seq,
  project: row.project,
  type: row.type,
  subject: row.subject,
  actor: row.actor,
  actorKind: row.actor_kind,
  requestId: row.request_id,
  recordedAt: row.recorded_at,
  happenedAt: row.happened_at,
  payload: JSON.parse(row.payload),
})
