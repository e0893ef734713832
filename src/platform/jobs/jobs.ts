/**
 * Work that outlives a process. A job is enqueued in its caller's unit, claimed by lease, tried again with back-off, and
 * visible when it is dead. Each claim raises the job's fence, and every move names state and fence: two servers may
 * believe that they run one job, one of them can end it. Read next: rules.ts, store.ts, schedules.ts.
 */
import { z } from 'zod'
import type { Caller } from '#base/caller.ts'
import { asFault, Fault, isFault } from '#base/errors.ts'
import { newId } from '#base/ids.ts'
import type { Db, Statement } from '#platform/db/index.ts'
import { defineEvent } from '#platform/events/event.ts'
import type { Events } from '#platform/events/index.ts'
import type { Attempt, Job, JobKind, JobState, NewJob } from './model.ts'
import { backoffMs, jobLife, mayTryAgain } from './rules.ts'
import { type JobRow, type JobsStore, jobsStore } from './store.ts'

export const jobDied = defineEvent(
  'jobs.job.died',
  z.object({ job: z.string(), kind: z.string(), attempt: z.number(), why: z.string() }),
)
export const jobMoved = defineEvent(
  'jobs.job.moved',
  z.object({ job: z.string(), kind: z.string(), change: z.enum(['cancelled', 'retried']) }),
)

export interface JobsDeps {
  readonly db: Db
  readonly events: Pick<Events, 'record'>
  /** How long a server may be silent before others take what it runs. */
  readonly leaseMs?: number
  readonly lookEveryMs?: number
  /** Attempts of all kinds that run at once here. */
  readonly slots?: number
  readonly random?: () => number
  /** Hears of trouble of the queue itself, as a database that does not answer. */
  readonly onError?: (thrown: unknown) => void
}
export type Jobs = Pick<
  Queue,
  'define' | 'enqueue' | 'cancel' | 'retry' | 'list' | 'get' | 'start' | 'stop' | 'settled' | 'look'
>

const defaults = { leaseMs: 30_000, lookEveryMs: 1_000, slots: 8 }
const candidatesMax = 100
/** How long an attempt that was told to end may take before it is given up. */
const graceMs = 10_000
const keepDoneMs = 7 * 24 * 3_600_000
const whyCharsMax = 2_000

interface Running {
  readonly row: JobRow
  readonly abort: AbortController
  readonly work: Promise<void>
}

export const openJobs = (deps: JobsDeps): Jobs => new Queue(deps)

class Queue {
  readonly #deps: Required<Omit<JobsDeps, 'onError'>> & Pick<JobsDeps, 'onError'>
  readonly #store: JobsStore
  readonly #owner = newId()
  readonly #kinds = new Map<string, JobKind>()
  readonly #running = new Map<string, Running>()
  #timers: NodeJS.Timeout[] = []
  #looking: Promise<void> | undefined
  #again = false
  #isOpen = false

