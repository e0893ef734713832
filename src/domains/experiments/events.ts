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
