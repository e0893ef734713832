/** Distances between two samples, over bins that the reference gives. Pure. */

/** Shares below this count as this, so that an empty bin has a finite logarithm (the usual floor of PSI). */
const shareFloor = 1e-4

/**
 * Population stability index over matching bins of counts: Σ (p − q) · ln(p / q), the symmetrised Kullback–Leibler
 * divergence of Jeffreys (1946); by the custom of credit scoring (Siddiqi 2006) 0.1 is a small and 0.25 a large shift.
 * Null where a sample is empty.
 */
export function psi(reference: readonly number[], current: readonly number[]): number | null {
  const totals = [reference, current].map((counts) => counts.reduce((a, b) => a + b, 0))
  const [before = 0, now = 0] = totals
  if (before === 0 || now === 0) return null
  return reference.reduce((sum, count, i) => {
    const q = Math.max(count / before, shareFloor)
    const p = Math.max((current[i] ?? 0) / now, shareFloor)
    return sum + (p - q) * Math.log(p / q)
  }, 0)
}

/** Quantiles by linear interpolation between order statistics (type 7 of Hyndman & Fan 1996); none of an empty sample. */
export function quantiles(values: readonly number[], shares: readonly number[]): number[] {
  if (values.length === 0) return []
  const sorted = Float64Array.from(values).sort()
  return shares.map((share) => {
    const at = share * (sorted.length - 1)
    const low = Math.floor(at)
    const [a, b] = [sorted[low] as number, sorted[Math.min(low + 1, sorted.length - 1)] as number]
    return a + (b - a) * (at - low)
  })
}

/** Inner shares of `bins` equal bins: 0.25, 0.5, 0.75 of four. */
export const innerShares = (bins: number): number[] =>
  Array.from({ length: bins - 1 }, (_, i) => (i + 1) / bins)

/**
 * Rising edges of quantiles. A value that several quantiles share gets a bin of its own: it holds much of the sample,
 * and without that bin a sample that left it, or all came to it, would look the same.
 */
export function edgesOf(sortedQuantiles: readonly number[]): number[] {
  const edges = sortedQuantiles.flatMap((value, i) => {
    if (sortedQuantiles[i - 1] === value) return []
    return sortedQuantiles[i + 1] === value ? [value, nextAbove(value)] : [value]
  })
  return [...new Set(edges)]
}

/** Edges of `bins` quantile bins of a sample. */
export const quantileEdges = (values: readonly number[], bins: number): number[] =>
  edgesOf(quantiles(values, innerShares(bins)))

/** Counts of values by bins: bin i holds what is below edge i and not below the one before. */
export function countByEdges(values: readonly number[], edges: readonly number[]): number[] {
  const counts = new Array<number>(edges.length + 1).fill(0)
  for (const value of values) {
    const at = edges.findIndex((edge) => value < edge)
    const bin = at === -1 ? edges.length : at
    counts[bin] = (counts[bin] ?? 0) + 1
  }
  return counts
}

/** The next number that 64 bits can hold. */
function nextAbove(value: number): number {
  if (!Number.isFinite(value)) return value
  if (value === 0) return Number.MIN_VALUE
  const bits = new BigInt64Array(1)
  const float = new Float64Array(bits.buffer)
  float[0] = value
  bits[0] = (bits[0] as bigint) + (value > 0 ? 1n : -1n)
  return float[0]
}
