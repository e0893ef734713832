/** The native API of projects and tokens as data. */
import { z } from 'zod'
import { endpoint, type Route } from '#platform/http/index.ts'
import { Grant, Project, Token } from './model.ts'
import type { Access } from './operations.ts'

const dayMs = 86_400_000
const ttlDaysMax = 730

export const accessEndpoints = (access: Access): Route[] => [
  endpoint({
    id: 'projects.list',
    method: 'GET',
    path: '/api/v1/projects',
    summary: 'Projects of this server',
    permission: 'project:read',
    input: z.strictObject({}),
    output: z.object({ projects: z.array(Project) }),
    run: access.listProjects,
  }),
  endpoint({
    id: 'projects.get',
    method: 'GET',
    path: '/api/v1/projects/:name',
    summary: 'One project',
    permission: 'project:read',
    input: z.strictObject({ name: z.string() }),
    output: Project,
    run: access.getProject,
  }),
  endpoint({
    id: 'projects.create',
    method: 'POST',
    path: '/api/v1/projects',
    summary: 'Make a project',
    permission: 'project:write',
    status: 201,
    input: z.strictObject({ name: z.string(), timezone: z.string().default('UTC') }),
    output: Project,
    run: access.createProject,
  }),
  endpoint({
    id: 'projects.setClock',
    method: 'PUT',
    path: '/api/v1/clock',
    summary: 'Put the clock of the project, for a replay; it only goes forward',
    permission: 'project:replay',
    input: z.strictObject({ nowMs: z.int().min(0) }),
    output: z.object({ nowMs: z.number() }),
    run: access.setClock,
  }),
  endpoint({
    id: 'tokens.create',
    method: 'POST',
    path: '/api/v1/tokens',
    summary: 'Make a token; its secret is shown once',
    permission: 'token:write',
    status: 201,
    input: z.strictObject({
      actor: z.string().min(1).max(120),
      grants: z.array(Grant).min(1).max(100),
      days: z.number().min(0.001).max(ttlDaysMax).default(90),
      everyProject: z.boolean().default(false),
    }),
    output: z.object({ token: z.string(), id: z.string(), expiresAt: z.number() }),
    run: ({ days, ...command }, caller) => access.createToken({ ...command, ttlMs: days * dayMs }, caller),
  }),
  endpoint({
    id: 'tokens.list',
    method: 'GET',
    path: '/api/v1/tokens',
    summary: 'Tokens of the project, without their secrets',
    permission: 'token:read',
    input: z.strictObject({}),
    output: z.object({ tokens: z.array(Token) }),
    run: access.listTokens,
  }),
  endpoint({
    id: 'tokens.revoke',
    method: 'DELETE',
    path: '/api/v1/tokens/:id',
    summary: 'Revoke a token',
    permission: 'token:write',
    input: z.strictObject({ id: z.string() }),
    output: z.object({}),
    run: access.revokeToken,
  }),
]
