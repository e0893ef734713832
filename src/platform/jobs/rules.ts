/** Pure decisions about jobs: their life, when to try again, when a schedule is due next. */
import type { ErrorKind, Fault } from '#base/errors.ts'
import { machine } from '#base/machine.ts'
import type { JobState, ScheduleRule } from './model.ts'

export type JobAction = 'claim' | 'finish' | 'again' | 'die' | 'cancel' | 'retry'
export const jobLife = machine<JobState, JobAction>('job', {
  queued: { claim: 'running', cancel: 'cancelled' },
  running: { finish: 'done', again: 'queued', die: 'dead', cancel: 'cancelled' },
  done: {},
  dead: { retry: 'queued' },
  cancelled: { retry: 'queued' },
})

const backoffFirstMs = 1_000
const backoffMaxMs = 5 * 60_000
/** Doubles with each attempt, up to five minutes; the second half is by chance, so that many do not come back at once. */
export const backoffMs = (attempt: number, random: number): number => {
  const whole = Math.min(backoffMaxMs, backoffFirstMs * 2 ** (attempt - 1))
  return Math.round(whole / 2 + (whole / 2) * random)
}

/** What another attempt would not change. */
const lasting: ReadonlySet<ErrorKind> = new Set([
  'invalid',
  'forbidden',
  'not_found',
  'unsupported',
  'too_large',
  'precondition_failed',
])
export const mayTryAgain = (fault: Fault, attempt: number, attemptsMax: number): boolean =>
  attempt < attemptsMax && !lasting.has(fault.kind)

/** The times of a cron rule: the first after, and the last up to, an instant. */
export interface CronTimes {
  after(ms: number): number | undefined
}
/** A schedule that never comes again, as 30 February. */
export const never = Number.MAX_SAFE_INTEGER

export interface Turn {
  /** The time for which it fires now; undefined where that has passed too long ago. */
  readonly firesFor: number | undefined
  readonly nextAt: number
}
/**
 * What happens to a schedule that is due: times that passed unseen count as one, the last of them, and only where it is
 * not older than the rule's catch-up. In a replay the clock jumps over nights, so there each jump counts as one time.
 */
export function turnOf(
  rule: ScheduleRule,
  times: CronTimes,
  { dueAt, now, isReplay }: { dueAt: number; now: number; isReplay: boolean },
): Turn {
  if ('everyMs' in rule) return { firesFor: now, nextAt: now + rule.everyMs }
  let last = dueAt
  for (let steps = 0; steps < stepsMax; steps++) {
    const next = times.after(last)
    if (next === undefined) return { firesFor: within(rule, last, now, isReplay), nextAt: never }
    if (next > now) return { firesFor: within(rule, last, now, isReplay), nextAt: next }
    last = next
  }
  // Too many passed to count them: begin again from now.
  return { firesFor: isReplay ? last : undefined, nextAt: times.after(now) ?? never }
}
const stepsMax = 2_000
const within = (rule: { catchUpMs: number }, at: number, now: number, isReplay: boolean) =>
  isReplay || now - at <= rule.catchUpMs ? at : undefined
