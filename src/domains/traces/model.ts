/** Nouns of traces: a request to a language model as a tree of spans, and assessments of it. */
export const traceStates = ['OK', 'ERROR', 'IN_PROGRESS', 'STATE_UNSPECIFIED'] as const
export type TraceState = (typeof traceStates)[number]

export interface TraceInfo {
  readonly id: string
  readonly experimentId: string
  readonly clientRequestId: string | undefined
  readonly state: TraceState
  /** Milliseconds since 1970. */
  readonly requestedAt: number
  readonly durationMs: number | undefined
  readonly requestPreview: string | undefined
  readonly responsePreview: string | undefined
  readonly metadata: Readonly<Record<string, string>>
  readonly tags: Readonly<Record<string, string>>
}
export interface Span {
  /** `tr-` and the trace id in hex. */
  readonly trace: string
  readonly span: string
  readonly parent: string | undefined
  readonly name: string
  readonly type: string | undefined
  readonly status: 'OK' | 'ERROR' | 'UNSET'
  readonly startedNs: bigint
  readonly endedNs: bigint | undefined
  /** The whole span in OpenTelemetry's proto-JSON. */
  readonly body: string
}
export type Json = Readonly<Record<string, unknown>>
export interface Assessment {
  readonly id: string
  readonly trace: string
  readonly kind: 'feedback' | 'expectation'
  readonly name: string
  /** Everything else as it came: source, value, rationale, metadata, `overrides`. */
  readonly body: Json
  readonly valid: boolean
  readonly createdAt: number
  readonly updatedAt: number
}
export interface TraceClause {
  readonly entity: 'attribute' | 'tag' | 'metadata' | 'span' | 'feedback' | 'expectation'
  readonly key: string
  readonly comparator: string
  readonly value: string | number | readonly string[] | undefined
}
export interface TraceOrder {
  readonly key: string
  readonly ascending: boolean
}
export interface TraceSearch {
  readonly experimentIds: readonly string[]
  readonly clauses: readonly TraceClause[]
  readonly orders: readonly TraceOrder[]
  readonly limit: number
  readonly offset: number
}
