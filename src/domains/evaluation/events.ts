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
export const scorerRegistered = defineEvent(
  'evaluation.scorer.registered',
  z.object({ experiment: z.string(), name: z.string(), version: z.number() }),
)
export const scorerDeleted = defineEvent(
  'evaluation.scorer.deleted',
  z.object({ experiment: z.string(), name: z.string(), versions: z.array(z.number()) }),
)
export const evaluationSetChanged = defineEvent(
  'evaluation.set.changed',
  z.object({ set: z.string(), change: z.enum(['created', 'records', 'tags', 'experiments', 'deleted']) }),
)
