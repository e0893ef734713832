/**
 * Two-sample Kolmogorov-Smirnov: exact by counting lattice paths to 10,000 values, beyond it the one-sample law at the
 * effective size (Simard & L'Ecuyer 2011; Pelz & Good 1976; Durbin 1973), as scipy chooses.
 */
import { kolmogorovDistance } from './sorted.ts'
import { lnGamma } from './special.ts'

const exactMax = 10_000

export function kolmogorovSmirnov(a: Float64Array, b: Float64Array): { statistic: number; pValue: number } {
  const statistic = kolmogorovDistance(a, b)
  const [n, m] = [a.length, b.length]
  const exact = Math.max(n, m) <= exactMax ? exactTail(n, m, statistic) : undefined
  const pValue = exact ?? oneSampleTail(Math.round(roundEven((n * m) / (n + m))), statistic)
  return { statistic, pValue: Math.min(1, Math.max(0, pValue)) }
}

const roundEven = (x: number) => {
  const low = Math.floor(x)
  return x - low === 0.5 ? low + (low % 2) : Math.round(x)
}
const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b))

function exactTail(n: number, m: number, statistic: number): number | undefined {
  const g = gcd(n, m)
  if (n / g >= 2 ** 31 / (m / g)) return undefined
  const h = Math.round(statistic * (n / g) * m)
  if (h === 0) return 1
  return n === m ? outsideSquare(n, h) : outsideStrip(n, m, g, h)
}

function outsideSquare(n: number, h: number): number {
  let p = 0
  for (let k = Math.floor(n / h); k >= 0; k--) {
    let term = 1
    for (let j = 0; j < h; j++) term = ((n - k * h - j) * term) / (n + k * h + j + 1)
    p = term * (1 - p)
  }
  return 2 * p
}

/** The share of lattice paths that leave the strip, column by column. */
function outsideStrip(first: number, second: number, g: number, h: number): number {
  const [m, n] = first < second ? [second, first] : [first, second]
  const [mg, ng] = [m / g, n / g]
  let low = 0
  let high = Math.min(Math.ceil(h / mg), n + 1)
  let width = high - low
  const a = new Float64Array(Math.min(2 * high + 2, n + 1)).fill(1)
  a.fill(0, low, high)
  for (let i = 1; i <= m; i++) {
    const [lastLow, lastWidth] = [low, width]
    low = Math.min(Math.max(Math.floor((ng * i - h) / mg) + 1, 0), n)
    high = Math.min(Math.ceil((ng * i + h) / mg), n + 1)
    if (high <= low) return 1
    let value = low === 0 ? 0 : 1
    for (let j = low; j < high; j++) {
      value = ((a[j - lastLow] as number) * i + value * j) / (i + j)
      a[j - low] = value
    }
    width = high - low
    if (lastWidth > width) a.fill(1, width, lastWidth)
  }
  return a[high - low - 1] as number
}

/** P(Dₙ ≥ x) of one sample of n. */
export function oneSampleTail(n: number, x: number): number {
  if (x >= 1) return 0
  if (x <= 0) return 1
  const t = n * x
  const square = t * x
  if (t <= 0.5) return 1
  if (t <= 1) return 1 - Math.exp(lnGamma(n + 1) - n * Math.log(n) + n * Math.log(2 * t - 1))
  if (t >= n - 1) return 2 * (1 - x) ** n
  if (x >= 0.5) return 2 * smirnovTail(n, x)
  if (n <= 140) return square <= 4 ? 1 - durbin(n, x) : 2 * smirnovTail(n, x)
  if (square >= 370) return 0
  if (square >= 2.2) return 2 * smirnovTail(n, x)
  return 1 - (n <= 100_000 && n * x ** 1.5 <= 1.4 ? durbin(n, x) : pelzGood(n, x))
}

/** P(Dₙ⁺ ≥ x): Smirnov's sum, its terms by their logarithms. */
function smirnovTail(n: number, x: number): number {
  let sum = 0
  const last = Math.floor(n * (1 - x))
  let choose = 0
  for (let v = 0; v <= last; v++) {
    if (v > 0) choose += Math.log((n - v + 1) / v)
    const rest = 1 - x - v / n
    if (rest <= 0) continue
    sum += Math.exp(choose + (v - 1) * Math.log(x + v / n) + (n - v) * Math.log(rest) + Math.log(x))
  }
  return sum
}

