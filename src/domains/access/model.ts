/** Nouns of access: projects, tokens, roles. */
import { z } from 'zod'
import { defineBlock } from '#platform/definitions/index.ts'
import { roles } from './rules.ts'

export const Grant = z
  .string()
  .regex(
    /^(\*|[a-z_-]+)(\/[\w.@-]{1,128})?:(\*|[a-z_./-]+)$/,
    'a grant is noun:verb or noun/name:verb, as in model:read',
  )
export const accessBlock = defineBlock({
  name: 'access',
  summary: 'Roles and who has them',
  schema: z.strictObject({
    roles: z
      .record(z.string(), z.strictObject({ can: z.array(z.string()), members: z.array(z.string()) }))
      .default({}),
  }),
})
export const Project = z
  .object({
    name: z.string(),
    owner: z.string(),
    timezone: z.string(),
    createdAt: z.number(),
    clockMs: z.number().optional(),
  })
  .meta({ id: 'Project' })
export type Project = z.output<typeof Project>
export const Token = z.object({
  id: z.string(),
  project: z.string(),
  actor: z.string(),
  grants: z.array(z.string()),
  createdAt: z.number(),
  expiresAt: z.number(),
  lastUsedAt: z.number().optional(),
  revokedAt: z.number().optional(),
})
export type Token = z.output<typeof Token>

export const UserName = z
  .string()
  .regex(/^[a-z0-9][\w.@+-]{0,119}$/i, 'a name has letters, digits, `.`, `_`, `@`, `+` and `-`')
  // What other actors are called.
  .refine((name) => !['owner', 'anonymous'].includes(name.toLowerCase()), 'this name is taken')
export const NewUser = z.strictObject({ user: UserName, password: z.string().max(1_024) })

const everywhere = z.literal('*')
const subject = z.string().regex(/^(user|group):[\w.@+-]{1,120}$/, 'written as user:NAME or group:NAME')
const HeldRole = z.object({
  subject,
  project: everywhere.or(z.string().regex(/^[a-z0-9][a-z0-9_.-]{0,62}$/, 'a name of a project, or *')),
  resource: everywhere.or(z.string().regex(/^[a-z_-]+:[\w.@-]{1,128}$/, 'written as model:NAME, or *')),
  role: z.enum(roles),
})
export const GrantCommand = z.strictObject({
  ...HeldRole.shape,
  resource: HeldRole.shape.resource.default('*'),
  revoke: z.boolean().default(false),
})
export type GrantCommand = z.output<typeof GrantCommand>
export const User = z.object({
  user: z.string(),
  createdAt: z.number(),
  groups: z.array(z.string()),
  roles: z.array(HeldRole),
})
export type User = z.output<typeof User>
const Reason = z.object({ ...HeldRole.shape, grants: z.array(z.string()) })
export const Why = z.object({ allowed: z.boolean(), because: z.array(Reason), held: z.array(Reason) })
export type Why = z.output<typeof Why>
