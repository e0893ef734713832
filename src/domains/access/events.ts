/** Facts that access announces; never a secret in them. */
import { z } from 'zod'
import { defineEvent } from '#platform/events/event.ts'

export const projectCreated = defineEvent(
  'access.project.created',
  z.object({ name: z.string(), timezone: z.string() }),
)
export const clockSet = defineEvent('access.project.clock_set', z.object({ nowMs: z.number() }))
export const tokenCreated = defineEvent(
  'access.token.created',
  z.object({ id: z.string(), actor: z.string(), grants: z.array(z.string()), expiresAt: z.number() }),
)
export const tokenRevoked = defineEvent('access.token.revoked', z.object({ id: z.string() }))
