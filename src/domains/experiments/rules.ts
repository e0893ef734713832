/** Pure decisions of experiments. */
import { machine } from '#base/machine.ts'
import type { RunStatus } from './model.ts'

export type RunAction = 'start' | 'finish' | 'fail' | 'kill' | 'resume'
export const runLife = machine<RunStatus, RunAction>('run', {
  scheduled: { start: 'running', kill: 'killed' },
  running: { finish: 'finished', fail: 'failed', kill: 'killed' },
  finished: { resume: 'running' },
  failed: { resume: 'running' },
  killed: { resume: 'running' },
})
export const actionTo: Record<'finished' | 'failed' | 'killed', RunAction> = {
  finished: 'finish',
  failed: 'fail',
  killed: 'kill',
}

interface Point {
  readonly step: number
  readonly timestamp: number
  readonly value: number
}
/** Whether `b` replaces `a` as the latest: higher step, then time, then value (MLflow's order). */
export const isLater = (a: Point, b: Point): boolean =>
  b.step !== a.step
    ? b.step > a.step
    : b.timestamp !== a.timestamp
      ? b.timestamp > a.timestamp
      : !(b.value < a.value)

const named: Record<string, number> = {
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  '-Infinity': Number.NEGATIVE_INFINITY,
}
export const numberOf = (value: number | string): number =>
  typeof value === 'number' ? value : (named[value] ?? Number.NaN)
/** A number as JSON can carry it. */
export const jsonNumber = (value: number): number | string => (Number.isFinite(value) ? value : String(value))

const largest = Number.MAX_VALUE
/** A value as it is kept: NaN as 0 and infinities as the largest double, each with its mark. */
export function storedValue(value: number): { value: number; special: number } {
  if (Number.isNaN(value)) return { value: 0, special: 1 }
  if (Number.isFinite(value)) return { value, special: 0 }
  return { value: value > 0 ? largest : -largest, special: 2 }
}
export function loggedValue({ value, special }: { value: number; special: number }): number {
  if (special === 0) return value
  if (special === 1) return Number.NaN
  return value > 0 ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY
}
