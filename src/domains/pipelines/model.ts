/** Nouns of pipelines: definitions as people write them, pipeline runs, steps, artifacts. Read next: graph.ts. */
import { z } from 'zod'
import { defineBlock, duration, type Objection, reference } from '#platform/definitions/index.ts'
import { graphObjections } from './graph.ts'

const Name = z.string().regex(/^[a-z0-9][a-z0-9_-]{0,63}$/i, 'a name has letters, digits, `-` and `_`')
const Variable = z
  .string()
  .regex(
    /^(?!HEADRACE_)[A-Za-z_][A-Za-z0-9_]{0,127}$/,
    'a variable has letters, digits and `_`; HEADRACE_ is ours',
  )
const After = z.array(Name).default([])
const Windows = z
  .string()
  .regex(/^\d+ windows?$/, 'written as `2 windows`')
  .transform((s) => Number.parseInt(s, 10))

export const EnvironmentDefinition = z.strictObject({
  python: z.string().optional(),
  /** A file of the project. */
  requirements: z.string().optional(),
  threads: z.int().min(1).max(256).optional(),
})
export const Trigger = z.union([
  z.strictObject({ new_version: Name }),
  z.strictObject({
    /** `monitor/metric` */
    metric: z.string().regex(/^[\w.-]+\/[\w.-]+$/, 'written as monitor/metric'),
    above: z.number().optional(),
    below: z.number().optional(),
    for: Windows.default(1),
    cooldown: duration().default('0d'),
  }),
  z.strictObject({
    /** Minute, hour, day of the month, month, day of the week. */
    cron: z.string().max(200),
    /** The project's where left out. */
    zone: z.string().max(64).optional(),
    /** How late a time that passed while no server ran is made up for, once. */
    catch_up: duration().default('1h'),
  }),
  z.strictObject({
    /** `POST /api/v1/hooks/NAME` */
    webhook: Name,
    /** With it, deliveries that are signed by it need no token. */
    secret: z
      .string()
      .regex(/^secret:[A-Za-z][A-Za-z0-9_.-]*$/, 'written as secret:NAME')
      .optional(),
  }),
  z.strictObject({ manual: z.literal(true) }),
])
export type Trigger = z.output<typeof Trigger>

export const ParamDefinition = z.strictObject({
  type: z.enum(['string', 'number', 'boolean', 'duration']),
  default: z.union([z.string(), z.number(), z.boolean()]).optional(),
  min: z.union([z.string(), z.number()]).optional(),
  help: z.string().optional(),
})
const Retry = z.strictObject({
  times: z.int().min(0).max(20),
  backoff: duration().default('1s'),
  on: z.array(z.string()).default([]),
})

export const StepDefinition = z.union([
  z.strictObject({
    run: z.string().min(1),
    in: z.record(Name, reference()).default({}),
    out: z.record(Name, z.enum(['dataset', 'model', 'file'])).default({}),
    /** Variables of the program: values, `param:NAME` or `secret:NAME`. */
    env: z.record(Variable, z.union([z.string().max(32_768), z.number(), z.boolean()])).default({}),
    metrics: z.array(z.string()).optional(),
    environment: EnvironmentDefinition.optional(),
    resources: z
      .strictObject({
        timeout: duration().optional(),
        cpu: z.number().optional(),
        memory: z.string().optional(),
      })
      .optional(),
    cache: z.enum(['content', 'never']).default('content'),
    retry: Retry.optional(),
    after: After,
  }),
  z.strictObject({ check: Name, after: After }),
  z.strictObject({ materialize: Name, after: After }),
  z.strictObject({
    evaluate: reference(),
    model: Name,
    on: reference(),
    against: z.array(z.enum(['champion', 'naive'])).default(['champion']),
    slices: z.array(z.string()).default([]),
    after: After,
  }),
  z.strictObject({ model: Name, from: reference(), after: After }),
  z.strictObject({ deploy: Name, to: Name, after: After }),
])
export type StepDefinition = z.output<typeof StepDefinition>
export type RunStepDefinition = Extract<StepDefinition, { run: string }>

export const stepKinds = ['run', 'check', 'materialize', 'evaluate', 'register', 'deploy'] as const
export type StepKindName = (typeof stepKinds)[number]
export const kindOf = (step: StepDefinition): StepKindName => {
  if ('run' in step) return 'run'
  if ('check' in step) return 'check'
  if ('materialize' in step) return 'materialize'
  if ('evaluate' in step) return 'evaluate'
  return 'deploy' in step ? 'deploy' : 'register'
}

export const PipelineDefinition = z.strictObject({
  triggers: z.array(Trigger).default([]),
  params: z.record(Name, ParamDefinition).default({}),
  concurrency: z
    .strictObject({
      group: Name,
      limit: z.int().min(1).default(1),
      on_conflict: z.enum(['queue']).default('queue'),
    })
    .optional(),
  environment: EnvironmentDefinition.optional(),
  steps: z.record(Name, StepDefinition),
})
export type PipelineDefinition = z.output<typeof PipelineDefinition>

export const pipelinesBlock = defineBlock({
  name: 'pipelines',
  summary: 'Steps, what they need and make, and what starts them',
  schema: z.record(Name, PipelineDefinition),
  objections: (block, whole): Objection[] => graphObjections(block, whole),
})

export const Artifact = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('dataset'), dataset: z.string(), version: z.number(), id: z.string() }),
  z.object({
    kind: z.literal('model'),
    tree: z.string(),
    runId: z.string(),
    environmentLock: z.string(),
    datasets: z.array(z.object({ dataset: z.string(), version: z.number(), id: z.string() })),
  }),
  z.object({ kind: z.literal('file'), digest: z.string(), size: z.number(), name: z.string() }),
  z.object({ kind: z.literal('value'), value: z.unknown() }),
  z.object({ kind: z.literal('model_version'), model: z.string(), version: z.number() }),
  z.object({ kind: z.literal('evaluation'), id: z.string() }),
])
export type Artifact = z.output<typeof Artifact>
export type Outputs = Readonly<Record<string, Artifact>>

export const runStates = ['queued', 'running', 'waiting', 'succeeded', 'failed', 'cancelled'] as const
export type RunState = (typeof runStates)[number]
export const stepStates = [
  'pending',
  'running',
  'waiting',
  'succeeded',
  'cached',
  'refused',
  'failed',
  'skipped',
  'cancelled',
] as const
export type StepState = (typeof stepStates)[number]

export const Cause = z.object({
  kind: z.enum(['new_version', 'metric', 'cron', 'webhook', 'manual']),
  cause: z.record(z.string(), z.unknown()),
})
export type Cause = z.output<typeof Cause>

export const Step = z.object({
  name: z.string(),
  kind: z.enum(stepKinds),
  state: z.enum(stepStates),
  attempt: z.number(),
  startedAt: z.number().optional(),
  finishedAt: z.number().optional(),
  summary: z.string(),
  runId: z.string().optional(),
  outputs: z.record(z.string(), Artifact),
  waitingOn: z.string().optional(),
})
export type Step = z.output<typeof Step>
export const PipelineRun = z
  .object({
    id: z.string(),
    pipeline: z.string(),
    state: z.enum(runStates),
    params: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
    trigger: Cause,
    /** On the project's clock. */
    happenedAt: z.number(),
    createdAt: z.number(),
    startedAt: z.number().optional(),
    finishedAt: z.number().optional(),
    createdBy: z.string(),
    steps: z.array(Step),
  })
  .meta({ id: 'PipelineRun' })
export type PipelineRun = z.output<typeof PipelineRun>
