/**
 * Time comes in from outside. Instants are epoch milliseconds UTC in code and in tables; ISO text only at the rim.
 * A project in replay has its own clock (cron, freshness, cool-down, windows); leases and tokens use the wall clock.
 */
export interface Clock {
  /** Epoch milliseconds. */
  now(): number
}

export const wallClock: Clock = { now: () => Date.now() }

/** A clock that stands where it was put, for tests and replays. */
export class ManualClock implements Clock {
  #nowMs: number
  constructor(nowMs: number) {
    this.#nowMs = nowMs
  }
  now(): number {
    return this.#nowMs
  }
  set(nowMs: number): void {
    this.#nowMs = nowMs
  }
  advance(byMs: number): void {
    this.#nowMs += byMs
  }
}

export const secondMs = 1_000
export const minuteMs = 60 * secondMs
export const hourMs = 60 * minuteMs
export const dayMs = 24 * hourMs

/** `2017-04-17T00:00:00.000Z` of epoch milliseconds. */
export const isoInstant = (epochMs: number): string => new Date(epochMs).toISOString()
