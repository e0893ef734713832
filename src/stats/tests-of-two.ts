/** Tests of two samples of numbers: t, Mann-Whitney, Cramér-von Mises, Anderson-Darling, Epps-Singleton. As scipy and Evidently define them. */
import { andersonStatistic, mean, midranks, rankDeviations, squares } from './sorted.ts'
import { besselK, chiSquareTail, lnGamma, normalTail, studentTails } from './special.ts'

export interface Tested {
  readonly statistic: number
  readonly pValue: number
}

/** Student's t with pooled variance, both sides. */
export function tTest(a: Float64Array, b: Float64Array): Tested {
  const [n, m] = [a.length, b.length]
  const [x, y] = [mean(a), mean(b)]
  const degrees = n + m - 2
  const variance = (squares(a, x) + squares(b, y)) / degrees
  const statistic = (x - y) / Math.sqrt(variance * (1 / n + 1 / m))
  return { statistic, pValue: studentTails(statistic, degrees) }
}

const exactMax = 8
/** Mann-Whitney's U, that the first sample is less: exact where a side has at most 8 values and nothing ties. */
export function mannWhitneyLess(a: Float64Array, b: Float64Array): Tested {
  const [n, m] = [a.length, b.length]
  const ranks = midranks(a, b)
  const first = ranks.sumFirst - (n * (n + 1)) / 2
  const other = n * m - first
  if (!ranks.hasTies && (n <= exactMax || m <= exactMax))
    return { statistic: first, pValue: Math.min(1, exactU(n, m, other)) }
  const total = n + m
  const spread = Math.sqrt(((n * m) / 12) * (total + 1 - ranks.ties / (total * (total - 1))))
  const z = (other - (n * m) / 2 - 0.5) / spread
  return { statistic: first, pValue: Math.min(1, Math.max(0, normalTail(z))) }
}

/** P(U ≥ u) by counting the orders of both samples. */
function exactU(n: number, m: number, u: number): number {
  const size = n * m + 1
  const ways = new Float64Array(size)
  ways[0] = 1
  // The generating function ∏ (1 − q^(m+i)) / (1 − q^i).
  for (let i = 1; i <= n; i++) {
    for (let k = size - 1; k >= m + i; k--) ways[k] = (ways[k] as number) - (ways[k - m - i] as number)
    for (let k = i; k < size; k++) ways[k] = (ways[k] as number) + (ways[k - i] as number)
  }
  let [above, all] = [0, 0]
  for (let k = 0; k < size; k++) {
    all += ways[k] as number
    if (k >= u) above += ways[k] as number
  }
  return above / all
}

/** Cramér-von Mises; exact to 20 values a side. */
export function cramerVonMises(a: Float64Array, b: Float64Array): Tested {
  const [n, m] = [a.length, b.length]
  if (n <= 1 || m <= 1) throw new RangeError('Cramér-von Mises needs two values on each side')
  const [k, total] = [n * m, n + m]
  const [da, db] = rankDeviations(a, b)
  const u = n * da + m * db
  const statistic = u / (k * total) - (4 * k - 1) / (6 * total)
  if (Math.max(n, m) <= 20) return { statistic, pValue: exactCramer(u, n, m) }
  const expected = (1 + 1 / total) / 6
  const variance = ((total + 1) * (4 * k * total - 3 * (n * n + m * m) - 2 * k)) / (45 * total ** 2 * 4 * k)
  const normal = 1 / 6 + (statistic - expected) / Math.sqrt(45 * variance)
  return { statistic, pValue: normal < 0.003 ? 1 : Math.max(0, 1 - cramerLimit(normal)) }
}

function cramerLimit(x: number): number {
  let sum = 0
  for (let k = 0; k < 1_000; k++) {
    const front = Math.exp(lnGamma(k + 0.5) - lnGamma(k + 1)) / (Math.PI ** 1.5 * Math.sqrt(x))
    const y = 4 * k + 1
    const q = y ** 2 / (16 * x)
    const term = front * Math.sqrt(y) * Math.exp(-q) * besselK(0.25, q)
    sum += term
    if (Math.abs(term) < 1e-7) break
  }
  return sum
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b))
function exactCramer(u: number, m: number, n: number): number {
  const lcm = (m * n) / gcd(m, n)
  const [a, b] = [lcm / m, lcm / n]
  const mn = m * n
  const zeta = Math.floor((lcm ** 2 * (m + n) * (6 * u - mn * (4 * mn - 1))) / (6 * mn ** 2))
  // Frequencies of the statistic along each lattice path, column by column (Xiao, Gordon & Yakovlev 2007).
  let column: Map<number, number>[] = [
    new Map([[0, 1]]),
    ...Array.from({ length: m }, () => new Map<number, number>()),
  ]
  for (let j = 0; j <= n; j++) {
    const next: Map<number, number>[] = []
    let left = new Map<number, number>()
    for (let i = 0; i <= m; i++) {
      const shift = (a * i - b * j) ** 2
      const merged = new Map<number, number>()
      for (const from of [left, column[i] as Map<number, number>])
        for (const [value, ways] of from) merged.set(value + shift, (merged.get(value + shift) ?? 0) + ways)
      next.push(merged)
      left = merged
    }
    column = next
  }
  let [above, all] = [0, 0]
  for (const [value, ways] of column[m] as Map<number, number>) {
    all += ways
    if (value >= zeta) above += ways
  }
  return above / all
}

const levels = [0.25, 0.1, 0.05, 0.025, 0.01, 0.005, 0.001]
const critical = [
  [0.675, -0.245, -0.105],
  [1.281, 0.25, -0.305],
  [1.645, 0.678, -0.362],
  [1.96, 1.149, -0.391],
  [2.326, 1.822, -0.396],
  [2.573, 2.364, -0.345],
  [3.085, 3.615, -0.154],
].map((parts) => parts.reduce((x, y) => x + y, 0))

