/** Facts that serving announces. */
import { z } from 'zod'
import { defineEvent } from '#platform/events/event.ts'

const Base = z.object({ endpoint: z.string(), revision: z.number(), model: z.string(), version: z.number() })
export const revisionCreated = defineEvent('serving.revision.created', Base)
export const rolloutMoved = defineEvent(
  'serving.rollout.advanced',
  Base.extend({ state: z.string(), weight: z.number(), sentence: z.string() }),
)
export const rolloutPromoted = defineEvent(
  'serving.rollout.promoted',
  Base.extend({ from: z.number().nullable() }),
)
export const rolledBack = defineEvent(
  'serving.rollout.rolled_back',
  Base.extend({ to: z.number().nullable(), reason: z.string() }),
)
