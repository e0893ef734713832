/** The native API of lineage as data. */
import { z } from 'zod'
import { endpoint, type Route } from '#platform/http/index.ts'
import { type Lineage, Why } from './operations.ts'

export const lineageEndpoints = (lineage: Lineage): Route[] => [
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
]
