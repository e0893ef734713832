/** The native API of runs as data. */
import { z } from 'zod'
import { endpoint, type Route } from '#platform/http/index.ts'
import { KeyValue, Metric, Run } from './model.ts'
import type { Experiments } from './operations.ts'

const Empty = z.object({})
const Summary = Run.omit({ params: true, metrics: true, tags: true })
const metricsMax = 10_000

export const experimentsEndpoints = (experiments: Experiments): Route[] => [
  endpoint({
    id: 'runs.start',
    method: 'POST',
    path: '/api/v1/runs',
    summary: 'Start a run',
    permission: 'run:write',
    status: 201,
    input: z.strictObject({
      experiment: z.string().min(1).max(250),
      name: z.string().max(250).optional(),
      tags: z.array(KeyValue).max(100).default([]),
    }),
    output: z.object({ id: z.string() }),
    run: ({ name, ...rest }, caller) =>
      experiments.startRun(name === undefined ? rest : { ...rest, name }, caller),
  }),
  endpoint({
    id: 'runs.search',
    method: 'GET',
    path: '/api/v1/runs',
    summary: 'Runs, newest first',
    permission: 'run:read',
    input: z.strictObject({
      experiment: z.string().optional(),
      beforeMs: z.coerce.number().optional(),
      limit: z.coerce.number().int().min(1).max(1_000).default(100),
    }),
    output: z.object({ runs: z.array(Summary) }),
    run: (command, caller) => experiments.searchRuns(command as { limit: number }, caller),
  }),
  endpoint({
    id: 'runs.get',
    method: 'GET',
    path: '/api/v1/runs/:run',
    summary: 'A run with its parameters, latest metrics and tags',
    permission: 'run:read',
    input: z.strictObject({ run: z.string() }),
    output: Run,
    run: experiments.getRun,
  }),
  endpoint({
    id: 'runs.log',
    method: 'POST',
    path: '/api/v1/runs/:run/log',
    summary: 'Log metrics, parameters and tags',
    permission: 'run:write',
    input: z.strictObject({
      run: z.string(),
      metrics: z.array(Metric).max(metricsMax).default([]),
      params: z.array(KeyValue).max(1_000).default([]),
      tags: z.array(KeyValue).max(1_000).default([]),
    }),
    output: Empty,
    async run(command, caller) {
      await experiments.logBatch(command, caller)
      return {}
    },
  }),
  endpoint({
    id: 'runs.end',
    method: 'POST',
    path: '/api/v1/runs/:run/end',
    summary: 'End a run',
    permission: 'run:write',
    input: z.strictObject({ run: z.string(), status: z.enum(['finished', 'failed', 'killed']) }),
    output: Empty,
    async run(command, caller) {
      await experiments.endRun(command, caller)
      return {}
    },
  }),
  endpoint({
    id: 'runs.metricHistory',
    method: 'GET',
    path: '/api/v1/runs/:run/metrics/:key',
    summary: 'All values of a metric of a run',
    permission: 'run:read',
    input: z.strictObject({ run: z.string(), key: z.string() }),
    output: z.object({
      points: z.array(
        z.object({ step: z.number(), timestamp: z.number(), value: z.union([z.number(), z.string()]) }),
      ),
    }),
    run: experiments.metricHistory,
  }),
]
