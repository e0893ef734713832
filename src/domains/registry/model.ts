/** Nouns of the registry: models, versions, gates, aliases. */
import { z } from 'zod'
import { defineBlock, duration, type Objection } from '#platform/definitions/index.ts'

const GateName = z.string().regex(/^[a-z0-9_-]{1,64}$/i)
const metricNames = ['wape', 'rmse', 'mae', 'bias'] as const
export const Gate = z.union([
  z.strictObject({
    name: GateName,
    metric: z.enum(metricNames),
    max: z.number().optional(),
    min: z.number().optional(),
    /** The bound is this many times that subject's value. */
    times: z.enum(['champion', 'naive']).optional(),
    every_slice: z.string().optional(),
    min_rows: z.int().min(1).default(1),
  }),
  z.strictObject({ name: GateName, latency: z.enum(['p95']), max: duration() }),
  z.strictObject({ name: GateName, parity: z.enum(['max_abs']), max: z.number() }),
])
export type Gate = z.output<typeof Gate>

export const ApprovalPolicy = z.strictObject({
  from: z.array(z.string().regex(/^role:[\w-]+$/, 'written as role:NAME')).min(1),
  count: z.int().min(1).default(1),
  not_author: z.boolean().default(true),
  expires: duration().default('7d'),
})
export type ApprovalPolicy = z.output<typeof ApprovalPolicy>

export const ModelDefinition = z.strictObject({
  signature: z.strictObject({ in: z.string(), out: z.record(z.string(), z.string()) }),
  /** The feature that is the forecast of doing nothing. */
  naive: z.string().optional(),
  gates: z.array(Gate).default([]),
  approvals: z.strictObject({ to_production: ApprovalPolicy.optional() }).default({}),
})
export type ModelDefinition = z.output<typeof ModelDefinition>

export const modelsBlock = defineBlock({
  name: 'models',
  summary: 'Models, their gates and who approves them',
  schema: z.record(z.string().regex(/^[a-z0-9][\w.-]{0,127}$/i), ModelDefinition),
  objections(block, whole) {
    const views = (whole.features as Record<string, { columns?: object }> | undefined) ?? {}
    const roles = Object.keys((whole.access as { roles?: object } | undefined)?.roles ?? {})
    return Object.entries(block).flatMap(([name, model]): Objection[] => {
      const view = views[model.signature.in]
      const found: Objection[] = []
      if (view === undefined)
        found.push({
          path: ['models', name, 'signature', 'in'],
          message: `there is no feature view \`${model.signature.in}\``,
        })
      else if (model.naive !== undefined && !(model.naive in (view.columns ?? {}))) {
        found.push({
          path: ['models', name, 'naive'],
          message: `\`${model.signature.in}\` has no column \`${model.naive}\``,
          fix: `one of: ${Object.keys(view.columns ?? {}).join(', ')}`,
        })
      }
      for (const from of model.approvals.to_production?.from ?? []) {
        if (!roles.includes(from.slice('role:'.length)))
          found.push({
            path: ['models', name, 'approvals', 'to_production', 'from'],
            message: `there is no role \`${from.slice(5)}\``,
            fix: 'add it under access.roles',
          })
      }
      return found
    })
  },
})

export const GateResult = z.object({
  name: z.string(),
  passed: z.boolean(),
  observed: z.number().nullable(),
  bound: z.number().nullable(),
  sentence: z.string(),
})
export type GateResult = z.output<typeof GateResult>

export const versionStates = ['registered', 'gated', 'refused'] as const
export type ModelVersionState = (typeof versionStates)[number]
export const ModelVersion = z
  .object({
    project: z.string(),
    model: z.string(),
    version: z.number(),
    state: z.enum(versionStates),
    tree: z.string(),
    /** Null where a client registered files that nothing here has converted. */
    onnx: z.string().nullable(),
    features: z.array(z.string()),
    kind: z.string(),
    parityMaxAbs: z.number().nullable(),
    latencyP95Ms: z.number().nullable(),
    source: z.string().optional(),
    view: z.string(),
    runId: z.string(),
    environmentLock: z.string(),
    code: z.object({ tree: z.string(), commit: z.string().optional(), dirty: z.boolean() }),
    datasets: z.array(z.object({ dataset: z.string(), version: z.number(), id: z.string() })),
    evaluationId: z.string().optional(),
    gates: z.array(GateResult),
    aliases: z.array(z.string()),
    createdAt: z.number(),
    createdBy: z.string(),
  })
  .meta({ id: 'ModelVersion' })
export type ModelVersion = z.output<typeof ModelVersion>
export const AliasMove = z.object({
  alias: z.string(),
  version: z.number(),
  from: z.number().nullable(),
  at: z.number(),
  by: z.string(),
})
export type AliasMove = z.output<typeof AliasMove>

/** Metrics that gates read: of the challenger and of those it is compared with, on the same rows. */
export interface Subject {
  readonly name: string
  readonly metrics: Readonly<Record<string, number | null>> & { readonly rows: number }
  readonly slices: Readonly<
    Record<
      string,
      readonly {
        readonly value: string
        readonly metrics: Readonly<Record<string, number | null>> & { readonly rows: number }
      }[]
    >
  >
}
