/** The native API of validation as data. */
import { z } from 'zod'
import { endpoint, type Route } from '#platform/http/index.ts'
import { CheckResult } from './model.ts'
import type { Validation } from './operations.ts'

export const validationEndpoints = (validation: Validation): Route[] => [
  endpoint({
    id: 'datasets.check',
    method: 'POST',
    path: '/api/v1/datasets/:dataset/versions/:version/check',
    summary: 'Hold a version against the checks of its dataset',
    permission: 'dataset:check',
    input: z.strictObject({
      dataset: z.string(),
      version: z.union([z.literal('latest'), z.coerce.number().int().min(1)]),
    }),
    output: z.object({
      version: z.number(),
      passed: z.boolean(),
      checks: z.array(CheckResult),
      quarantinedRows: z.number(),
      summary: z.string(),
    }),
    async run(command, caller) {
      const report = await validation.checkVersion(command, caller)
      return { ...report, checks: [...report.checks] }
    },
  }),
]
