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

export interface FurtherErrors {
  /** 1 − Σ(y − ŷ)² / Σ(y − ȳ)²; null of fewer than two rows or of one value. */
  readonly r2: number | null
  /** Mean of |y − ŷ| / max(|y|, 2⁻⁵²). */
  readonly mape: number | null
  readonly medianAbsolute: number | null
}

export function furtherErrors(actual: ArrayLike<number>, predicted: ArrayLike<number>): FurtherErrors {
  const n = actual.length
  if (n === 0) return { r2: null, mape: null, medianAbsolute: null }
  const middle = Array.from(actual).reduce((a, b) => a + b, 0) / n
  let [residual, total, relative] = [0, 0, 0]
  const errors = new Float64Array(n)
  for (let i = 0; i < n; i++) {
    const y = actual[i] as number
    const error = Math.abs(y - (predicted[i] as number))
    errors[i] = error
    residual += error ** 2
    total += (y - middle) ** 2
    relative += error / Math.max(Math.abs(y), 2 ** -52)
  }
  errors.sort()
  const median = ((errors[Math.floor((n - 1) / 2)] as number) + (errors[Math.floor(n / 2)] as number)) / 2
  return {
    r2: n < 2 || total === 0 ? null : 1 - residual / total,
    mape: relative / n,
    medianAbsolute: median,
  }
}

/** The mean pinball loss at a quantile; null of no rows. */
export function quantileLoss(
  actual: ArrayLike<number>,
  predicted: ArrayLike<number>,
  quantile: number,
): number | null {
  let sum = 0
  for (let i = 0; i < actual.length; i++) {
    const gap = (actual[i] as number) - (predicted[i] as number)
    sum += gap >= 0 ? quantile * gap : (quantile - 1) * gap
  }
  return actual.length === 0 ? null : sum / actual.length
}
