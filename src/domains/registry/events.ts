/** Facts that the registry announces. */
import { z } from 'zod'
import { defineEvent } from '#platform/events/event.ts'

const Version = z.object({ model: z.string(), version: z.number() })
export const versionRegistered = defineEvent(
  'registry.version.registered',
  Version.extend({ runId: z.string(), kind: z.string() }),
)
export const versionGated = defineEvent(
  'registry.version.gated',
  Version.extend({
    passed: z.boolean(),
    passedCount: z.number(),
    count: z.number(),
    reasons: z.array(z.string()),
  }),
)
export const modelChanged = defineEvent(
  'registry.model.changed',
  z.object({ model: z.string(), change: z.string() }),
)
export const versionChanged = defineEvent('registry.version.changed', Version.extend({ change: z.string() }))
export const aliasMoved = defineEvent(
  'registry.alias.moved',
  Version.extend({ alias: z.string(), from: z.number().nullable() }),
)
