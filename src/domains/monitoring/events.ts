/** Facts that monitoring announces. */
import { z } from 'zod'
import { defineEvent } from '#platform/events/event.ts'

export const windowClosed = defineEvent(
  'monitoring.window.closed',
  z.object({
    monitor: z.string(),
    endpoint: z.string(),
    window: z.object({ from: z.number(), to: z.number() }),
    metrics: z.record(z.string(), z.number().nullable()),
    labelVersion: z.object({ dataset: z.string(), version: z.number() }),
  }),
)
