/** Nouns of experiments: runs with parameters, metrics and tags, in MLflow's sense. */
import { z } from 'zod'

export const runStatuses = ['scheduled', 'running', 'finished', 'failed', 'killed'] as const
export type RunStatus = (typeof runStatuses)[number]

export const Metric = z.object({
  key: z.string().min(1).max(250),
  /** NaN and infinities travel as the strings that JSON has no number for. */
  value: z.union([z.number(), z.enum(['NaN', 'Infinity', '-Infinity'])]),
  step: z.int().default(0),
  timestamp: z.int().optional(),
})
export type Metric = z.output<typeof Metric>
export const KeyValue = z.object({ key: z.string().min(1).max(250), value: z.string().max(6_000) })
export type KeyValue = z.output<typeof KeyValue>

export const Run = z
  .object({
    id: z.string(),
    experiment: z.string(),
    name: z.string(),
    status: z.enum(runStatuses),
    startedAt: z.number(),
    endedAt: z.number().optional(),
    startedBy: z.string(),
    params: z.record(z.string(), z.string()),
    /** The latest value of each metric: highest step, then time, then value. */
    metrics: z.record(z.string(), z.union([z.number(), z.string()])),
    tags: z.record(z.string(), z.string()),
  })
  .meta({ id: 'Run' })
export type Run = z.output<typeof Run>
