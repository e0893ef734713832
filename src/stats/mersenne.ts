/** The Mersenne Twister (Matsumoto & Nishimura 1998) with the seeds and draws of numpy's legacy generator and of Python's. */

const size = 624
const half = 397

export interface Random {
  /** 32 bits. */
  next(): number
  /** A whole number from 0 to `max`, as numpy's legacy generator draws it: masked, drawn again where above. */
  upTo(max: number): number
  /** `count` of the numbers below `n` without replacement, as Python's `random.sample` takes them. */
  sample(n: number, count: number): number[]
}

/** Seeded as `numpy.random.seed(seed)`. */
export const mersenne = (seed: number): Random => generator(seeded(seed))

/** Seeded as `random.Random(seed)`, of a whole number below 2^32. */
export function pythonMersenne(seed: number): Random {
  const state = seeded(19_650_218)
  let i = 1
  const mixed = (factor: number) => {
    const before = state[i - 1] as number
    return (state[i] as number) ^ Math.imul(before ^ (before >>> 30), factor)
  }
  const step = () => {
    i++
    if (i < size) return
    state[0] = state[size - 1] as number
    i = 1
  }
  for (let k = 0; k < size; k++) {
    state[i] = (mixed(1_664_525) + seed) >>> 0
    step()
  }
  for (let k = 0; k < size - 1; k++) {
    state[i] = (mixed(1_566_083_941) - i) >>> 0
    step()
  }
  state[0] = 0x80000000
  return generator(state)
}

function seeded(seed: number): Uint32Array {
  const state = new Uint32Array(size)
  state[0] = seed >>> 0
  for (let i = 1; i < size; i++) {
    const before = state[i - 1] as number
    state[i] = (Math.imul(1_812_433_253, before ^ (before >>> 30)) + i) >>> 0
  }
  return state
}

function twist(state: Uint32Array): void {
  for (let i = 0; i < size; i++) {
    const y = ((state[i] as number) & 0x80000000) | ((state[(i + 1) % size] as number) & 0x7fffffff)
    state[i] = (state[(i + half) % size] as number) ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0)
  }
}

function generator(state: Uint32Array): Random {
  let at = size
  const next = (): number => {
    if (at === size) {
      twist(state)
      at = 0
    }
    let y = state[at++] as number
    y ^= y >>> 11
    y ^= (y << 7) & 0x9d2c5680
    y ^= (y << 15) & 0xefc60000
    return (y ^ (y >>> 18)) >>> 0
  }
  const below = (n: number): number => {
    const bits = 32 - Math.clz32(n)
    for (;;) {
      const drawn = next() >>> (32 - bits)
      if (drawn < n) return drawn
    }
  }
  return {
    next,
    upTo(max) {
      const mask = max === 0 ? 0 : 0xffffffff >>> Math.clz32(max)
      for (;;) {
        const drawn = (next() & mask) >>> 0
        if (drawn <= max) return drawn
      }
    },
    sample(n, count) {
      const pool = Array.from({ length: n }, (_, i) => i)
      return Array.from({ length: count }, (_, i) => {
        const j = below(n - i)
        const taken = pool[j] as number
        pool[j] = pool[n - i - 1] as number
        return taken
      })
    },
  }
}
