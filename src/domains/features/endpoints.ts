/** The native API of feature views as data. */
import { z } from 'zod'
import { endpoint, type Route } from '#platform/http/index.ts'
import type { Features } from './operations.ts'

const KeyOut = z.record(z.string(), z.union([z.string(), z.number()]))
export const featuresEndpoints = (features: Features): Route[] => [
  endpoint({
    id: 'features.list',
    method: 'GET',
    path: '/api/v1/features',
    summary: 'Feature views of the project',
    permission: 'features:read',
    input: z.strictObject({}),
    output: z.object({ views: z.array(z.object({ name: z.string(), definition: z.unknown() })) }),
    run: features.listViews,
  }),
  endpoint({
    id: 'features.online',
    method: 'GET',
    path: '/api/v1/features/:view/online',
    summary: 'The rows that serving reads now',
    permission: 'features:read',
    input: z.strictObject({ view: z.string() }),
    output: z.object({
      at: z.string(),
      names: z.array(z.string()),
      rows: z.array(z.object({ key: KeyOut, at: z.string(), values: z.array(z.number().nullable()) })),
    }),
    async run({ view }, caller) {
      const { at, names, rows } = await features.onlineRows({ view }, caller)
      return {
        at,
        names: [...names],
        rows: rows
          .filter((r) => r !== undefined)
          .map((r) => ({ key: { ...r.key }, at: r.at, values: [...r.values] })),
      }
    },
  }),
  endpoint({
    id: 'features.materialize',
    method: 'POST',
    path: '/api/v1/features/:view/materialize',
    summary: 'Bring a view up to the newest accepted version of its dataset',
    permission: 'features:write',
    input: z.strictObject({ view: z.string() }),
    output: z.object({
      view: z.string(),
      dataset: z.string(),
      version: z.number(),
      rows: z.number(),
      at: z.string(),
      online: z.number(),
    }),
    run: features.materialize,
  }),
]
