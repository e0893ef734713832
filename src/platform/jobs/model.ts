/** Nouns of jobs: work that outlives a process, and the schedules that ask for it. */
import { z } from 'zod'
import type { Caller } from '#base/caller.ts'
import type { Statement } from '#platform/db/index.ts'

export const jobStates = ['queued', 'running', 'done', 'dead', 'cancelled'] as const
export type JobState = (typeof jobStates)[number]

export const Job = z
  .object({
    id: z.string(),
    kind: z.string(),
    state: z.enum(jobStates),
    payload: z.unknown(),
    attempt: z.number(),
    priority: z.number(),
    /** When it may begin, on the wall clock. */
    dueAt: z.number(),
    createdAt: z.number(),
    createdBy: z.string(),
    finishedAt: z.number().optional(),
    /** Why the last attempt failed, or what became of it. */
    why: z.string(),
  })
  .meta({ id: 'Job' })
export type Job = z.output<typeof Job>

/** What one attempt gets besides its payload. */
export interface Attempt {
  readonly caller: Caller
  readonly number: number
  /** Aborted on cancellation, at the end of its time, when its lease is lost, and when the server stops. */
  readonly signal: AbortSignal
  /**
   * Ends the job in one unit with what it did. Where another server has taken the job over meanwhile nothing is written.
   * @throws Fault conflict `jobs.lease_lost`
   */
  finish(unit: readonly Statement[], why?: string): Promise<void>
}
/** A kind of work as data. Handlers carry ids, read state anew, and may run twice. */
export interface JobKind<P = unknown> {
  readonly kind: string
  readonly payload: z.ZodType<P>
  readonly timeoutMs: number
  readonly attemptsMax: number
  /** Attempts of this kind that run at once on one server. */
  readonly concurrencyMax: number
  run(payload: P, attempt: Attempt): Promise<void>
}
export interface NewJob<P> {
  readonly kind: JobKind<P>
  readonly payload: P
  /** Higher goes first; 0 where left out. */
  readonly priority?: number
  /** Not before this, on the wall clock. */
  readonly dueAt?: number
  /** At most one job ever has this key in the project; another one is `db.duplicate`. */
  readonly key?: string
  /** At most `limit` jobs of a group run at once, over all servers. */
  readonly group?: { readonly name: string; readonly limit: number }
}

/** `cron` has five or six fields, read in `zone`; `everyMs` counts from its last time. */
export type ScheduleRule =
  | { readonly cron: string; readonly zone: string; readonly catchUpMs: number }
  | { readonly everyMs: number }
export interface Schedule<P = unknown> {
  readonly name: string
  readonly rule: ScheduleRule
  readonly kind: JobKind<P>
  readonly payload: P
}
export const ScheduleView = z
  .object({
    name: z.string(),
    kind: z.string(),
    rule: z.union([
      z.object({ cron: z.string(), zone: z.string(), catchUpMs: z.number() }),
      z.object({ everyMs: z.number() }),
    ]),
    /** On the project's clock. */
    nextAt: z.number(),
    lastAt: z.number().optional(),
  })
  .meta({ id: 'Schedule' })
export type ScheduleView = z.output<typeof ScheduleView>
