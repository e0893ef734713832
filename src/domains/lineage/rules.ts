/** How a rebuilt model compares with the first: pure, over bytes and numbers. */
import type { MetricComparison, OutputComparison, Verdict } from './model.ts'

/** 32-bit floats hold seven digits; two machines' sums differ in the last of them. */
const predictionTolerance = 1e-5
const metricTolerance = 1e-6

/** Undefined where they are equal; the shorter one's end where it is the beginning of the longer. */
export function firstDifference(before: Uint8Array, after: Uint8Array): number | undefined {
  const shorter = Math.min(before.length, after.length)
  for (let at = 0; at < shorter; at++) if (before[at] !== after[at]) return at
  return before.length === after.length ? undefined : shorter
}

export function comparePredictions(before: ArrayLike<number>, after: ArrayLike<number>): OutputComparison {
  let same = before.length === after.length
  // A prediction that is missing is as far off as can be.
  let maxAbs = same ? 0 : Number.MAX_VALUE
  let maxRelative = maxAbs
  for (let i = 0; i < Math.min(before.length, after.length); i++) {
    const [a, b] = [before[i] as number, after[i] as number]
    if (Object.is(a, b)) continue
    same = false
    const gap = Math.abs(a - b)
    // A NaN on one side alone is as far as can be.
    maxAbs = Number.isNaN(gap) ? Number.MAX_VALUE : Math.max(maxAbs, gap)
    maxRelative = Math.max(maxRelative, Number.isNaN(gap) ? Number.MAX_VALUE : gap / Math.max(1, Math.abs(a)))
  }
  return { name: 'predictions', kind: 'predictions', same, rows: before.length, maxAbs, maxRelative }
}

type Value = number | string | null
export function compareMetrics(
  before: Readonly<Record<string, Value>>,
  after: Readonly<Record<string, Value>>,
): MetricComparison[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort()
  return names.map((name) => {
    const [a, b] = [before[name] ?? null, after[name] ?? null]
    return { name, before: a, after: b, same: Object.is(a, b) }
  })
}

/** Bit-identical: all bytes but pickles', all predictions and all metrics. Equivalent: within the tolerances. */
export function verdictOf(
  outputs: readonly OutputComparison[],
  metrics: readonly MetricComparison[],
): { verdict: Verdict; sentence: string } {
  const counted = outputs.filter((o) => o.kind !== 'pickle')
  const differing = [...counted.filter((o) => !o.same), ...metrics.filter((m) => !m.same)]
  const predictions = outputs.find((o) => o.kind === 'predictions')
  const rows = `${predictions?.rows ?? 0} predictions`
  if (differing.length === 0)
    return {
      verdict: 'bit-identical',
      sentence: `ONNX bytes, ${rows} and ${metrics.length} metrics are equal`,
    }
  const names = differing.map((d) => d.name).join(', ')
  const isClose =
    predictions !== undefined &&
    (predictions.maxRelative ?? 0) <= predictionTolerance &&
    metrics.every((m) => m.same || isNear(m.before, m.after))
  return isClose
    ? { verdict: 'equivalent', sentence: `${names} differ, within ${predictionTolerance} of what they were` }
    : { verdict: 'different', sentence: `${names} differ${farthest(predictions)}` }
}

const farthest = (predictions: OutputComparison | undefined) =>
  predictions === undefined || predictions.same ? '' : `; predictions by up to ${predictions.maxAbs}`

const isNear = (a: Value, b: Value): boolean =>
  typeof a === 'number' &&
  typeof b === 'number' &&
  Math.abs(a - b) <= metricTolerance * Math.max(1, Math.abs(a))
