/**
 * SQLite behind threads: one writer with group commit, readers on WAL snapshots. The main thread only passes messages.
 * Hot path: see bench/db-writes.ts. Read next: writer.worker.ts, reader.worker.ts.
 */
import type { Worker } from 'node:worker_threads'
import type { Kysely } from 'kysely'
import type { Fault } from '#base/errors.ts'
import { type AppliedMigration, migrationsTable, pendingUnits } from './migrate.ts'
import type { OpenDbOptions } from './open.ts'
import { type SqliteThreads, startReader, startSqliteThreads } from './threads.ts'
import { asParam, builderOf, type Compilable, type Db, dbFaults, type Statement } from './query.ts'

export type WorkerFailure = {
  readonly error: 'guard' | 'duplicate' | 'full' | 'failed'
  readonly why: string
  readonly at: number
  readonly sql: string
}
interface Waiting<T> {
  resolve(value: T): void
  reject(reason: unknown): void
}

const readersMax = 2
/** A second reader costs memory: it starts when this many questions wait for the first. */
const busyAt = 4

/** @throws Fault when the file cannot be opened or upgraded */
export async function openSqlite(file: string, options: OpenDbOptions): Promise<Db> {
  const started =
    options.threads?.file === file ? options.threads : startSqliteThreads(file, options.durability ?? 'fsync')
  const db = new SqliteDb(started)
  await db.ready
  await db.commit([{ sql: migrationsTable, parameters: [] }])
  const applied = await db.readSql<AppliedMigration>('select id, digest from platform_migrations', [])
  const unit = pendingUnits(options.migrations, applied, 'sqlite', Date.now())
  if (unit.length > 0 && applied.length > 0) await options.beforeUpgrade?.(db)
  if (unit.length > 0) await db.commit(unit)
  return db
}

class SqliteDb implements Db {
  readonly dialect = 'sqlite'
  readonly ready: Promise<void>
  readonly #builder = builderOf('sqlite')
  readonly #file: string
  readonly #writer: Worker
  readonly #readers: ReaderLane[] = []
  readonly #listeners = new Set<(unit: readonly Statement[]) => void>()
  #queue: (readonly Statement[])[] = []
  #waiting: Waiting<void>[] = []
  #inFlight: Waiting<void>[] = []
  #inFlightUnits: (readonly Statement[])[] = []
  #busy = false
  #scheduled = false
  #closed = false

  constructor({ file, writer, reader, opened }: SqliteThreads) {
    this.#file = file
    this.#writer = writer
    this.#readers.push(new ReaderLane(reader))
    this.ready = opened.then((first) => {
      if (!first.opened) throw dbFaults.busy(first.why ?? 'it cannot be opened')
      this.#writer.on('message', (out: (null | WorkerFailure)[]) => this.#acknowledge(out))
    })
    this.#writer.on('error', (error) => this.#failAll(dbFaults.busy(error.message)))
  }

  tables<T>(): Kysely<T> {
    return this.#builder as Kysely<T>
  }

  read<R>(query: Compilable<R>): Promise<R[]> {
    const { sql, parameters } = query.compile()
    return this.readSql<R>(sql, parameters.map(asParam))
  }

  async readFirst<R>(query: Compilable<R>): Promise<R | undefined> {
    return (await this.read(query))[0]
  }

