/** Facts that traces announce; spans are telemetry and announce nothing. */
import { z } from 'zod'
import { defineEvent } from '#platform/events/event.ts'

export const tracesDeleted = defineEvent(
  'traces.deleted',
  z.object({ experiment: z.string(), count: z.number() }),
)
export const assessmentChanged = defineEvent(
  'traces.assessment.changed',
  z.object({
    trace: z.string(),
    assessment: z.string(),
    name: z.string(),
    change: z.enum(['created', 'changed', 'deleted']),
  }),
)