/** Durbin's matrix (Marsaglia, Tsang & Wang 2003): the exact distribution where n·x is small. */
function durbin(n: number, x: number): number {
  const t = n * x
  const k = Math.floor(t) + 1
  const m = 2 * k - 1
  const h = k - t
  const matrix = Array.from({ length: m }, (_, i) =>
    Float64Array.from({ length: m }, (_, j) => (i - j + 1 < 0 ? 0 : 1)),
  )
  for (let i = 0; i < m; i++) {
    const [first, last] = [matrix[i] as Float64Array, matrix[m - 1] as Float64Array]
    first[0] = (first[0] as number) - h ** (i + 1)
    last[i] = (last[i] as number) - h ** (m - i)
  }
  const corner = matrix[m - 1] as Float64Array
  corner[0] = (corner[0] as number) + (2 * h - 1 > 0 ? (2 * h - 1) ** m : 0)
  for (let i = 0; i < m; i++)
    for (let j = 0; j < m; j++) {
      if (i - j + 1 <= 0) continue
      const row = matrix[i] as Float64Array
      for (let g = 1; g <= i - j + 1; g++) row[j] = (row[j] as number) / g
    }
  const { values, exponent } = powered(matrix, n)
  let result = (values[k - 1] as Float64Array)[k - 1] as number
  let shift = exponent
  for (let i = 1; i <= n; i++) {
    result = (result * i) / n
    if (result < 1e-140) {
      result *= 1e140
      shift -= 140
    }
  }
  return result * 10 ** shift
}

interface Scaled {
  values: Float64Array[]
  exponent: number
}
function powered(matrix: Float64Array[], n: number): Scaled {
  if (n === 1) return { values: matrix, exponent: 0 }
  const half = powered(matrix, Math.floor(n / 2))
  let values = product(half.values, half.values)
  let exponent = 2 * half.exponent
  if (n % 2 === 1) values = product(matrix, values)
  const middle = Math.floor(values.length / 2)
  if (((values[middle] as Float64Array)[middle] as number) > 1e140) {
    for (const row of values) for (let j = 0; j < row.length; j++) row[j] = (row[j] as number) * 1e-140
    exponent += 140
  }
  return { values, exponent }
}

function product(a: readonly Float64Array[], b: readonly Float64Array[]): Float64Array[] {
  return a.map((row) => {
    const result = new Float64Array(row.length)
    for (let k = 0; k < row.length; k++) {
      const x = row[k] as number
      if (x === 0) continue
      const other = b[k] as Float64Array
      for (let j = 0; j < result.length; j++) result[j] = (result[j] as number) + x * (other[j] as number)
    }
    return result
  })
}

/** Pelz and Good's series: the limit law and three corrections in 1/√n. */
function pelzGood(n: number, x: number): number {
  const pi2 = Math.PI ** 2
  const z = Math.sqrt(n) * x
  const [z2, z4, z6] = [z ** 2, z ** 4, z ** 6]
  if (-pi2 / 8 / z2 < -708) return 0
  const q = Math.exp(-pi2 / 8 / z2)
  const last = Math.ceil((16 * z) / Math.PI)
  const k = [0, 0, 0, 0]
  for (let i = last; i > 0; i--) {
    const odd = (2 * i - 1) ** 2
    const terms = [
      1,
      -z2 + (pi2 / 4) * odd,
      6 * z6 + 2 * z4 + (((2 * z4 - 5 * z2) * pi2) / 4) * odd + ((pi2 ** 2 * (1 - 2 * z2)) / 16) * odd ** 2,
      -30 * z6 -
        90 * z ** 8 +
        ((pi2 * (135 * z4 - 96 * z6)) / 4) * odd +
        ((pi2 ** 2 * (-60 * z2 + 212 * z4)) / 16) * odd ** 2 +
        ((pi2 ** 3 * (5 - 30 * z2)) / 64) * odd ** 3,
    ]
    const power = q ** (8 * i)
    for (let j = 0; j < 4; j++) k[j] = (k[j] as number) * power + (terms[j] as number)
  }
  const root = Math.sqrt(2 * Math.PI)
  const scale = [z, 6 * z4, 72 * z ** 7, 6480 * z ** 10]
  for (let j = 0; j < 4; j++) k[j] = ((k[j] as number) * q * root) / (scale[j] as number)
  const q2 = Math.exp(-pi2 / 2 / z2)
  let [second, third] = [0, 0]
  for (let i = last; i > 0; i--) {
    const weight = i ** 2 * q2 ** (i ** 2)
    second += weight
    third += (3 * z2 - pi2 * i ** 2) * weight
  }
  k[2] = (k[2] as number) - (second * pi2 * root) / (36 * z ** 3)
  k[3] = (k[3] as number) + (third * pi2 * root) / (216 * z6)
  return k.reduce((sum, value, j) => sum + value / n ** (j / 2), 0)
}
