/** Facts that monitoring announces. */
import { z } from 'zod'
import { defineEvent } from '#platform/events/event.ts'

const Metrics = z.record(z.string(), z.number().nullable())
const LabelVersion = z.object({ dataset: z.string(), version: z.number() })
const Span = z.object({ from: z.number(), to: z.number() })

export const windowClosed = defineEvent(
  'monitoring.window.closed',
  z.object({
    monitor: z.string(),
    endpoint: z.string(),
    window: Span,
    metrics: Metrics,
    /** Weighted absolute percentage error of each revision, whether it answered or ran beside. */
    byRevision: Metrics,
    labelVersion: LabelVersion,
  }),
)
/** Labels came late or changed: a fact of its own, so that nothing which a closing sets off happens twice. */
export const windowRevised = defineEvent(
  'monitoring.window.revised',
  z.object({
    monitor: z.string(),
    endpoint: z.string(),
    window: Span,
    metrics: Metrics,
    before: Metrics,
    labelVersion: LabelVersion,
  }),
)
