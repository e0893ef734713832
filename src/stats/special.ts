/** Special functions behind p-values: gamma, incomplete gamma and beta, the normal's tails, Bessel's K. Pure. */

const lanczos = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
]
const tiny = 1e-300
const precise = 1e-16
const termsMax = 10_000

/** ln Γ(x) for x > 0: Stirling's series above 15, Lanczos' below. */
export function lnGamma(x: number): number {
  if (x < 0.5) return Math.log(Math.PI / Math.abs(Math.sin(Math.PI * x))) - lnGamma(1 - x)
  if (x > 15) {
    const y = 1 / (x * x)
    const series =
      (1 / 12 - y * (1 / 360 - y * (1 / 1260 - y * (1 / 1680 - y * (1 / 1188 - (y * 691) / 360360))))) / x
    return (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI) + series
  }
  const z = x - 1
  const t = z + 7.5
  const sum = lanczos.reduce((s, c, i) => (i === 0 ? c : s + c / (z + i)), 0)
  return 0.5 * Math.log(2 * Math.PI) + (z + 0.5) * Math.log(t) - t + Math.log(sum)
}

/** Q(a, x): the upper regularised incomplete gamma function; the tail of chi-square is Q(k/2, x/2). */
export function upperGamma(a: number, x: number): number {
  if (x === Number.POSITIVE_INFINITY) return 0
  if (!(x > 0)) return 1
  const front = Math.exp(a * Math.log(x) - x - lnGamma(a))
  if (x < a + 1) {
    let term = 1 / a
    let sum = term
    for (let n = 1; n < termsMax && Math.abs(term) > Math.abs(sum) * precise; n++) {
      term *= x / (a + n)
      sum += term
    }
    return 1 - sum * front
  }
  let b = x + 1 - a
  let c = 1 / tiny
  let d = 1 / b
  let h = d
  for (let i = 1; i < termsMax; i++) {
    const an = -i * (i - a)
    b += 2
    d = 1 / away(an * d + b)
    c = away(b + an / c)
    h *= d * c
    if (Math.abs(d * c - 1) < precise) break
  }
  return front * h
}
const away = (value: number) => (Math.abs(value) < tiny ? tiny : value)

export const chiSquareTail = (x: number, degrees: number): number => upperGamma(degrees / 2, x / 2)

/** I(x; a, b): the regularised incomplete beta function. */
export function beta(x: number, a: number, b: number): number {
  if (x <= 0) return 0
  if (x >= 1) return 1
  const front = Math.exp(lnGamma(a + b) - lnGamma(a) - lnGamma(b) + a * Math.log(x) + b * Math.log1p(-x))
  return x < (a + 1) / (a + b + 2)
    ? (front * betaFraction(x, a, b)) / a
    : 1 - (front * betaFraction(1 - x, b, a)) / b
}

function betaFraction(x: number, a: number, b: number): number {
  let c = 1
  let d = 1 / away(1 - ((a + b) * x) / (a + 1))
  let h = d
  for (let m = 1; m < termsMax; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m))
    d = 1 / away(1 + even * d)
    c = away(1 + even / c)
    h *= d * c
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1))
    d = 1 / away(1 + odd * d)
    c = away(1 + odd / c)
    h *= d * c
    if (Math.abs(d * c - 1) < precise) break
  }
  return h
}

/** P(|T| > |t|) of Student's t. */
export const studentTails = (t: number, degrees: number): number =>
  beta(degrees / (degrees + t * t), degrees / 2, 0.5)

/** P(Z > z) of the standard normal. */
export function normalTail(z: number): number {
  if (Number.isNaN(z)) return Number.NaN
  const half = upperGamma(0.5, (z * z) / 2) / 2
  return z >= 0 ? half : 1 - half
}

/** K of order ν at x > 0, by the trapezoid rule on ∫ exp(−x cosh t) cosh(νt) dt, which converges geometrically. */
export function besselK(order: number, x: number): number {
  const step = 1 / 64
  let sum = Math.exp(-x) / 2
  for (let i = 1; i < termsMax; i++) {
    const t = i * step
    const term = Math.exp(-x * Math.cosh(t)) * Math.cosh(order * t)
    sum += term
    if (term <= sum * 1e-18) break
  }
  return sum * step
}
