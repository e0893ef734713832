/** Requests to language models as trees of spans, and what was said of them. Read next: operations.ts. */
import { traces } from './migrations/0001-traces.ts'

export type { Assessment, Json, Span, TraceClause, TraceInfo, TraceOrder, TraceState } from './model.ts'
export { traceStates } from './model.ts'
export { type FoundTrace, openTraces, type Traces } from './operations.ts'

export const tracesMigrations = [traces]
