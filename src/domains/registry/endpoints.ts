/** The native API of models as data. */
import { z } from 'zod'
import { endpoint, type Route } from '#platform/http/index.ts'
import { AliasMove, GateResult, ModelVersion } from './model.ts'
import type { Registry } from './operations.ts'

const Ref = z.strictObject({ model: z.string(), version: z.coerce.number().int().min(1) })

export const registryEndpoints = (registry: Registry): Route[] => [
  endpoint({
    id: 'models.list',
    method: 'GET',
    path: '/api/v1/models',
    summary: 'Models with their champions',
    permission: 'model:read',
    input: z.strictObject({}),
    output: z.object({
      models: z.array(z.object({ name: z.string(), versions: z.number(), champion: z.number().optional() })),
    }),
    run: registry.listModels,
  }),
  endpoint({
    id: 'models.get',
    method: 'GET',
    path: '/api/v1/models/:model',
    summary: 'A model: versions, and who was champion when',
    permission: 'model:read',
    input: z.strictObject({ model: z.string() }),
    output: z.object({ name: z.string(), versions: z.array(ModelVersion), history: z.array(AliasMove) }),
    run: registry.getModel,
  }),
  endpoint({
    id: 'models.getVersion',
    method: 'GET',
    path: '/api/v1/models/:model/versions/:version',
    summary: 'One version with its gates and lineage',
    permission: 'model:read',
    input: Ref,
    output: ModelVersion,
    run: registry.getVersion,
  }),
  endpoint({
    id: 'models.gate',
    method: 'POST',
    path: '/api/v1/models/:model/versions/:version/gate',
    summary: 'Hold a version against the gates of its model',
    permission: 'model:gate',
    input: Ref,
    output: z.object({ passed: z.boolean(), gates: z.array(GateResult) }),
    run: registry.gateVersion,
  }),
  endpoint({
    id: 'models.promote',
    method: 'POST',
    path: '/api/v1/models/:model/versions/:version/promote',
    summary: 'Point an alias at a version whose gates have passed',
    permission: 'model:promote',
    input: Ref.extend({
      alias: z
        .string()
        .regex(/^[a-z0-9_-]{1,64}$/i)
        .default('champion'),
    }),
    output: ModelVersion,
    run: registry.promote,
  }),
]
