/** Detectors of change in a stream, one value at a time, as river has them: ADWIN, DDM, EDDM, Page-Hinkley, KSWIN. */
import { kolmogorovSmirnov } from './kolmogorov.ts'
import { pythonMersenne } from './mersenne.ts'
import { sortedCopy } from './sorted.ts'

export interface Signal {
  readonly drift: boolean
  readonly warning: boolean
}
/** Takes the next value; a detector that signalled drift begins anew with the value after it. */
export type Detector = (value: number) => Signal
const quiet: Signal = { drift: false, warning: false }
const drifted: Signal = { drift: true, warning: false }

/** A detector that is made anew after each drift. */
function renewed(make: () => Detector): Detector {
  let detector = make()
  let isSpent = false
  return (value) => {
    if (isSpent) detector = make()
    const signal = detector(value)
    isSpent = signal.drift
    return signal
  }
}

/** Errors as 0 and 1 (Gama et al. 2004): p + s above its least by 2 s warns, by 3 s drifts. */
export const ddm = ({ warmStart = 30, warning = 2, drift = 3 } = {}): Detector =>
  renewed(() => {
    let [n, p, least, pLeast, sLeast] = [0, 0, Number.POSITIVE_INFINITY, 0, 0]
    return (error) => {
      n++
      p += (error - p) / n
      const s = Math.sqrt((p * (1 - p)) / n)
      if (n <= warmStart) return quiet
      if (p + s <= least) [least, pLeast, sLeast] = [p + s, p, s]
      if (p + s > pLeast + drift * sLeast) return drifted
      return { drift: false, warning: p + s > pLeast + warning * sLeast }
    }
  })

/** Distances between errors (Baena-García et al. 2006). */
export const eddm = ({ warmStart = 30, alpha = 0.95, beta = 0.9 } = {}): Detector =>
  renewed(() => {
    let [n, last, errors, mean, squares, most] = [0, 0, 0, 0, 0, -1]
    let signal = quiet
    const reach = (distance: number): number => {
      errors++
      const before = mean
      mean += (distance - mean) / errors
      squares += (distance - before) * (distance - mean)
      return mean + 2 * Math.sqrt(errors > 1 ? squares / (errors - 1) : 0)
    }
    const judged = (level: number): Signal => {
      if (level < beta) return drifted
      return level < alpha ? { drift: false, warning: true } : quiet
    }
    return (error) => {
      n++
      if (error !== 1) return signal
      const now = reach(n - last)
      last = n
      if (n <= warmStart) return signal
      if (now > most) most = now
      else if (errors > warmStart) signal = judged(now / most)
      return signal
    }
  })

/** Cumulated deviations from the running mean (Page 1954; Hinkley 1971). */
export const pageHinkley = ({
  minInstances = 30,
  delta = 0.005,
  threshold = 50,
  alpha = 0.9999,
  mode = 'both' as 'up' | 'down' | 'both',
} = {}): Detector =>
  renewed(() => {
    let [n, mean, up, down, upLeast, downMost] = [
      0,
      0,
      0,
      0,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
    ]
    return (value) => {
      n++
      mean += (value - mean) / n
      const deviation = value - mean
      up = alpha * up + deviation - delta
      down = alpha * down + deviation + delta
      upLeast = Math.min(upLeast, up)
      downMost = Math.max(downMost, down)
      if (n < minInstances) return quiet
      const isUp = mode !== 'down' && up - upLeast > threshold
      const isDown = mode !== 'up' && downMost - down > threshold
      return isUp || isDown ? drifted : quiet
    }
  })

/** The last values against a sample of those before them, by Kolmogorov and Smirnov (Raab et al. 2020). */
export function kswin({ alpha = 0.005, windowSize = 100, statSize = 30, seed = 0 } = {}): Detector {
  let random = pythonMersenne(seed)
  let window: number[] = []
  let isSpent = false
  return (value) => {
    // After a drift the peer forgets its window and its draws.
    if (isSpent) [window, random] = [[], pythonMersenne(seed)]
    isSpent = false
    window.push(value)
    if (window.length > windowSize) window.shift()
    if (window.length < windowSize) return quiet
    const older = random.sample(windowSize - statSize, statSize).map((i) => window[i] as number)
    const recent = window.slice(windowSize - statSize)
    const { statistic, pValue } = kolmogorovSmirnov(sortedCopy(older), sortedCopy(recent))
    if (pValue > alpha || statistic <= 0.1) return quiet
    isSpent = true
    return drifted
  }
}

