/** Nouns of evaluation: subjects measured on the same rows. */
import { z } from 'zod'

export const Metrics = z.object({
  rows: z.number(),
  wape: z.number().nullable(),
  rmse: z.number().nullable(),
  mae: z.number().nullable(),
  bias: z.number().nullable(),
})
export type Metrics = z.output<typeof Metrics>
export const Slice = z.object({ value: z.string(), metrics: Metrics })
export const Subject = z.object({
  /** `challenger`, `champion`, `naive`, or the name that the question gave. */
  name: z.string(),
  model: z.string().optional(),
  version: z.number().optional(),
  metrics: Metrics,
  slices: z.record(z.string(), z.array(Slice)),
})
export type Subject = z.output<typeof Subject>
export const Evaluation = z
  .object({
    id: z.string(),
    model: z.string(),
    view: z.string(),
    /** Days, first and last, of the rows. */
    from: z.string(),
    to: z.string(),
    rows: z.number(),
    dataset: z.object({ dataset: z.string(), version: z.number(), id: z.string() }),
    subjects: z.array(Subject),
    createdAt: z.number(),
  })
  .meta({ id: 'Evaluation' })
export type Evaluation = z.output<typeof Evaluation>
