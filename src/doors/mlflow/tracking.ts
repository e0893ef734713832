/**
 * Runs, metrics, parameters, tags, inputs and searches on MLflow's wire. Hot path (log-metric, log-batch): fields are
 * checked by hand, without zod, and one unit goes to the writer; bench/mlflow.ts measures it.
 */
import { posix } from 'node:path'
import type { Route } from '#platform/http/index.ts'
import type {
  ExperimentFiles,
  Experiments,
  KeyValue,
  LoggedMetric,
  RunDetails,
  RunStatus,
} from '../../domains/experiments/index.ts'
import { checkedPath, listing } from './artifacts.ts'
import { invalidParameter, invalidValue, missingParameter } from './errors.ts'
import { stagesOf } from './experiments.ts'
import { type Grammar, parseFilter, parseOrders, textComparators } from './filter.ts'
import { inventedName } from './names.ts'
import { mlflowRoute } from './routes.ts'
import {
  type Json,
  message,
  messagesOf,
  offsetOf,
  pageSizeOf,
  pairsOf,
  presentText,
  requiredDouble,
  requiredMessage,
  requiredText,
  requiredWhole,
  textOf,
  textsOf,
  tokenFor,
  tokenOf,
  wholeOf,
} from './wire.ts'

const limits = { metrics: 1_000, params: 100, tags: 100, all: 1_000 }
const keyCharsMax = 250
const paramCharsMax = 6_000
const tagCharsMax = 8_000
const historyMax = 25_000
const runsMax = 50_000
const largest = 1.7976931348623157e308

const idOf = (fields: Json): string => {
  const id = textOf(fields, 'run_id') || textOf(fields, 'run_uuid')
  if (id === undefined || id === '') throw missingParameter('run_id')
  return id
}
const keyPattern = /^[\p{L}\p{N}_\-. :/]+$/u
function checkedKey(key: string, noun: string): string {
  if (key.length > keyCharsMax)
    throw invalidValue('key', key, `${noun} name exceeds the maximum length of ${keyCharsMax} characters`)
  if (!keyPattern.test(key))
    throw invalidValue(
      'key',
      key,
      `Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and slashes (/).`,
    )
  if (posix.normalize(key) !== key || key.startsWith('/') || key === '.' || key.split('/').includes('..'))
    throw invalidValue(
      'key',
      key,
      `Names may be treated as files in certain cases, and must not resolve to other names`,
    )
  return key
}
const pair = (key: string, value: string, noun: string, charsMax: number): KeyValue => ({
  key: checkedKey(key, noun),
  value: value.slice(0, charsMax),
})

function metricFrom(fields: Json): LoggedMetric {
  const value = requiredDouble(fields, 'value')
  const finite = Number.isFinite(value)
  const [datasetName, datasetDigest] = [textOf(fields, 'dataset_name'), textOf(fields, 'dataset_digest')]
  if ((datasetName === undefined) !== (datasetDigest === undefined))
    throw invalidParameter('Both dataset_name and dataset_digest must be provided if one is provided')
  return {
    key: checkedKey(requiredText(fields, 'key'), 'Metric'),
    value: finite ? value : Number.isNaN(value) ? 0 : value > 0 ? largest : -largest,
    special: finite ? 0 : Number.isNaN(value) ? 1 : 2,
    timestamp: requiredWhole(fields, 'timestamp'),
    step: wholeOf(fields, 'step') ?? 0,
    modelId: textOf(fields, 'model_id'),
    datasetName,
    datasetDigest,
  }
}
export const metricJson = (m: LoggedMetric, run?: string) =>
  message({
    key: m.key,
    value: m.special === 1 ? 'NaN' : m.value,
    timestamp: m.timestamp,
    step: m.step,
    model_id: m.modelId,
    dataset_name: m.datasetName,
    dataset_digest: m.datasetDigest,
    run_id: run,
  })

