/** Errors of a regression, by their usual definitions. Pure; no rows give null, never zero. */

export interface RegressionMetrics {
  readonly rows: number
  /** Σ|y − ŷ| / Σ|y|: weighted absolute percentage error (Kolassa & Schütz 2007, "MAD/Mean"); null where Σ|y| is 0. */
  readonly wape: number | null
  /** √(Σ(y − ŷ)² / n), in the unit of y. */
  readonly rmse: number | null
  /** Σ|y − ŷ| / n, in the unit of y. */
  readonly mae: number | null
  /** Σ(ŷ − y) / n, in the unit of y: above zero where the model says too much. */
  readonly bias: number | null
}

export function regressionMetrics(
  actual: ArrayLike<number>,
  predicted: ArrayLike<number>,
): RegressionMetrics {
  const rows = actual.length
  let absolute = 0
  let squared = 0
  let signed = 0
  let total = 0
  for (let i = 0; i < rows; i++) {
    const y = actual[i] as number
    const error = (predicted[i] as number) - y
    absolute += Math.abs(error)
    squared += error * error
    signed += error
    total += Math.abs(y)
  }
  if (rows === 0) return { rows, wape: null, rmse: null, mae: null, bias: null }
  return {
    rows,
    wape: total === 0 ? null : absolute / total,
    rmse: Math.sqrt(squared / rows),
    mae: absolute / rows,
    bias: signed / rows,
  }
}
