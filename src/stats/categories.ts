/** Tests on counts of categories: chi-square, proportions, G, Fisher, permuted total variation. As Evidently applies them. */
import { mersenne } from './mersenne.ts'
import { type Counts, keysOf } from './shares.ts'
import { chiSquareTail, lnGamma, normalTail } from './special.ts'
import type { Tested } from './tests-of-two.ts'

const total = (counts: Counts) => [...counts.values()].reduce((a, b) => a + b, 0)

/** Pearson's chi-square against counts expected from the reference; a category new to it makes p zero. */
export function chiSquare<K>(reference: Counts<K>, current: Counts<K>): Tested {
  const scale = total(current) / total(reference)
  const keys = keysOf(reference, current)
  const statistic = keys.reduce((sum, key) => {
    const expected = (reference.get(key) ?? 0) * scale
    const observed = current.get(key) ?? 0
    return sum + (observed - expected) ** 2 / expected
  }, 0)
  // One category: no degrees of freedom, and nothing to differ in.
  return { statistic, pValue: keys.length === 1 ? 1 : chiSquareTail(statistic, keys.length - 1) }
}

/** Z of two proportions: the share of what is not the first key in order. */
export function proportions<K>(reference: Counts<K>, current: Counts<K>): Tested {
  const keys = keysOf(reference, current)
  if (keys.length === 1) return { statistic: 0, pValue: 1 }
  const first = keys.sort((a, b) => (a < b ? -1 : 1))[0] as K
  const [n, m] = [total(reference), total(current)]
  const p = (n - (reference.get(first) ?? 0)) / n
  const q = (m - (current.get(first) ?? 0)) / m
  const pooled = (p * n + q * m) / (n + m)
  const statistic = (p - q) / Math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
  return { statistic, pValue: Math.min(1, 2 * normalTail(Math.abs(statistic))) }
}

/** The likelihood ratio's G; @throws where the samples differ in size, as the peer's does */
export function gTest<K>(reference: Counts<K>, current: Counts<K>): Tested {
  if (total(reference) !== total(current)) throw new RangeError('the G-test needs samples of one size')
  const keys = keysOf(reference, current)
  const statistic = keys.reduce((sum, key) => {
    const observed = current.get(key) ?? 0
    return observed === 0 ? sum : sum + 2 * observed * Math.log(observed / (reference.get(key) ?? 0))
  }, 0)
  return { statistic, pValue: keys.length === 1 ? 1 : chiSquareTail(statistic, keys.length - 1) }
}

/** Fisher's exact test of two categories, both sides. */
export function fisherExact<K>(reference: Counts<K>, current: Counts<K>): Tested {
  if (total(reference) !== total(current)) throw new RangeError("Fisher's test needs samples of one size")
  const keys = keysOf(reference, current)
  if (keys.length > 2) throw new RangeError("Fisher's test needs two categories")
  const of = (counts: Counts<K>, i: number) => (keys[i] === undefined ? 0 : (counts.get(keys[i]) ?? 0))
  const [a, b, c, d] = [of(current, 1), of(current, 0), of(reference, 1), of(reference, 0)]
  const statistic = (a * d) / (b * c)
  const [row, column, all] = [a + b, a + c, a + b + c + d]
  const choose = (n: number, k: number) => lnGamma(n + 1) - lnGamma(k + 1) - lnGamma(n - k + 1)
  const chance = (x: number) => Math.exp(choose(column, x) + choose(all - column, row - x) - choose(all, row))
  const seen = chance(a) * (1 + 1e-7)
  let pValue = 0
  for (let x = Math.max(0, row - (all - column)); x <= Math.min(row, column); x++) {
    const p = chance(x)
    if (p <= seen) pValue += p
  }
  return { statistic, pValue: Math.min(1, pValue) }
}

const permutations = 1_000
/** Total variation, its p-value by 1,000 permutations seeded as numpy's `seed(0)`. */
export function permutedVariation<K>(reference: readonly K[], current: readonly K[]): Tested {
  const all = [...reference, ...current]
  const keys = [...new Set(all)]
  const index = new Map(keys.map((key, i) => [key, i]))
  const codes = Int32Array.from(all, (key) => index.get(key) as number)
  const [n, m] = [reference.length, current.length]
  const counted = (from: Int32Array) => {
    const counts = new Float64Array(keys.length)
    for (const code of from) counts[code] = (counts[code] as number) + 1
    return counts
  }
  const whole = counted(codes)
  const distance = (counts: Float64Array) =>
    counts.reduce((sum, count, i) => sum + Math.abs(count / n - ((whole[i] as number) - count) / m), 0) / 2
  const statistic = distance(counted(codes.subarray(0, n)))
  const random = mersenne(0)
  const places = new Int32Array(all.length)
  let reached = 0
  for (let round = 0; round < permutations; round++) {
    for (let i = 0; i < places.length; i++) places[i] = i
    for (let i = places.length - 1; i > 0; i--) {
      const j = random.upTo(i)
      const kept = places[i] as number
      places[i] = places[j] as number
      places[j] = kept
    }
    const counts = new Float64Array(keys.length)
    for (let i = 0; i < n; i++) {
      const code = codes[places[i] as number] as number
      counts[code] = (counts[code] as number) + 1
    }
    if (statistic <= distance(counts) + 1e-15) reached++
  }
  return { statistic, pValue: reached / permutations }
}