/** Mean, spread and width of a window that shrinks where its halves differ. */
export interface Adwin {
  readonly take: Detector
  readonly width: () => number
  readonly estimation: () => number
}

/** ADWIN2 (Bifet & Gavaldà 2007): rows of buckets of 2^i values; a cut where two sub-windows' means differ too much. */
export function adwin({ delta = 0.002, clock = 32, maxBuckets = 5, minWindow = 5, grace = 10 } = {}): Adwin {
  let window = new BucketWindow(maxBuckets)
  let isSpent = false
  let ticks = 0
  return {
    width: () => window.width,
    estimation: () => (window.width === 0 ? 0 : window.total / window.width),
    take(value) {
      if (isSpent) {
        window = new BucketWindow(maxBuckets)
        ticks = 0
      }
      ticks++
      window.add(value)
      isSpent = ticks % clock === 0 && window.width > grace && window.shrink(delta, minWindow)
      return isSpent ? drifted : quiet
    },
  }
}

interface Bucket {
  readonly total: number
  /** Σ of squared deviations within it. */
  readonly spread: number
}

class BucketWindow {
  readonly #maxBuckets: number
  /** Row i holds buckets of 2^i values, oldest first. */
  readonly #rows: Bucket[][] = [[]]
  width = 0
  total = 0
  #spread = 0

  constructor(maxBuckets: number) {
    this.#maxBuckets = maxBuckets
  }

  add(value: number): void {
    this.width++
    this.#rows[0]?.push({ total: value, spread: 0 })
    if (this.width > 1)
      this.#spread += ((this.width - 1) * (value - this.total / (this.width - 1)) ** 2) / this.width
    this.total += value
    this.#compress()
  }

  #compress(): void {
    for (let i = 0; (this.#rows[i]?.length ?? 0) > this.#maxBuckets; i++) {
      const [a, b] = (this.#rows[i] as Bucket[]).splice(0, 2) as [Bucket, Bucket]
      const n = 2 ** i
      const spread = a.spread + b.spread + (n * n * (a.total / n - b.total / n) ** 2) / (2 * n)
      this.#rows[i + 1] ??= []
      this.#rows[i + 1]?.push({ total: a.total + b.total, spread })
    }
  }

  #dropOldest(): void {
    const at = this.#rows.length - 1
    const bucket = (this.#rows[at] as Bucket[]).shift() as Bucket
    const n = 2 ** at
    this.width -= n
    this.total -= bucket.total
    const gap = bucket.total / n - this.total / this.width
    this.#spread -= bucket.spread + (n * this.width * gap ** 2) / (n + this.width)
    while (this.#rows.length > 1 && this.#rows.at(-1)?.length === 0) this.#rows.pop()
  }

  /** Drops old buckets while some split is a cut. */
  shrink(delta: number, minWindow: number): boolean {
    let isShrunk = false
    while (this.#hasCut(delta, minWindow)) {
      isShrunk = true
      this.#dropOldest()
    }
    return isShrunk
  }

  #hasCut(delta: number, minWindow: number): boolean {
    let [n0, total0] = [0, 0]
    for (let row = this.#rows.length - 1; row >= 0; row--) {
      const buckets = this.#rows[row] as Bucket[]
      for (const [k, bucket] of buckets.entries()) {
        if (row === 0 && k === buckets.length - 1) return false
        n0 += 2 ** row
        total0 += bucket.total
        const n1 = this.width - n0
        if (n0 < minWindow) continue
        if (n1 < minWindow) return false
        if (this.#differs({ n0, n1, gap: total0 / n0 - (this.total - total0) / n1, delta, minWindow }))
          return true
      }
    }
    return false
  }

  #differs(split: { n0: number; n1: number; gap: number; delta: number; minWindow: number }): boolean {
    const { n0, n1, gap, delta, minWindow } = split
    const logs = Math.log((2 * Math.log(this.width)) / delta)
    const harmonic = 1 / (n0 - minWindow + 1) + 1 / (n1 - minWindow + 1)
    const variance = this.#spread / this.width
    return Math.abs(gap) > Math.sqrt(2 * harmonic * variance * logs) + (2 / 3) * logs * harmonic
  }
}