const infoJson = (run: RunDetails) =>
  message({
    run_id: run.id,
    run_uuid: run.id,
    run_name: run.name,
    experiment_id: run.experimentId,
    user_id: run.userId,
    status: run.status.toUpperCase(),
    start_time: run.startedAt,
    end_time: run.endedAt,
    artifact_uri: run.artifactUri,
    lifecycle_stage: run.stage,
  })
function runJson(run: RunDetails) {
  const of = (kind: string) => run.inputs.filter((i) => i.kind === kind).map((i) => JSON.parse(i.body))
  return {
    info: infoJson(run),
    data: message({
      metrics: run.metrics.map((m) => metricJson(m, run.id)),
      params: run.params,
      tags: run.tags,
    }),
    inputs: message({ dataset_inputs: of('dataset'), model_inputs: of('model') }),
    outputs: message({ model_outputs: of('output') }),
  }
}
const statuses: Record<string, RunStatus> = {
  RUNNING: 'running',
  SCHEDULED: 'scheduled',
  FINISHED: 'finished',
  FAILED: 'failed',
  KILLED: 'killed',
}
function statusOf(fields: Json): RunStatus | undefined {
  const status = textOf(fields, 'status')
  if (status === undefined) return undefined
  const known = Object.hasOwn(statuses, status) ? statuses[status] : undefined
  if (known === undefined) throw invalidValue('status', status, 'it is not a run status')
  return known
}

export const trackingRoutes = (experiments: Experiments, files: ExperimentFiles): Route[] => [
  ...runRoutes(experiments),
  ...logRoutes(experiments),
  ...inputRoutes(experiments),
  ...readRoutes(experiments, files),
]

const runRoutes = (experiments: Experiments): Route[] => [
  mlflowRoute({
    at: 'POST runs/create',
    permission: 'run:write',
    async run(fields, caller) {
      const tags = pairsOf(fields, 'tags')
      const tagOf = (key: string) => tags.find((tag) => tag.key === key)?.value
      const command = {
        experimentId: textOf(fields, 'experiment_id') || '0',
        name: textOf(fields, 'run_name') || tagOf('mlflow.runName') || inventedName(),
        userId: textOf(fields, 'user_id') || tagOf('mlflow.user') || caller.actor.name,
        startedAt: wholeOf(fields, 'start_time') ?? Date.now(),
        tags: tags.map((tag) => pair(tag.key, tag.value, 'Tag', tagCharsMax)),
      }
      return { run: runJson(await experiments.createRun(command, caller)) }
    },
  }),
  mlflowRoute({
    at: 'GET runs/get',
    permission: 'run:read',
    run: async (fields, caller) => ({
      run: runJson(await experiments.runDetails({ run: idOf(fields) }, caller)),
    }),
  }),
  mlflowRoute({
    at: 'POST runs/update',
    permission: 'run:write',
    async run(fields, caller) {
      const command = {
        run: idOf(fields),
        status: statusOf(fields),
        endedAt: wholeOf(fields, 'end_time'),
        name: textOf(fields, 'run_name') || undefined,
      }
      return { run_info: infoJson(await experiments.updateRun(command, caller)) }
    },
  }),
  ...(['delete', 'restore'] as const).map((verb) =>
    mlflowRoute({
      at: `POST runs/${verb}`,
      permission: 'run:write',
      run: (fields, caller) =>
        experiments.stageRun(
          { run: requiredText(fields, 'run_id'), stage: verb === 'delete' ? 'deleted' : 'active' },
          caller,
        ),
    }),
  ),
]

