/** Two distributions as shares of the same bins or categories, and the distances between them. Pure. */
import { countBelow, distinctOver } from './sorted.ts'

/** Shares of the reference and of the current sample, bin by bin. */
export type Shares = readonly (readonly [number, number])[]
const distinctMax = 20

/** Sturges' bins over both samples together; of few distinct reference values, one bin per value. */
export function numericShares(reference: Float64Array, current: Float64Array): Shares {
  if (distinctOver(reference, new Float64Array(0), distinctMax + 1) <= distinctMax)
    return valueShares(reference, current)
  return histogram(sturges([reference, current], reference.length + current.length), reference, current)
}

function histogram(
  edges: readonly number[],
  reference: Float64Array,
  current: Float64Array,
): [number, number][] {
  const below = (sample: Float64Array) =>
    edges.map((edge, i) => countBelow(sample, edge, i === edges.length - 1))
  const [a, b] = [below(reference), below(current)]
  return edges
    .slice(1)
    .map((_, i) => [
      ((a[i + 1] as number) - (a[i] as number)) / reference.length,
      ((b[i + 1] as number) - (b[i] as number)) / current.length,
    ])
}

/** Edges of equal bins whose number is that of Sturges for `count` values; whole numbers get bins of at least one. */
function sturges(samples: readonly Float64Array[], count: number): number[] {
  const low = Math.min(...samples.filter((s) => s.length > 0).map((s) => s[0] as number))
  const high = Math.max(...samples.filter((s) => s.length > 0).map((s) => s.at(-1) as number))
  if (low === high) return [low - 0.5, high + 0.5]
  const width = (high - low) / (Math.log2(count) + 1)
  const isWhole = samples.every((sample) => sample.every(Number.isInteger))
  const bins = Math.ceil((high - low) / (isWhole ? Math.max(1, width) : width))
  const step = (high - low) / bins
  return Array.from({ length: bins + 1 }, (_, i) => (i === bins ? high : low + i * step))
}

function valueShares(reference: Float64Array, current: Float64Array): Shares {
  const counts = (sample: Float64Array) => {
    const found = new Map<number, number>()
    for (const value of sample) found.set(value, (found.get(value) ?? 0) + 1)
    return found
  }
  return categoryShares(counts(reference), counts(current))
}

export type Counts<K = unknown> = ReadonlyMap<K, number>
const sum = (counts: Counts) => [...counts.values()].reduce((a, b) => a + b, 0)
export const keysOf = <K>(a: Counts<K>, b: Counts<K>): K[] => [...new Set([...a.keys(), ...b.keys()])]

export function categoryShares<K>(reference: Counts<K>, current: Counts<K>): Shares {
  const [n, m] = [sum(reference), sum(current)]
  return keysOf(reference, current).map((key) => [(reference.get(key) ?? 0) / n, (current.get(key) ?? 0) / m])
}

/** Empty bins get a small share, so that logarithms are finite: 1e-4, or a millionth of the least where that is less. */
function filled(shares: Shares): [number, number][] {
  const floor = ([0, 1] as const).map((side) => {
    const least = shares.reduce(
      (low, pair) => (pair[side] > 0 && pair[side] < low ? pair[side] : low),
      Number.POSITIVE_INFINITY,
    )
    return least <= 1e-4 ? least / 1e6 : 1e-4
  }) as [number, number]
  return shares.map(([p, q]) => [p === 0 ? floor[0] : p, q === 0 ? floor[1] : q])
}

/** Population stability index with the floor above. */
export const stability = (shares: Shares): number =>
  filled(shares).reduce((total, [p, q]) => total + (p - q) * Math.log(p / q), 0)

/** Kullback and Leibler's divergence of the reference from the current, with the floor above, both made to sum to one. */
export function kullbackLeibler(shares: Shares): number {
  const full = filled(shares)
  const [a, b] = totals(full)
  return full.reduce((total, [p, q]) => total + (p / a) * Math.log(p / a / (q / b)), 0)
}

const totals = (shares: Shares): [number, number] =>
  shares.reduce<[number, number]>(([a, b], [p, q]) => [a + p, b + q], [0, 0])

/** Jensen and Shannon's distance; nats without a base. */
export function jensenShannon(shares: Shares, base = Math.E): number {
  const [a, b] = totals(shares)
  const total = shares.reduce((divergence, pair) => {
    const [p, q] = [pair[0] / a, pair[1] / b]
    const middle = (p + q) / 2
    return divergence + (p > 0 ? p * Math.log(p / middle) : 0) + (q > 0 ? q * Math.log(q / middle) : 0)
  }, 0)
  return Math.sqrt(Math.max(0, total / 2) / Math.log(base))
}

/** max |p − q|: L-infinity. */
export const maximumGap = (shares: Shares): number =>
  shares.reduce((most, [p, q]) => Math.max(most, Math.abs(p - q)), 0)
/** ½ Σ |p − q|. */
export const totalVariation = (shares: Shares): number =>
  shares.reduce((total, [p, q]) => total + Math.abs(p - q), 0) / 2
export const hellingerOf = (shares: Shares): number =>
  Math.sqrt(
    1 -
      Math.min(
        1,
        Math.max(
          0,
          shares.reduce((total, [p, q]) => total + Math.sqrt(p * q), 0),
        ),
      ),
  )

/** Hellinger's distance of numbers, over Sturges' bins of their distinct values. */
export function hellingerOfNumbers(reference: Float64Array, current: Float64Array): number {
  const edges = sturges([reference, current], distinctOver(reference, current))
  return hellingerOf(histogram(edges, reference, current))
}
