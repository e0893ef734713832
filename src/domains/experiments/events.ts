/** Facts that experiments announce; metrics are telemetry and announce nothing. */
import { z } from 'zod'
import { defineEvent } from '#platform/events/event.ts'

export const runStarted = defineEvent(
  'experiments.run.started',
  z.object({ run: z.string(), experiment: z.string(), name: z.string() }),
)
export const runEnded = defineEvent(
  'experiments.run.ended',
  z.object({ run: z.string(), status: z.string() }),
)
/** Deletions are soft, and an experiment's name is what people know it by: both are for the audit log. */
export const experimentChanged = defineEvent(
  'experiments.experiment.changed',
  z.object({
    experiment: z.string(),
    change: z.enum(['created', 'renamed', 'tagged', 'untagged', 'deleted', 'restored']),
    name: z.string(),
  }),
)
export const runStaged = defineEvent(
  'experiments.run.staged',
  z.object({ run: z.string(), stage: z.enum(['active', 'deleted']) }),
)
export const modelChanged = defineEvent(
  'experiments.model.changed',
  z.object({ model: z.string(), change: z.enum(['created', 'finished', 'deleted']) }),
)
