/** The native API of lineage as data. */
import { z } from 'zod'
import { endpoint, type Route } from '#platform/http/index.ts'
import { Reproduction, Why } from './model.ts'
import type { Lineage } from './operations.ts'
import type { Reproductions } from './reproduce.ts'

const Version = z.strictObject({ model: z.string().max(200), version: z.coerce.number().int().min(1) })

export const lineageEndpoints = (lineage: Lineage, reproductions: Reproductions): Route[] => [
  endpoint({
    id: 'predictions.why',
    method: 'GET',
    path: '/api/v1/predictions/:id/why',
    summary: 'From a prediction to the bytes, code and environment that made it',
    permission: 'prediction:read',
    input: z.strictObject({ id: z.string().max(200) }),
    output: Why,
    run: lineage.whyPrediction,
  }),
  endpoint({
    id: 'models.reproduce',
    method: 'POST',
    path: '/api/v1/models/:model/versions/:version/reproductions',
    summary: 'Rebuild a model version from its lock, bytes and code, and compare',
    permission: 'pipeline:run',
    input: Version,
    output: Reproduction,
    run: reproductions.reproduce,
  }),
  endpoint({
    id: 'models.reproductions',
    method: 'GET',
    path: '/api/v1/models/:model/versions/:version/reproductions',
    summary: 'Reproductions of a model version, newest first',
    permission: 'model:read',
    input: Version,
    output: z.object({ reproductions: z.array(Reproduction) }),
    run: reproductions.listReproductions,
  }),
  endpoint({
    id: 'reproductions.get',
    method: 'GET',
    path: '/api/v1/reproductions/:id',
    summary: 'One reproduction: its verdict, or how far it is',
    permission: 'model:read',
    input: z.strictObject({ id: z.string().max(64) }),
    output: Reproduction,
    run: reproductions.getReproduction,
  }),
]
