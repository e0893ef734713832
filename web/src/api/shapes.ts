/** What the server answers, as far as the pages read it. */
export interface Step {
  readonly name: string
  readonly kind: string
  readonly state: string
  readonly attempt: number
  readonly summary: string
  readonly startedAt?: number
  readonly finishedAt?: number
}
export interface PipelineRun {
  readonly id: string
  readonly pipeline: string
  readonly state: string
  readonly happenedAt: number
  readonly createdBy: string
  readonly trigger: { readonly kind: string; readonly cause: Readonly<Record<string, unknown>> }
  readonly steps: readonly Step[]
}
export interface Gate {
  readonly name: string
  readonly passed: boolean
  readonly sentence: string
}
export interface Review {
  readonly id: string
  readonly subject: string
  readonly question: string
  readonly state: string
  readonly expiresAt: number
  readonly evidence: { readonly gates?: readonly Gate[]; readonly pipelineRun?: string } | null
}
export interface Rollout {
  readonly state: string
  readonly revision: number
  readonly stable: number | null
  readonly windows: number
  readonly weight: number
  readonly reason: string
  readonly findings: readonly {
    readonly metric: string
    readonly verdict: string
    readonly sentence: string
  }[]
}
export interface Revision {
  readonly number: number
  readonly model: string
  readonly version: number
  readonly createdAt: number
  readonly createdBy: string
}
export interface Endpoint {
  readonly name: string
  readonly stable?: Revision
  readonly rollout?: Rollout
  readonly revisions: readonly Revision[]
  readonly requests: number
  readonly errors: number
  readonly latencyP95Ms: number | null
}
export interface MonitorWindow {
  readonly day: string
  readonly metrics: Readonly<Record<string, number | null>>
}
export interface HouseEvent {
  readonly seq: number
  readonly type: string
  readonly subject: string
  readonly actor: string
  readonly happenedAt: number
  readonly payload: Readonly<Record<string, unknown>>
}
export interface DatasetVersion {
  readonly dataset: string
  readonly version: number
  readonly id: string
  readonly rows: number
  readonly bytes: number
  readonly state: string
  readonly message: string
  readonly createdAt: number
  readonly createdBy: string
  readonly parents: readonly { readonly dataset: string; readonly version: number }[]
}
export interface ModelVersion {
  readonly version: number
  readonly state: string
  readonly kind: string
  readonly runId: string
  readonly aliases: readonly string[]
  readonly gates: readonly Gate[]
  readonly parityMaxAbs: number | null
  readonly createdAt: number
  readonly environmentLock: string
  readonly code: { readonly tree: string; readonly commit?: string; readonly dirty: boolean }
  readonly datasets: readonly { readonly dataset: string; readonly version: number }[]
}