  readSql<R>(sql: string, parameters: readonly unknown[]): Promise<R[]> {
    if (this.#closed) return Promise.reject(dbFaults.closed())
    return this.#lane().ask<R>(sql, parameters)
  }

  commit(unit: readonly Statement[]): Promise<void> {
    if (this.#closed) return Promise.reject(dbFaults.closed())
    if (unit.length === 0) return Promise.resolve()
    return new Promise((resolve, reject) => {
      this.#queue.push(unit)
      this.#waiting.push({ resolve, reject })
      if (this.#scheduled || this.#busy) return
      this.#scheduled = true
      setImmediate(() => {
        this.#scheduled = false
        this.#send()
      })
    })
  }

  onCommit(listener: (unit: readonly Statement[]) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async backup(to: string): Promise<void> {
    await this.readSql('vacuum into ?', [to])
  }

  async close(): Promise<void> {
    if (this.#closed) return
    while (this.#busy || this.#queue.length > 0) await new Promise((resolve) => setTimeout(resolve, 2))
    this.#closed = true
    await Promise.all([this.#writer, ...this.#readers.map((r) => r.worker)].map(endWorker))
  }

  /** Sends all units that wait as one group; the next group gathers while this one is on its way to the disk. */
  #send(): void {
    if (this.#busy || this.#queue.length === 0) return
    this.#busy = true
    this.#inFlight = this.#waiting
    this.#inFlightUnits = this.#queue
    const units = this.#queue
    this.#waiting = []
    this.#queue = []
    this.#writer.ref()
    this.#writer.postMessage(units)
  }

  #acknowledge(out: readonly (null | WorkerFailure)[]): void {
    const waiting = this.#inFlight
    const units = this.#inFlightUnits
    this.#busy = false
    this.#writer.unref()
    this.#send()
    for (const [i, failure] of out.entries()) {
      const unit = units[i]
      if (failure !== null) waiting[i]?.reject(faultOf(failure))
      else {
        waiting[i]?.resolve()
        if (unit) for (const listener of this.#listeners) listener(unit)
      }
    }
  }

  #failAll(fault: Fault): void {
    for (const one of [...this.#inFlight, ...this.#waiting]) one.reject(fault)
    this.#inFlight = []
    this.#waiting = []
    this.#queue = []
    this.#busy = false
  }

  /** The idlest reader; another one starts when they all have much to do. */
  #lane(): ReaderLane {
    const idlest = this.#readers.reduce<ReaderLane | undefined>(
      (a, b) => (a !== undefined && a.pending <= b.pending ? a : b),
      undefined,
    )
    if (idlest !== undefined && (idlest.pending < busyAt || this.#readers.length >= readersMax)) return idlest
    const lane = new ReaderLane(startReader(this.#file))
    this.#readers.push(lane)
    return lane
  }
}

class ReaderLane {
  readonly worker: Worker
  readonly #asked = new Map<number, Waiting<unknown[]> & { sql: string }>()
  #next = 0

  constructor(worker: Worker) {
    this.worker = worker
    this.worker.on('message', ({ id, rows, why }: { id: number; rows?: unknown[]; why?: string }) => {
      const one = this.#asked.get(id)
      this.#asked.delete(id)
      if (this.#asked.size === 0) this.worker.unref()
      rows === undefined ? one?.reject(dbFaults.failed(one.sql, why ?? '')) : one?.resolve(rows)
    })
    this.worker.on('error', (error) => {
      for (const one of this.#asked.values()) one.reject(dbFaults.busy(error.message))
      this.#asked.clear()
    })
    this.worker.unref()
  }

  get pending(): number {
    return this.#asked.size
  }

  ask<R>(sql: string, parameters: readonly unknown[]): Promise<R[]> {
    const id = this.#next++
    return new Promise<R[]>((resolve, reject) => {
      this.#asked.set(id, { resolve: resolve as (rows: unknown[]) => void, reject, sql })
      this.worker.ref()
      this.worker.postMessage({ id, sql, parameters })
    })
  }
}

const endWorker = (worker: Worker): Promise<void> =>
  new Promise((resolve) => {
    worker.once('exit', () => resolve())
    worker.ref()
    worker.postMessage('close')
  })

function faultOf(failure: WorkerFailure): Fault {
  if (failure.error === 'guard') return dbFaults.guard(failure.at)
  if (failure.error === 'duplicate') return dbFaults.duplicate(failure.why)
  if (failure.error === 'full') return dbFaults.full()
  return dbFaults.failed(failure.sql, failure.why)
}
