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
