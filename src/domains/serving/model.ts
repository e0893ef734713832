/** Nouns of serving: endpoints, revisions, rollouts. */
import { z } from 'zod'
import { defineBlock, duration, durationMs, type Objection, percent } from '#platform/definitions/index.ts'

const Windows = z
  .string()
  .regex(/^\d+ windows?$/, 'written as `3 windows`')
  .transform((s) => Number.parseInt(s, 10))
export const RolloutStep = z.union([
  z.strictObject({ shadow: percent(), for: Windows }),
  z.strictObject({ traffic: percent(), for: Windows }),
])
export type RolloutStep = z.output<typeof RolloutStep>
const share = z
  .union([z.number(), z.string().regex(/^\d+(\.\d+)?%$/)])
  .transform((v) => (typeof v === 'number' ? v : Number(v.slice(0, -1)) / 100))
export const AnalysisRule = z.strictObject({
  metric: z.enum(['error_rate', 'latency_p95', 'wape']),
  max: share,
  times: z.enum(['stable']).optional(),
  /** A latency below this is good whatever the ratio: of two fast answers the ratio is noise. */
  ignore_below: duration().transform(durationMs).optional(),
  on: z.enum(['shadow', 'traffic']).optional(),
  min_labels: z.int().min(1).default(1),
  no_data: z.enum(['hold', 'pass', 'fail']).default('hold'),
})
export type AnalysisRule = z.output<typeof AnalysisRule>
export const EndpointDefinition = z.strictObject({
  /** `demand@champion` */
  model: z.string().regex(/^[\w.-]+@[\w.-]+$/, 'written as model@alias'),
  runtime: z
    .strictObject({ kind: z.enum(['onnx']), timeout: duration().default('2s') })
    .default({ kind: 'onnx', timeout: '2s' }),
  rollout: z
    .strictObject({
      strategy: z.enum(['canary', 'recreate']),
      steps: z.array(RolloutStep).default([]),
      analysis: z.array(AnalysisRule).default([]),
      rollback: z
        .strictObject({ auto: z.boolean().default(true), also_for: duration().optional() })
        .default({ auto: true }),
    })
    .default({ strategy: 'recreate', steps: [], analysis: [], rollback: { auto: true } }),
  log: z
    .strictObject({
      sample: percent().default(1),
      mask: z.array(z.string()).default([]),
      keep: duration().default('90d'),
    })
    .default({ sample: 1, mask: [], keep: '90d' }),
})
export type EndpointDefinition = z.output<typeof EndpointDefinition>
export const endpointsBlock = defineBlock({
  name: 'endpoints',
  summary: 'What is served, and how a new revision takes over',
  schema: z.record(z.string().regex(/^[a-z0-9][\w.-]{0,127}$/i), EndpointDefinition),
  objections(block, whole) {
    const models = Object.keys((whole.models as object | undefined) ?? {})
    return Object.entries(block).flatMap(([name, endpoint]): Objection[] => {
      const model = endpoint.model.split('@')[0] ?? ''
      return models.includes(model)
        ? []
        : [
            {
              path: ['endpoints', name, 'model'],
              message: `there is no model \`${model}\``,
              fix: `one of: ${models.join(', ')}`,
            },
          ]
    })
  },
})

export const rolloutStates = ['shadow', 'canary', 'baking', 'done', 'rolled_back', 'superseded'] as const
export type RolloutState = (typeof rolloutStates)[number]

export const Revision = z.object({
  id: z.string(),
  number: z.number(),
  model: z.string(),
  version: z.number(),
  view: z.string(),
  features: z.array(z.string()),
  createdAt: z.number(),
  createdBy: z.string(),
})
export type Revision = z.output<typeof Revision>
export const Finding = z.object({
  metric: z.string(),
  verdict: z.enum(['pass', 'fail', 'hold']),
  sentence: z.string(),
})
export type Finding = z.output<typeof Finding>
export const Rollout = z.object({
  id: z.string(),
  revision: z.number(),
  stable: z.number().nullable(),
  state: z.enum(rolloutStates),
  step: z.number(),
  /** Windows that closed in this step. */
  windows: z.number(),
  weight: z.number(),
  reason: z.string(),
  findings: z.array(Finding),
  startedAt: z.number(),
  movedAt: z.number(),
})
export type Rollout = z.output<typeof Rollout>
export const EndpointStatus = z
  .object({
    name: z.string(),
    model: z.string(),
    stable: Revision.optional(),
    rollout: Rollout.optional(),
    revisions: z.array(Revision),
    requests: z.number(),
    errors: z.number(),
    latencyP95Ms: z.number().nullable(),
  })
  .meta({ id: 'EndpointStatus' })
export type EndpointStatus = z.output<typeof EndpointStatus>

/** One logged prediction. */
export interface Logged {
  readonly id: string
  readonly revision: number
  readonly role: 'served' | 'shadow'
  readonly key: Readonly<Record<string, string | number>>
  /** The day that it is for. */
  readonly for_day: string
  readonly value: number
  readonly features: readonly (number | null)[]
  readonly at_ms: number
}
