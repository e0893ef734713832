/** Pure decisions of traces. */
import type { Json, Span, TraceInfo, TraceState } from './model.ts'

const nsPerMs = 1_000_000n
const msOf = (ns: bigint) => Number(ns / nsPerMs)

/** What spans say of their trace, where no client said it: the root decides, once it has ended. */
export function traceFromSpans(trace: string, experimentId: string, spans: readonly Span[]): TraceInfo {
  const root = spans.find((span) => span.parent === undefined)
  const [first] = spans.map((span) => span.startedNs).sort((a, b) => Number(a - b))
  const states: Record<Span['status'], TraceState> = { OK: 'OK', ERROR: 'ERROR', UNSET: 'OK' }
  return {
    id: trace,
    experimentId,
    clientRequestId: undefined,
    state: root?.endedNs === undefined ? 'IN_PROGRESS' : states[root.status],
    requestedAt: msOf(root?.startedNs ?? first ?? 0n),
    durationMs: root?.endedNs === undefined ? undefined : msOf(root.endedNs - root.startedNs),
    requestPreview: undefined,
    responsePreview: undefined,
    metadata: {},
    tags: root === undefined ? {} : { 'mlflow.traceName': root.name },
  }
}

/** The value of a feedback or an expectation as text, for searches. */
export function assessedValue(body: Json): string | undefined {
  const held = (body.feedback ?? body.expectation) as
    | { value?: unknown; serialized_value?: { value?: unknown } }
    | undefined
  const value = held?.value ?? held?.serialized_value?.value
  if (value === undefined || value === null) return undefined
  return typeof value === 'string' ? value : JSON.stringify(value)
}