const nothing = { metrics: [], params: [], tags: [] }
const logRoutes = (experiments: Experiments): Route[] => [
  mlflowRoute({
    at: 'POST runs/log-metric',
    permission: 'run:write',
    run: (fields, caller) =>
      experiments.log({ ...nothing, run: idOf(fields), metrics: [metricFrom(fields)] }, caller),
  }),
  mlflowRoute({
    at: 'POST runs/log-batch',
    permission: 'run:write',
    run: (fields, caller) => experiments.log(batchFrom(fields), caller),
  }),
  mlflowRoute({
    at: 'POST runs/log-parameter',
    permission: 'run:write',
    run(fields, caller) {
      const param = pair(requiredText(fields, 'key'), presentText(fields, 'value'), 'Param', paramCharsMax)
      return experiments.log({ ...nothing, run: idOf(fields), params: [param] }, caller)
    },
  }),
  mlflowRoute({
    at: 'POST runs/set-tag',
    permission: 'run:write',
    run(fields, caller) {
      const tag = pair(requiredText(fields, 'key'), presentText(fields, 'value'), 'Tag', tagCharsMax)
      return experiments.log({ ...nothing, run: idOf(fields), tags: [tag] }, caller)
    },
  }),
  mlflowRoute({
    at: 'POST runs/delete-tag',
    permission: 'run:write',
    run: (fields, caller) =>
      experiments.deleteTag(
        { run: requiredText(fields, 'run_id'), key: requiredText(fields, 'key') },
        caller,
      ),
  }),
]

function batchFrom(fields: Json) {
  const metrics = messagesOf(fields, 'metrics').map(metricFrom)
  const params = pairsOf(fields, 'params').map((p) => pair(p.key, p.value, 'Param', paramCharsMax))
  const tags = pairsOf(fields, 'tags').map((tag) => pair(tag.key, tag.value, 'Tag', tagCharsMax))
  const tooMany = (what: string, count: number, max: number) => {
    if (count <= max) return
    throw invalidParameter(
      `A batch logging request can contain at most ${max} ${what}. Got ${count} ${what}. Please split up ${what} across multiple requests and try again.`,
    )
  }
  tooMany('metrics', metrics.length, limits.metrics)
  tooMany('params', params.length, limits.params)
  tooMany('tags', tags.length, limits.tags)
  if (metrics.length + params.length + tags.length > limits.all)
    throw invalidParameter(
      `A batch logging request can contain at most ${limits.all} metrics, params and tags. Got ${metrics.length + params.length + tags.length}.`,
    )
  const repeated = [...Map.groupBy(params, (p) => p.key)]
    .filter(([, all]) => all.length > 1)
    .map(([key]) => `'${key}'`)
  if (repeated.length > 0)
    throw invalidParameter(
      `Duplicate parameter keys have been submitted: [${repeated.join(', ')}]. Please ensure the request contains only one param value per param key.`,
    )
  return { run: idOf(fields), metrics, params, tags }
}

const inputRoutes = (experiments: Experiments): Route[] => [
  mlflowRoute({
    at: 'POST runs/log-inputs',
    permission: 'run:write',
    run(fields, caller) {
      const datasets = messagesOf(fields, 'datasets').map((one) => {
        const dataset = requiredMessage(one, 'dataset')
        const context = pairsOf(one, 'tags').find((tag) => tag.key === 'mlflow.data.context')?.value
        return {
          kind: 'dataset' as const,
          name: requiredText(dataset, 'name'),
          digest: requiredText(dataset, 'digest'),
          context,
          body: JSON.stringify(one),
        }
      })
      const models = modelsFrom(fields, 'model')
      return experiments.logInputs(
        { run: requiredText(fields, 'run_id'), inputs: [...datasets, ...models] },
        caller,
      )
    },
  }),
  mlflowRoute({
    at: 'POST runs/outputs',
    permission: 'run:write',
    run: (fields, caller) =>
      experiments.logInputs(
        { run: requiredText(fields, 'run_id'), inputs: modelsFrom(fields, 'output') },
        caller,
      ),
  }),
  mlflowRoute({
    at: 'POST runs/log-model',
    permission: 'run:write',
    async run(fields, caller) {
      const run = idOf(fields)
      const key = 'mlflow.log-model.history'
      const { tags } = await experiments.runDetails({ run }, caller)
      const before: unknown[] = JSON.parse(tags.find((tag) => tag.key === key)?.value ?? '[]')
      const value = JSON.stringify([...before, modelFrom(requiredText(fields, 'model_json'))])
      await experiments.log({ ...nothing, run, tags: [{ key, value }] }, caller)
    },
  }),
]
function modelFrom(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw invalidParameter(`Malformed model info.`)
  }
}
const modelsFrom = (fields: Json, kind: 'model' | 'output') =>
  messagesOf(fields, 'models').map((one) => ({
    kind,
    name: requiredText(one, 'model_id'),
    digest: String(wholeOf(one, 'step') ?? 0),
    body: JSON.stringify(one),
  }))

