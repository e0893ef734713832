/** Facts that pipelines announce. */
import { z } from 'zod'
import { defineEvent } from '#platform/events/event.ts'

const Run = z.object({ run: z.string(), pipeline: z.string(), state: z.string() })
export const pipelineRunQueued = defineEvent(
  'pipelines.run.queued',
  Run.extend({ trigger: z.string(), cause: z.record(z.string(), z.unknown()) }),
)
export const pipelineRunEnded = defineEvent('pipelines.run.ended', Run.extend({ summary: z.string() }))
export const pipelineRunMoved = defineEvent('pipelines.run.moved', Run)
export const stepEnded = defineEvent(
  'pipelines.step.ended',
  z.object({
    run: z.string(),
    pipeline: z.string(),
    step: z.string(),
    state: z.string(),
    attempt: z.number(),
    summary: z.string(),
  }),
)
