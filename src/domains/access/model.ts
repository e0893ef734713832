/** Nouns of access: projects, tokens, roles. */
import { z } from 'zod'
import { defineBlock } from '#platform/definitions/index.ts'

export const Grant = z
  .string()
  .regex(/^(\*|[a-z_-]+):(\*|[a-z_./-]+)$/, 'a grant is noun:verb, as in model:read')
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