const attributes = ['run_id', 'run_name', 'status', 'artifact_uri', 'user_id', 'start_time', 'end_time']
type Entity = 'metric' | 'param' | 'tag' | 'attribute' | 'dataset'
export const runGrammar: Grammar<Entity> = {
  entities: {
    metric: 'metric',
    metrics: 'metric',
    param: 'param',
    params: 'param',
    parameter: 'param',
    parameters: 'param',
    tag: 'tag',
    tags: 'tag',
    attribute: 'attribute',
    attributes: 'attribute',
    attr: 'attribute',
    run: 'attribute',
    dataset: 'dataset',
    datasets: 'dataset',
  },
  fallback: 'attribute',
  rules: {
    metric: { numeric: 'all', comparators: [] },
    param: { comparators: [...textComparators, 'IS NULL', 'IS NOT NULL'] },
    tag: { comparators: [...textComparators, 'IS NULL', 'IS NOT NULL'] },
    attribute: {
      keys: {
        ...Object.fromEntries(attributes.map((a) => [a, a])),
        'run name': 'run_name',
        'Run name': 'run_name',
        'Run Name': 'run_name',
        Created: 'start_time',
        created: 'start_time',
      },
      numeric: ['start_time', 'end_time'],
      comparators: textComparators,
      inKeys: ['run_id'],
    },
    dataset: {
      keys: { name: 'name', digest: 'digest', context: 'context' },
      comparators: [...textComparators, 'IN', 'NOT IN'],
    },
  },
}

const readRoutes = (experiments: Experiments, files: ExperimentFiles): Route[] => [
  mlflowRoute({
    at: 'POST runs/search',
    permission: 'run:read',
    async run(fields, caller) {
      const { runs, last } = await experiments.findRuns(
        {
          experimentIds: textsOf(fields, 'experiment_ids'),
          stages: stagesOf(fields, 'run_view_type'),
          clauses: parseFilter(textOf(fields, 'filter'), runGrammar),
          orders: parseOrders(textsOf(fields, 'order_by'), runGrammar),
          limit: pageSizeOf(fields, { fallback: 1_000, max: runsMax }),
          after: tokenOf(fields),
        },
        caller,
      )
      return message({
        runs: runs.map(runJson),
        next_page_token: last === undefined ? undefined : tokenFor(last),
      })
    },
  }),
  mlflowRoute({
    at: 'GET metrics/get-history',
    permission: 'run:read',
    async run(fields, caller) {
      const limit = pageSizeOf(fields, { fallback: historyMax, max: historyMax })
      const offset = offsetOf(fields)
      const command = { run: idOf(fields), key: requiredText(fields, 'metric_key'), limit: limit + 1, offset }
      const points = await experiments.history(command, caller)
      const isMore = points.length > limit
      return message({
        metrics: points.slice(0, limit).map((m) => metricJson(m)),
        next_page_token: isMore ? tokenFor([offset + limit]) : undefined,
      })
    },
  }),
  mlflowRoute({
    at: 'GET artifacts/list',
    permission: 'run:read',
    async run(fields, caller) {
      const run = await experiments.runDetails({ run: idOf(fields) }, caller)
      const at = textOf(fields, 'path')
      const root = run.artifactUri.replace('mlflow-artifacts:/', '')
      const below = at === undefined || at === '' ? '' : `/${checkedPath(at)}`
      const { files: found = [] } = await listing(files, `${root}${below}`, caller)
      const prefix = below === '' ? '' : `${below.slice(1)}/`
      return message({
        root_uri: run.artifactUri,
        files: found.map((f) => ({ ...f, path: `${prefix}${f.path}` })),
      })
    },
  }),
]
