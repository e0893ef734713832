/** Facts that evaluation announces. */
import { z } from 'zod'
import { defineEvent } from '#platform/events/event.ts'

export const evaluationFinished = defineEvent(
  'evaluation.evaluation.finished',
  z.object({
    evaluation: z.string(),
    model: z.string(),
    rows: z.number(),
    wape: z.record(z.string(), z.number().nullable()),
  }),
)
