/** State machines of pipeline runs and steps, and decisions about retries and triggers. Pure. */
import { machine } from '#base/machine.ts'
import type { RunState, StepState } from './model.ts'

export type RunAction = 'start' | 'wait' | 'resume' | 'succeed' | 'fail' | 'cancel' | 'retry'
export const pipelineRunLife = machine<RunState, RunAction>('pipeline run', {
  queued: { start: 'running', cancel: 'cancelled' },
  running: { wait: 'waiting', succeed: 'succeeded', fail: 'failed', cancel: 'cancelled' },
  waiting: { resume: 'running', fail: 'failed', cancel: 'cancelled' },
  succeeded: {},
  failed: { retry: 'queued' },
  cancelled: { retry: 'queued' },
})

export type StepAction =
  | 'start'
  | 'succeed'
  | 'reuse'
  | 'refuse'
  | 'fail'
  | 'wait'
  | 'resume'
  | 'again'
  | 'skip'
  | 'cancel'
  | 'reset'
export const stepLife = machine<StepState, StepAction>('step', {
  pending: { start: 'running', skip: 'skipped', cancel: 'cancelled' },
  running: {
    succeed: 'succeeded',
    reuse: 'cached',
    refuse: 'refused',
    fail: 'failed',
    wait: 'waiting',
    again: 'pending',
    cancel: 'cancelled',
  },
  waiting: { resume: 'running', skip: 'skipped', cancel: 'cancelled' },
  succeeded: {},
  cached: {},
  refused: { reset: 'pending' },
  failed: { reset: 'pending' },
  skipped: { reset: 'pending' },
  cancelled: { reset: 'pending' },
})

/** What the run does once no step runs or can start: undefined while some may. */
export function verdictOf(states: readonly StepState[]): 'succeed' | 'fail' | 'wait' | undefined {
  if (states.some((s) => s === 'running')) return undefined
  if (states.some((s) => s === 'failed' || s === 'refused')) return 'fail'
  if (states.some((s) => s === 'waiting')) return 'wait'
  return states.every((s) => s === 'succeeded' || s === 'cached') ? 'succeed' : undefined
}

export interface RetryPolicy {
  readonly times: number
  readonly backoffMs: number
  readonly on: readonly string[]
}
/** Milliseconds until the next attempt, doubling, at most ten minutes; undefined where there is none. */
export function retryDelayMs(
  policy: RetryPolicy | undefined,
  attempt: number,
  reason: string,
): number | undefined {
  if (policy === undefined || attempt > policy.times) return undefined
  if (policy.on.length > 0 && !policy.on.includes(reason)) return undefined
  return Math.min(policy.backoffMs * 2 ** (attempt - 1), 600_000)
}

export interface MetricRule {
  readonly above?: number | undefined
  readonly below?: number | undefined
  readonly for: number
  readonly cooldownMs: number
}
/** Whether a metric trigger fires: the last `for` windows all beyond the bound, and the last firing long enough ago. */
export function fires(
  rule: MetricRule,
  values: readonly (number | null)[],
  nowMs: number,
  lastFiredMs: number | undefined,
): boolean {
  if (lastFiredMs !== undefined && nowMs - lastFiredMs < rule.cooldownMs) return false
  const last = values.slice(-rule.for)
  if (last.length < rule.for) return false
  return last.every(
    (v) =>
      v !== null &&
      ((rule.above !== undefined && v > rule.above) || (rule.below !== undefined && v < rule.below)),
  )
}

/** Names of the parts of two cache keys that differ. */
export function differingParts(
  a: Readonly<Record<string, unknown>>,
  b: Readonly<Record<string, unknown>>,
): string[] {
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])]
  return names.filter((n) => JSON.stringify(a[n]) !== JSON.stringify(b[n]))
}