  constructor(deps: JobsDeps) {
    this.#deps = { ...defaults, random: Math.random, ...deps }
    this.#store = jobsStore(deps.db)
    deps.db.onCommit((unit) => {
      if (this.#isOpen && unit.some((one) => one.sql.startsWith('insert into "platform_jobs"'))) this.look()
    })
  }

  /** Makes a kind known; before `start`. */
  define<P>(kind: JobKind<P>): JobKind<P> {
    if (this.#kinds.has(kind.kind))
      throw new Fault('internal', 'jobs.kind_twice', `the kind of job ${kind.kind} is defined twice`)
    this.#kinds.set(kind.kind, kind as JobKind)
    return kind
  }

  /** A job as a member of the caller's unit. */
  enqueue<P>(job: NewJob<P>, caller: Caller): { id: string; statement: Statement } {
    const now = Date.now()
    const id = newId()
    const row: JobRow = {
      id,
      project: caller.project,
      kind: job.kind.kind,
      payload: JSON.stringify(job.payload),
      state: 'queued',
      priority: job.priority ?? 0,
      due_at: job.dueAt ?? now,
      attempt: 0,
      fence: 0,
      owner: null,
      lease_until: null,
      conflict_group: job.group?.name ?? null,
      group_limit: job.group?.limit ?? null,
      slot: null,
      unique_key: job.key === undefined ? null : `${caller.project} ${job.kind.kind} ${job.key}`,
      cancelling: 0,
      why: '',
      created_at: now,
      created_by: caller.actor.name,
      finished_at: null,
    }
    return { id, statement: this.#store.insert(row) }
  }

  start(): void {
    this.#isOpen = true
    const { leaseMs, lookEveryMs } = this.#deps
    this.#timers = [
      setInterval(() => this.look(), lookEveryMs),
      setInterval(() => void this.#renew().catch(this.#report), leaseMs / 3),
    ]
    for (const timer of this.#timers) timer.unref()
    this.look()
  }

  /** Ends what runs; it begins anew at the next start, here or elsewhere. */
  async stop(): Promise<void> {
    this.#isOpen = false
    for (const timer of this.#timers) clearInterval(timer)
    for (const { abort } of this.#running.values()) abort.abort(stopped())
    await this.#looking
    await Promise.allSettled([...this.#running.values()].map((one) => one.work))
  }

  async get({ job }: { job: string }, caller: Caller): Promise<Job> {
    return jobFrom(await this.#find(job, caller))
  }

  async list({ state, limit }: { state?: JobState | undefined; limit: number }, caller: Caller) {
    return { jobs: (await this.#store.list(caller.project, state, limit)).map(jobFrom) }
  }

  /** A queued job ends at once; a running one is told to, wherever it runs. */
  async cancel({ job }: { job: string }, caller: Caller): Promise<Job> {
    const row = await this.#find(job, caller)
    jobLife.next(row.state, 'cancel')
    const set = row.state === 'queued' ? endOf('cancelled', 'cancelled before it began') : { cancelling: 1 }
    await this.#deps.db.commit([this.#store.move(row, set), this.#fact(row, 'cancelled', caller)])
    this.#running.get(job)?.abort.abort(cancelled())
    return this.get({ job }, caller)
  }

  /** A dead or cancelled job gets all of its attempts again. */
  async retry({ job }: { job: string }, caller: Caller): Promise<Job> {
    const row = await this.#find(job, caller)
    const state = jobLife.next(row.state, 'retry')
    const set = { state, attempt: 0, due_at: Date.now(), finished_at: null, cancelling: 0, why: '' }
    await this.#deps.db.commit([this.#store.move(row, set), this.#fact(row, 'retried', caller)])
    this.look()
    return this.get({ job }, caller)
  }

  /** Resolves when no job of the project is due or running. */
  async settled(project: string): Promise<void> {
    while ((await this.#store.open(project, Date.now())).length > 0) {
      this.look()
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  /** Looks for work, now; one look at a time. */
  look(): void {
    if (!this.#isOpen) return
    if (this.#looking !== undefined) {
      this.#again = true
      return
    }
    this.#looking = this.#lookNow()
      .catch(this.#report)
      .finally(() => {
        this.#looking = undefined
        if (!this.#again) return
        this.#again = false
        this.look()
      })
  }

  readonly #report = (thrown: unknown) => this.#deps.onError?.(thrown)

  async #lookNow(): Promise<void> {
    const running = await this.#store.running()
    await this.#takeBack(running.filter((row) => (row.lease_until ?? 0) < Date.now()))
    for (const row of await this.#store.ready(Date.now(), candidatesMax)) {
      if (!this.#isOpen || this.#running.size >= this.#deps.slots) return
      const kind = this.#kinds.get(row.kind)
      if (kind !== undefined && this.#hasRoom(kind)) await this.#claim(kind, row)
    }
  }

  #hasRoom(kind: JobKind): boolean {
    const same = [...this.#running.values()].filter((one) => one.row.kind === kind.kind)
    return same.length < kind.concurrencyMax
  }

  async #claim(kind: JobKind, row: JobRow): Promise<void> {
    const slot = await this.#slotFor(row)
    if (slot === 'none') return
    const claimed: JobRow = {
      ...row,
      state: jobLife.next(row.state, 'claim'),
      attempt: row.attempt + 1,
      fence: row.fence + 1,
      owner: this.#owner,
      lease_until: Date.now() + this.#deps.leaseMs,
      slot,
    }
    const { state, attempt, fence, owner, lease_until } = claimed
    try {
      await this.#deps.db.commit([this.#store.move(row, { state, attempt, fence, owner, lease_until, slot })])
    } catch (error) {
      // Another server has the job, or the place in its group.
      if (isFault(error, 'db.guard_failed') || isFault(error, 'db.duplicate')) return
      throw error
    }
    const abort = new AbortController()
    const work = this.#attempt(kind, claimed, abort).catch(this.#report)
    this.#running.set(row.id, { row: claimed, abort, work })
    void work.finally(() => {
      this.#running.delete(row.id)
      this.look()
    })
  }

  /** A free place of the job's group; the unique key of places decides where two servers take the same. */
  async #slotFor(row: JobRow): Promise<string | null | 'none'> {
    if (row.conflict_group === null || row.group_limit === null) return null
    const taken = new Set((await this.#store.running()).map((one) => one.slot))
    for (let place = 1; place <= row.group_limit; place++) {
      const slot = `${row.project} ${row.conflict_group} ${place}`
      if (!taken.has(slot)) return slot
    }
    return 'none'
  }

  async #attempt(kind: JobKind, row: JobRow, abort: AbortController): Promise<void> {
    let isEnded = false
    const attempt: Attempt = {
      caller: {
        actor: { kind: 'system', name: `system:${kind.kind}` },
        project: row.project,
        requestId: `job-${row.id}`,
        grants: ['*:*'],
      },
      number: row.attempt,
      signal: abort.signal,
      finish: async (unit, why = '') => {
        await this.#end(row, [...unit], endOf('done', why))
        isEnded = true
      },
    }
    const timer = setTimeout(() => abort.abort(timedOut(kind)), kind.timeoutMs)
    try {
      const payload = kind.payload.parse(JSON.parse(row.payload))
      await orGivenUp(kind.run(payload, attempt), abort.signal)
      if (!isEnded) await this.#end(row, [], endOf('done', ''))
    } catch (error) {
      if (!isEnded && !isFault(error, 'jobs.lease_lost')) await this.#failed(kind, row, abort.signal, error)
    } finally {
      clearTimeout(timer)
    }
  }

  async #failed(kind: JobKind, row: JobRow, signal: AbortSignal, thrown: unknown): Promise<void> {
    const reason = signal.aborted ? signal.reason : thrown
    const fault = asFault(reason)
    if (fault.code === 'jobs.lease_lost') return
    const why = (fault.remedy === undefined ? fault.message : `${fault.message} (${fault.remedy})`).slice(
      0,
      whyCharsMax,
    )
    const end = (unit: Statement[], set: Partial<JobRow>) =>
      this.#end(row, unit, set).catch((error) => {
        if (!isFault(error, 'jobs.lease_lost')) throw error
      })
    if (fault.code === 'jobs.cancelled') return end([], endOf('cancelled', why))
    // The server's own end is no failure of the job.
    if (fault.code === 'jobs.stopping') return end([], { ...again(row.attempt - 1, why), due_at: Date.now() })
    if (mayTryAgain(fault, row.attempt, kind.attemptsMax)) {
      const dueAt = Date.now() + backoffMs(row.attempt, this.#deps.random())
      return end([], { ...again(row.attempt, why), due_at: dueAt })
    }
    await end([this.#death(row, why)], endOf('dead', why))
  }

  /** Jobs of servers that fell silent. Their attempt counts: it may be what silenced them. */
  async #takeBack(lost: readonly JobRow[]): Promise<void> {
    for (const row of lost) {
      const kind = this.#kinds.get(row.kind)
      if (kind === undefined || this.#running.has(row.id)) continue
      const why = `attempt ${row.attempt}: its server stopped answering`
      const isLast = row.attempt >= kind.attemptsMax
      const unit =
        row.cancelling === 1
          ? [this.#store.move(row, endOf('cancelled', why))]
          : isLast
            ? [this.#store.move(row, endOf('dead', why)), this.#death(row, why)]
            : [this.#store.move(row, { ...again(row.attempt, why), due_at: Date.now() })]
      await this.#deps.db.commit(unit).catch((error) => {
        if (!isFault(error, 'db.guard_failed')) throw error
      })
    }
  }

  /** Leases go on while the server does; what is no longer ours stops, what was cancelled elsewhere too. */
  async #renew(): Promise<void> {
    if (this.#running.size === 0) return
    await this.#deps.db.commit([this.#store.renew(this.#owner, Date.now() + this.#deps.leaseMs)])
    const known = new Map((await this.#store.running()).map((row) => [row.id, row]))
    for (const { row, abort } of this.#running.values()) {
      const now = known.get(row.id)
      if (now === undefined || now.fence !== row.fence) abort.abort(leaseLost(row))
      else if (now.cancelling === 1) abort.abort(cancelled())
    }
    await this.#deps.db.commit([this.#store.prune(Date.now() - keepDoneMs)])
  }

  async #end(row: JobRow, unit: Statement[], set: Partial<JobRow>): Promise<void> {
    const move = this.#store.move(row, { owner: null, lease_until: null, slot: null, ...set })
    try {
      await this.#deps.db.commit([move, ...unit])
    } catch (error) {
      const isOurs = isFault(error, 'db.guard_failed') && (error as Fault).details?.statement === 0
      throw isOurs ? leaseLost(row) : error
    }
  }

  async #find(id: string, caller: Caller): Promise<JobRow> {
    const row = await this.#store.find(caller.project, id)
    if (row !== undefined) return row
    throw new Fault('not_found', 'jobs.job_not_found', `there is no job ${id}`)
  }

  #death(row: JobRow, why: string): Statement {
    const caller: Caller = {
      actor: { kind: 'system', name: 'system:jobs' },
      project: row.project,
      requestId: `job-${row.id}`,
      grants: [],
    }
    const payload = { job: row.id, kind: row.kind, attempt: row.attempt, why }
    return this.#deps.events.record(caller, { type: jobDied, subject: `job:${row.id}`, payload })
  }

  #fact(row: JobRow, change: 'cancelled' | 'retried', caller: Caller): Statement {
    const payload = { job: row.id, kind: row.kind, change }
    return this.#deps.events.record(caller, { type: jobMoved, subject: `job:${row.id}`, payload })
  }
}

const endOf = (state: JobState, why: string): Partial<JobRow> => ({ state, why, finished_at: Date.now() })
const again = (attempt: number, why: string): Partial<JobRow> => ({
  state: 'queued',
  attempt,
  why,
  owner: null,
  lease_until: null,
  slot: null,
})

/** The work's end, or, some time after it was told to end, the reason why. */
function orGivenUp(work: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    work.then(resolve, reject)
    const giveUp = () => setTimeout(() => reject(signal.reason), graceMs).unref()
    if (signal.aborted) giveUp()
    else signal.addEventListener('abort', giveUp, { once: true })
  })
}

const stopped = () => new Fault('unavailable', 'jobs.stopping', 'the server is stopping')
const cancelled = () => new Fault('conflict', 'jobs.cancelled', 'it was cancelled')
const leaseLost = (row: JobRow) =>
  new Fault('conflict', 'jobs.lease_lost', `another server has taken over job ${row.id}`)
const timedOut = (kind: JobKind) =>
  new Fault('unavailable', 'jobs.timed_out', `${kind.kind} took longer than ${kind.timeoutMs / 1_000} s`)

const jobFrom = (row: JobRow): Job => ({
  id: row.id,
  kind: row.kind,
  state: row.state,
  payload: JSON.parse(row.payload),
  attempt: row.attempt,
  priority: row.priority,
  dueAt: row.due_at,
  createdAt: row.created_at,
  createdBy: row.created_by,
  ...(row.finished_at === null ? {} : { finishedAt: row.finished_at }),
  why: row.why,
})
