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

export type Stage = 'active' | 'deleted'
export interface Experiment {
  readonly id: string
  readonly name: string
  readonly artifactLocation: string
  readonly stage: Stage
  readonly createdAt: number
  readonly updatedAt: number
  readonly tags: Readonly<Record<string, string>>
}
/** A point of a metric; `special` tells NaN (1, kept as 0) and infinities (2, kept as the largest double) apart. */
export interface LoggedMetric {
  readonly key: string
  readonly value: number
  readonly step: number
  readonly timestamp: number
  readonly special: number
  readonly modelId?: string | undefined
  readonly datasetName?: string | undefined
  readonly datasetDigest?: string | undefined
}
export interface RunInput {
  readonly kind: 'dataset' | 'model' | 'output'
  readonly name: string
  readonly digest: string
  readonly context?: string | undefined
  /** As it came, in JSON. */
  readonly body: string
}
/** A run with all that its clients ask for at once. */
export interface RunDetails {
  readonly id: string
  readonly name: string
  readonly experimentId: string
  readonly userId: string
  readonly status: RunStatus
  readonly startedAt: number
  readonly endedAt: number | undefined
  readonly stage: Stage
  readonly artifactUri: string
  readonly params: readonly KeyValue[]
  readonly tags: readonly KeyValue[]
  readonly metrics: readonly LoggedMetric[]
  readonly inputs: readonly RunInput[]
}
export type RunEntity = 'metric' | 'param' | 'tag' | 'attribute' | 'dataset'
export interface RunClause {
  readonly entity: RunEntity
  readonly key: string
  readonly comparator: string
  readonly value: string | number | readonly string[] | undefined
}
export interface RunOrder {
  readonly entity: RunEntity
  readonly key: string
  readonly ascending: boolean
}
