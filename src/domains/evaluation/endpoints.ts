/** The native API of evaluations as data. */
import { z } from 'zod'
import { endpoint, type Route } from '#platform/http/index.ts'
import { Evaluation } from './model.ts'
import type { EvaluationRoom, Rows } from './operations.ts'

const day = z.string().regex(/^\d{4}-\d\d-\d\d$/)
export const evaluationEndpoints = (evaluation: EvaluationRoom): Route[] => [
  endpoint({
    id: 'evaluations.compare',
    method: 'POST',
    path: '/api/v1/evaluations',
    summary: 'Compare model versions and the naive forecast on the same rows',
    permission: 'evaluation:write',
    status: 201,
    input: z.strictObject({
      model: z.string(),
      subjects: z.array(z.strictObject({ model: z.string(), version: z.int().min(1) })).max(20),
      view: z.string(),
      fromDay: day,
      toDay: day,
      slices: z.array(z.string()).max(10).default([]),
    }),
    output: Evaluation,
    run: ({ model, subjects, slices, ...on }, caller) =>
      evaluation.compare({ model, subjects, slices, on: on as Rows }, caller),
  }),
  endpoint({
    id: 'evaluations.get',
    method: 'GET',
    path: '/api/v1/evaluations/:evaluation',
    summary: 'One evaluation',
    permission: 'evaluation:read',
    input: z.strictObject({ evaluation: z.string() }),
    output: Evaluation,
    run: evaluation.get,
  }),
]