/** Anderson-Darling's k-sample test of two; its p-value lies between 0.001 and 0.25, interpolated as scipy does. */
export function andersonDarling(a: Float64Array, b: Float64Array): Tested {
  const { statistic: raw, distinct } = andersonStatistic(a, b)
  if (distinct < 2) throw new RangeError('Anderson-Darling needs more than one distinct value')
  const total = a.length + b.length
  const inverse = 1 / a.length + 1 / b.length
  let [h, g] = [0, 0]
  for (let i = 1; i < total - 1; i++) {
    h += 1 / (total - i)
    g += h / (i + 1)
  }
  h += 1
  const k = 2
  const c3 = (4 * g - 6) * (k - 1) + (10 - 6 * g) * inverse
  const c2 = (2 * g - 4) * k ** 2 + 8 * h * k + (2 * g - 14 * h - 4) * inverse - 8 * h + 4 * g - 6
  const c1 = (6 * h + 2 * g - 2) * k ** 2 + (4 * h - 4 * g + 6) * k + (2 * h - 6) * inverse + 4 * h
  const c0 = (2 * h + 6) * k ** 2 - 4 * h * k
  const variance =
    (c3 * total ** 3 + c2 * total ** 2 + c1 * total + c0) / ((total - 1) * (total - 2) * (total - 3))
  const statistic = (raw - 1) / Math.sqrt(variance)
  if (statistic < Math.min(...critical)) return { statistic, pValue: 0.25 }
  if (statistic > Math.max(...critical)) return { statistic, pValue: 0.001 }
  const [p0, p1, p2] = parabola(critical, levels.map(Math.log))
  return { statistic, pValue: Math.exp(p0 + p1 * statistic + p2 * statistic ** 2) }
}

/** Least squares of a parabola, about the middle of x for precision. */
function parabola(x: readonly number[], y: readonly number[]): [number, number, number] {
  const middle = x.reduce((a, b) => a + b, 0) / x.length
  const rows = [0, 1, 2].map((i) => [
    ...[0, 1, 2].map((j) => x.reduce((sum, value) => sum + (value - middle) ** (i + j), 0)),
    x.reduce((sum, value, k) => sum + (value - middle) ** i * (y[k] as number), 0),
  ])
  const [a = 0, b = 0, c = 0] = solved(rows)
  return [a - b * middle + c * middle ** 2, b - 2 * c * middle, c]
}

/** Gauss-Jordan with pivots on rows of [A | y]. */
export function solved(rows: number[][]): number[] {
  const n = rows.length
  for (let i = 0; i < n; i++) {
    const best = rows
      .slice(i)
      .reduce((at, row, k) => (Math.abs(row[i] ?? 0) > Math.abs(rows[at]?.[i] ?? 0) ? i + k : at), i)
    ;[rows[i], rows[best]] = [rows[best] as number[], rows[i] as number[]]
    const pivot = rows[i] as number[]
    for (let k = 0; k < n; k++) {
      const row = rows[k] as number[]
      if (k === i) continue
      const factor = (row[i] as number) / (pivot[i] as number)
      for (let j = i; j <= n; j++) row[j] = (row[j] as number) - factor * (pivot[j] as number)
    }
  }
  return rows.map((row, i) => (row[n] as number) / (row[i] as number))
}

/** Epps and Singleton's test on characteristic functions at 0.4 and 0.8 half interquartile ranges. */
export function eppsSingleton(a: Float64Array, b: Float64Array): Tested {
  const [n, m] = [a.length, b.length]
  if (n < 5 || m < 5) throw new RangeError('Epps-Singleton needs five values on each side')
  const both = Float64Array.from([...a, ...b]).sort()
  const quantile = (q: number) => {
    const at = q * (both.length - 1)
    const low = Math.floor(at)
    const [x, y] = [both[low] as number, both[Math.min(low + 1, both.length - 1)] as number]
    return x + (y - x) * (at - low)
  }
  const sigma = (quantile(0.75) - quantile(0.25)) / 2
  if (sigma === 0) throw new RangeError('Epps-Singleton needs an interquartile range above zero')
  const waves = (values: Float64Array) => {
    const rows = [0.4, 0.8].map((t) => Float64Array.from(values, (v) => Math.cos((t * v) / sigma)))
    return [...rows, ...[0.4, 0.8].map((t) => Float64Array.from(values, (v) => Math.sin((t * v) / sigma)))]
  }
  const [ga, gb] = [waves(a), waves(b)]
  const [ma, mb] = [ga.map((row) => mean(row)), gb.map((row) => mean(row))]
  const cov = (g: Float64Array[], middle: number[], i: number, j: number) => {
    const [x, y] = [g[i] as Float64Array, g[j] as Float64Array]
    let sum = 0
    for (let k = 0; k < x.length; k++)
      sum += ((x[k] as number) - (middle[i] as number)) * ((y[k] as number) - (middle[j] as number))
    return sum / x.length
  }
  const total = n + m
  const gap = ma.map((value, i) => value - (mb[i] as number))
  const rows = gap.map((value, i) => [
    ...gap.map((_, j) => (total / n) * cov(ga, ma, i, j) + (total / m) * cov(gb, mb, i, j)),
    value,
  ])
  let statistic = total * solved(rows).reduce((sum, value, i) => sum + value * (gap[i] as number), 0)
  if (Math.max(n, m) < 25) statistic /= 1 + total ** -0.45 + 10.1 * (n ** -1.7 + m ** -1.7)
  return { statistic, pValue: chiSquareTail(statistic, 4) }
}
