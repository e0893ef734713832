/** Facts that lineage announces. */
import { z } from 'zod'
import { defineEvent } from '#platform/events/event.ts'

const Version = z.object({ model: z.string(), version: z.number(), reproduction: z.string() })
export const reproductionStarted = defineEvent('lineage.reproduction.started', Version)
export const reproductionEnded = defineEvent(
  'lineage.reproduction.ended',
  Version.extend({ state: z.string(), verdict: z.string().nullable() }),
)
