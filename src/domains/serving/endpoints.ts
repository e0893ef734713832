/** The native API of endpoints as data. */
import { z } from 'zod'
import { endpoint, type Route } from '#platform/http/index.ts'
import { EndpointStatus, Rollout } from './model.ts'
import type { Serving } from './operations.ts'

const Name = z.strictObject({ endpoint: z.string() })
export const servingEndpoints = (
  serving: Serving,
  mayDeploy: (
    command: { model: string; version: number },
    caller: Parameters<Serving['statusOf']>[1],
    isForced: boolean,
  ) => Promise<void>,
): Route[] => [
  endpoint({
    id: 'endpoints.list',
    method: 'GET',
    path: '/api/v1/endpoints',
    summary: 'Endpoints with what answers now',
    permission: 'endpoint:read',
    input: z.strictObject({}),
    output: z.object({ endpoints: z.array(EndpointStatus) }),
    run: serving.list,
  }),
  endpoint({
    id: 'endpoints.get',
    method: 'GET',
    path: '/api/v1/endpoints/:endpoint',
    summary: 'One endpoint: revisions and rollout',
    permission: 'endpoint:read',
    input: Name,
    output: EndpointStatus,
    run: serving.statusOf,
  }),
  endpoint({
    id: 'endpoints.deploy',
    method: 'POST',
    path: '/api/v1/endpoints/:endpoint/deploy',
    summary: 'Start a rollout of a model version',
    permission: 'endpoint:deploy',
    input: Name.extend({ model: z.string(), version: z.int().min(1), force: z.boolean().default(false) }),
    output: z.object({ revision: z.number(), rollout: Rollout, sentence: z.string() }),
    async run({ force, ...command }, caller) {
      await mayDeploy(command, caller, force)
      return serving.deploy(command, caller)
    },
  }),
  endpoint({
    id: 'endpoints.rollback',
    method: 'POST',
    path: '/api/v1/endpoints/:endpoint/rollback',
    summary: 'Point back to an earlier revision at once',
    permission: 'endpoint:rollback',
    input: Name.extend({ to: z.int().min(1).optional(), reason: z.string().max(2_000).default('') }),
    output: z.object({ from: z.number(), to: z.number(), ms: z.number() }),
    run: (command, caller) => serving.rollback(command as { endpoint: string; reason: string }, caller),
  }),
]
