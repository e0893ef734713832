/** From predictions and labels to sums, from sums to metrics. Pure. */
import type { MonitorDefinition, Sums } from './model.ts'

export const noSums: Sums = { rows: 0, absolute: 0, squared: 0, signed: 0, total: 0 }
export const add = (a: Sums, b: Sums): Sums => ({
  rows: a.rows + b.rows,
  absolute: a.absolute + b.absolute,
  squared: a.squared + b.squared,
  signed: a.signed + b.signed,
  total: a.total + b.total,
})
export const sumsOf = (pairs: readonly { predicted: number; actual: number }[]): Sums =>
  pairs.reduce((sums, { predicted, actual }) => {
    const error = predicted - actual
    return add(sums, {
      rows: 1,
      absolute: Math.abs(error),
      squared: error * error,
      signed: error,
      total: Math.abs(actual),
    })
  }, noSums)

/** The same definitions as stats/regression.ts, from sums. */
export function errorOf(metric: 'wape' | 'rmse' | 'mae' | 'bias', s: Sums): number | null {
  if (s.rows === 0) return null
  if (metric === 'wape') return s.total === 0 ? null : s.absolute / s.total
  if (metric === 'rmse') return Math.sqrt(s.squared / s.rows)
  return (metric === 'mae' ? s.absolute : s.signed) / s.rows
}

/** Metrics of a window that follow from errors; `earlier` are the served sums of the windows before, oldest first. */
export function errorMetrics(
  definition: MonitorDefinition,
  served: Sums,
  earlier: readonly Sums[],
): Record<string, number | null> {
  const metrics: Record<string, number | null> = {
    wape: errorOf('wape', served),
    rmse: errorOf('rmse', served),
    bias: errorOf('bias', served),
  }
  for (const [name, metric] of Object.entries(definition.metrics)) {
    if (!('of' in metric)) continue
    const pooled = [...earlier, served].slice(-metric.rolling).reduce(add, noSums)
    metrics[name] = errorOf(metric.of, pooled)
  }
  return metrics
}

/** A prediction that met its label. */
export interface Pair {
  readonly key: string
  readonly predicted: number
  readonly actual: number
  readonly role: 'served' | 'shadow'
  readonly revision: number
}
/** Of several predictions of a key for a day the last counts: it is what was known when the day began. */
export const latestByKey = (pairs: readonly Pair[]): Pair[] => [
  ...new Map(pairs.map((p) => [p.key, p])).values(),
]

const sumsBy = (pairs: readonly Pair[], nameOf: (pair: Pair) => string): Record<string, Sums> =>
  Object.fromEntries(
    [...new Set(pairs.map(nameOf))].map((name) => [
      name,
      sumsOf(latestByKey(pairs.filter((p) => nameOf(p) === name))),
    ]),
  )
export const byRevision = (pairs: readonly Pair[]) => sumsBy(pairs, (p) => String(p.revision))
export const roleName = (revision: number, role: Pair['role']) => `${revision}/${role}`
export const byRole = (pairs: readonly Pair[]) => sumsBy(pairs, (p) => roleName(p.revision, p.role))

/** Sorted days as runs without a gap. */
export function runsOf(days: readonly string[]): string[][] {
  const runs: string[][] = []
  for (const day of days) {
    const run = runs.at(-1)
    const isNext = run !== undefined && Date.parse(day) - Date.parse(run.at(-1) ?? '') === 86_400_000
    if (isNext) run.push(day)
    else runs.push([day])
  }
  return runs
}
