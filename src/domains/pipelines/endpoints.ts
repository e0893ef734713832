/** The native API of pipelines as data. */
import { z } from 'zod'
import { endpoint, type Route } from '#platform/http/index.ts'
import { PipelineRun, stepStates } from './model.ts'
import type { Pipelines, StartPipelineRun } from './operations.ts'

const ParamValue = z.union([z.string(), z.number(), z.boolean()])
const Run = z.strictObject({ run: z.string() })
const Step = Run.extend({ step: z.string() })
const Why = z.object({
  run: z.string(),
  step: z.string(),
  state: z.enum(stepStates),
  sentence: z.string(),
  startedBy: z.string(),
  key: z.string().optional(),
  parts: z.record(z.string(), z.unknown()).optional(),
  differs: z.array(z.string()).optional(),
  reusedFrom: z.string().optional(),
  waitingOn: z.string().optional(),
  lines: z.array(z.string()),
})

export const pipelinesEndpoints = (pipelines: Pipelines): Route[] => [
  endpoint({
    id: 'pipelines.list',
    method: 'GET',
    path: '/api/v1/pipelines',
    summary: 'Pipelines of the project',
    permission: 'pipeline:read',
    input: z.strictObject({}),
    output: z.object({ pipelines: z.array(z.object({ name: z.string(), definition: z.unknown() })) }),
    run: pipelines.listPipelines,
  }),
  endpoint({
    id: 'pipelines.startRun',
    method: 'POST',
    path: '/api/v1/pipelines/:pipeline/runs',
    summary: 'Run a pipeline',
    permission: 'pipeline:run',
    status: 201,
    input: z.strictObject({
      pipeline: z.string(),
      params: z.record(z.string(), ParamValue).default({}),
      noCache: z.boolean().default(false),
    }),
    output: PipelineRun,
    run: (command: StartPipelineRun, caller) => pipelines.startRun(command, caller),
  }),
  endpoint({
    id: 'pipelines.listRuns',
    method: 'GET',
    path: '/api/v1/pipeline-runs',
    summary: 'Pipeline runs, newest first',
    permission: 'pipeline:read',
    input: z.strictObject({
      pipeline: z.string().optional(),
      below: z.coerce.number().int().optional(),
      limit: z.coerce.number().int().min(1).max(200).default(20),
    }),
    output: z.object({ pipelineRuns: z.array(PipelineRun) }),
    run: (command, caller) => pipelines.listRuns(command as { limit: number }, caller),
  }),
  endpoint({
    id: 'pipelines.getRun',
    method: 'GET',
    path: '/api/v1/pipeline-runs/:run',
    summary: 'A pipeline run with its steps',
    permission: 'pipeline:read',
    input: Run,
    output: PipelineRun,
    run: pipelines.getRun,
  }),
  endpoint({
    id: 'pipelines.log',
    method: 'GET',
    path: '/api/v1/pipeline-runs/:run/steps/:step/log',
    summary: 'The log of a step from a byte on',
    permission: 'pipeline:read',
    input: Step.extend({ from: z.coerce.number().int().min(0).default(0) }),
    output: z.object({ text: z.string(), next: z.number(), state: z.enum(stepStates) }),
    run: pipelines.logOf,
  }),
  endpoint({
    id: 'pipelines.why',
    method: 'GET',
    path: '/api/v1/pipeline-runs/:run/steps/:step/why',
    summary: 'Why a step ran, was cached, waits or failed',
    permission: 'pipeline:read',
    input: Step,
    output: Why,
    run: pipelines.why as (
      command: { run: string; step: string },
      caller: Parameters<Pipelines['why']>[1],
    ) => Promise<z.output<typeof Why>>,
  }),
  endpoint({
    id: 'pipelines.retry',
    method: 'POST',
    path: '/api/v1/pipeline-runs/:run/retry',
    summary: 'Go on from the steps that did not end well',
    permission: 'pipeline:run',
    input: Run,
    output: PipelineRun,
    run: pipelines.retry,
  }),
  endpoint({
    id: 'pipelines.cancel',
    method: 'POST',
    path: '/api/v1/pipeline-runs/:run/cancel',
    summary: 'Stop a pipeline run and its programs',
    permission: 'pipeline:run',
    input: Run,
    output: PipelineRun,
    run: pipelines.cancel,
  }),
]
