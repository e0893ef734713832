/** Distances between two samples. Pure. */

/** Shares below this count as this, so that an empty bin has a finite logarithm (the usual floor of PSI). */
const shareFloor = 1e-4

/** Population stability index over matching bins of counts: Σ (p − q) · ln(p / q). Null where a sample is empty. */
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

/** Inner edges of `bins` quantile bins; equal edges are merged. */
export function quantileEdges(values: readonly number[], bins: number): number[] {
  const sorted = [...values].sort((a, b) => a - b)
  const edges = Array.from(
    { length: bins - 1 },
    (_, i) => sorted[Math.floor(((i + 1) * sorted.length) / bins)] ?? 0,
  )
  return [...new Set(edges)]
}

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
