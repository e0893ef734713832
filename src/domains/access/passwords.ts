/** Passwords as scrypt digests that carry their salt and cost; checked off the main thread, two at a time. */
import { createHmac, randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { Fault } from '#base/errors.ts'

const cost = { N: 2 ** 15, r: 8, p: 3 }
const digestBytes = 32
// Each takes 32 MB while it runs; the thread pool has four threads that others need.
const atOnceMax = 2
const waitingMax = 64
let running = 0
const waiting: (() => void)[] = []

async function derive(password: string, salt: Buffer, { N, r, p }: typeof cost): Promise<Buffer> {
  if (running >= atOnceMax) {
    if (waiting.length >= waitingMax)
      throw new Fault('rate_limited', 'access.busy', 'too many sign-ins at once', {
        details: { retryAfterS: 2 },
      })
    await new Promise<void>((resolve) => waiting.push(resolve))
  }
  running++
  try {
    return await new Promise((resolve, reject) =>
      scrypt(
        password.normalize('NFC'),
        salt,
        digestBytes,
        { N, r, p, maxmem: 256 * N * r },
        (error, bytes) => (error === null ? resolve(bytes) : reject(error)),
      ),
    )
  } finally {
    running--
    waiting.shift()?.()
  }
}

/** `scrypt$N$r$p$salt$digest` */
export async function digestOfPassword(password: string): Promise<string> {
  const salt = randomBytes(16)
  const digest = await derive(password, salt, cost)
  return ['scrypt', cost.N, cost.r, cost.p, salt.toString('base64'), digest.toString('base64')].join('$')
}

const nobody = `scrypt$${cost.N}$${cost.r}$${cost.p}$${Buffer.alloc(16).toString('base64')}$${Buffer.alloc(digestBytes).toString('base64')}`

/** Takes as long for a user that is not there. */
export async function isPassword(password: string, stored: string | undefined): Promise<boolean> {
  const [, N = '', r = '', p = '', salt = '', digest = ''] = (stored ?? nobody).split('$')
  const expected = Buffer.from(digest, 'base64')
  const given = await derive(password, Buffer.from(salt, 'base64'), {
    N: Number(N),
    r: Number(r),
    p: Number(p),
  })
  const isSame = expected.length === given.length && timingSafeEqual(expected, given)
  return isSame && stored !== undefined
}

const rememberMs = 300_000
const rememberedMax = 1_000

/** Clients of Basic send the password with every request: what was right is remembered for a while, as a keyed digest. */
export function openRemembered(now: () => number = Date.now) {
  const key = randomBytes(32)
  const right = new Map<string, { stored: string; atMs: number }>()
  const of = (user: string, password: string) =>
    createHmac('sha256', key).update(`${user}\0${password}`).digest('base64')
  return {
    has(user: string, password: string, stored: string | undefined): boolean {
      const found = right.get(of(user, password))
      return found !== undefined && found.stored === stored && now() - found.atMs < rememberMs
    },
    add(user: string, password: string, stored: string): void {
      if (right.size >= rememberedMax) right.delete(right.keys().next().value ?? '')
      right.set(of(user, password), { stored, atMs: now() })
    },
  }
}

interface Failures {
  count: number
  untilMs: number
}
const windowMs = 15 * 60_000
const keysMax = 10_000
/** One address guessing at one user; one address at many; many at one user, so that nobody is locked out cheaply. */
const failuresMax = { pair: 5, address: 30, user: 100 }

/** Counts failures; says how long to wait. */
export function openThrottle(now: () => number = Date.now) {
  const failures = new Map<string, Failures>()
  const keysOf = (user: string, address: string) =>
    [
      [`p ${user} ${address}`, failuresMax.pair],
      [`a ${address}`, failuresMax.address],
      [`u ${user}`, failuresMax.user],
    ] as const
  return {
    /** @throws Fault rate_limited `access.too_many_failures` */
    check(user: string, address: string): void {
      const waits = keysOf(user, address).map(([key, max]) => {
        const found = failures.get(key)
        return found !== undefined && found.count >= max ? found.untilMs - now() : 0
      })
      const waitMs = Math.max(...waits)
      if (waitMs > 0)
        throw new Fault('rate_limited', 'access.too_many_failures', 'too many wrong passwords', {
          remedy: `wait ${Math.ceil(waitMs / 60_000)} minutes`,
          details: { retryAfterS: Math.ceil(waitMs / 1_000) },
        })
    },
    failed(user: string, address: string): void {
      for (const [key] of keysOf(user, address)) {
        const found = failures.get(key)
        const isOver = found === undefined || found.untilMs < now()
        if (isOver && failures.size >= keysMax) failures.delete(failures.keys().next().value ?? '')
        failures.delete(key)
        failures.set(key, { count: isOver ? 1 : found.count + 1, untilMs: now() + windowMs })
      }
    },
    succeeded(user: string, address: string): void {
      failures.delete(`p ${user} ${address}`)
    },
  }
}
