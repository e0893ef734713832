/** Routes in memory: what answers now, what stands beside it, and what each has done. Hot path: no SQL, no zod. */
import type { EndpointDefinition } from './model.ts'
import type { Measured } from './rules.ts'
import type { RevisionRow, RolloutRow } from './store.ts'

const latenciesKept = 1_000

/** A loaded revision and its counters since it was loaded. */
export class Live {
  readonly row: RevisionRow
  readonly file: string
  readonly features: readonly string[]
  requests = 0
  errors = 0
  readonly #latencies: number[] = []

  constructor(row: RevisionRow, file: string) {
    this.row = row
    this.file = file
    this.features = JSON.parse(row.features)
  }

  count(ms: number, failed: boolean): void {
    this.requests++
    if (failed) this.errors++
    this.#latencies.push(ms)
    if (this.#latencies.length > latenciesKept) this.#latencies.shift()
  }

  measured(labels: { labels: number; wape: number | null }): Measured {
    return { requests: this.requests, errors: this.errors, latencyP95Ms: this.latencyP95Ms(), ...labels }
  }

  latencyP95Ms(): number | null {
    const sorted = [...this.#latencies].sort((a, b) => a - b)
    return sorted[Math.floor(sorted.length * 0.95)] ?? sorted.at(-1) ?? null
  }
}

export interface Route {
  readonly definition: EndpointDefinition
  stable: Live
  candidate: Live | undefined
  rollout: RolloutRow | undefined
  weight: number
}
