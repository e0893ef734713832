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

const user = z.object({ user: z.string() })
const held = z.object({
  subject: z.string(),
  project: z.string(),
  resource: z.string(),
  role: z.string(),
})
const signIn = z.object({ user: z.string(), address: z.string() })
export const userAdded = defineEvent('access.user.added', user)
export const userRemoved = defineEvent('access.user.removed', user)
export const passwordSet = defineEvent('access.user.password_set', user)
export const userRegrouped = defineEvent(
  'access.user.regrouped',
  z.object({ user: z.string(), group: z.string(), member: z.boolean() }),
)
export const roleGranted = defineEvent('access.role.granted', held)
export const roleRevoked = defineEvent('access.role.revoked', held)
export const sessionOpened = defineEvent('access.session.opened', signIn)
export const sessionRefused = defineEvent('access.session.refused', signIn)
export const sessionClosed = defineEvent('access.session.closed', z.object({}))
