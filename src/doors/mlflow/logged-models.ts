/** Logged models on MLflow's wire. */
import type { Route } from '#platform/http/index.ts'
import type {
  ExperimentFiles,
  LoggedModel,
  LoggedModels,
  ModelOrder,
} from '../../domains/experiments/index.ts'
import { checkedPath, listing } from './artifacts.ts'
import { invalidParameter, invalidValue } from './errors.ts'
import { type Grammar, parseFilter, textComparators } from './filter.ts'
import { inventedName } from './names.ts'
import { mlflowRoute } from './routes.ts'
import { metricJson } from './tracking.ts'
import {
  flagOf,
  type Json,
  message,
  messagesOf,
  offsetOf,
  pageSizeOf,
  pairsOf,
  requiredText,
  textOf,
  textsOf,
  tokenFor,
} from './wire.ts'

const statuses = {
  LOGGED_MODEL_PENDING: 'PENDING',
  LOGGED_MODEL_READY: 'READY',
  LOGGED_MODEL_UPLOAD_FAILED: 'FAILED',
} as const
const statusNames = Object.fromEntries(Object.entries(statuses).map(([name, status]) => [status, name]))
const searchMax = 50_000
const searchFallback = 50

const modelJson = (model: LoggedModel) => ({
  info: message({
    model_id: model.id,
    experiment_id: model.experimentId,
    name: model.name,
    creation_timestamp_ms: model.createdAt,
    last_updated_timestamp_ms: model.updatedAt,
    artifact_uri: model.artifactUri,
    status: statusNames[model.status],
    model_type: model.modelType,
    source_run_id: model.sourceRun,
    tags: model.tags,
  }),
  data: message({
    params: model.params,
    metrics: model.metrics.map((m) => metricJson(m, m.run)),
  }),
})

const idOf = (fields: Json) => requiredText(fields, 'model_id')

export const loggedModelRoutes = (models: LoggedModels, files: ExperimentFiles): Route[] => [
  ...changeRoutes(models),
  mlflowRoute({
    at: 'GET logged-models/:model_id',
    permission: 'run:read',
    run: async (fields, caller) => ({ model: modelJson(await models.get({ id: idOf(fields) }, caller)) }),
  }),
  mlflowRoute({
    at: 'POST logged-models/search',
    permission: 'run:read',
    async run(fields, caller) {
      const limit = pageSizeOf(fields, { fallback: searchFallback, max: searchMax })
      const offset = offsetOf(fields)
      const found = await models.search(
        {
          experimentIds: textsOf(fields, 'experiment_ids'),
          clauses: parseFilter(textOf(fields, 'filter'), grammar),
          datasets: messagesOf(fields, 'datasets').map((one) => ({
            name: requiredText(one, 'dataset_name'),
            digest: textOf(one, 'dataset_digest'),
          })),
          orders: messagesOf(fields, 'order_by').map(orderFrom),
          limit,
          offset,
        },
        caller,
      )
      return message({
        models: found.models.map(modelJson),
        next_page_token: found.isMore ? tokenFor([offset + limit]) : undefined,
      })
    },
  }),
  mlflowRoute({
    at: 'GET logged-models/:model_id/artifacts/directories',
    permission: 'run:read',
    async run(fields, caller) {
      const { artifactUri } = await models.get({ id: idOf(fields) }, caller)
      const at = textOf(fields, 'artifact_directory_path') ?? ''
      const below = at === '' ? '' : `/${checkedPath(at)}`
      const root = artifactUri.replace('mlflow-artifacts:/', '')
      const { files: found = [] } = await listing(files, `${root}${below}`, caller)
      const prefix = below === '' ? '' : `${below.slice(1)}/`
      return message({
        root_uri: artifactUri,
        files: found.map((file) => ({ ...file, path: `${prefix}${file.path}` })),
      })
    },
  }),
]

const changeRoutes = (models: LoggedModels): Route[] => [
  mlflowRoute({
    at: 'POST logged-models',
    permission: 'run:write',
    async run(fields, caller) {
      const command = {
        experimentId: requiredText(fields, 'experiment_id'),
        name: nameOf(fields),
        modelType: textOf(fields, 'model_type') || undefined,
        sourceRun: textOf(fields, 'source_run_id') || undefined,
        params: pairsOf(fields, 'params'),
        tags: pairsOf(fields, 'tags'),
      }
      return { model: modelJson(await models.create(command, caller)) }
    },
  }),
  mlflowRoute({
    at: 'PATCH logged-models/:model_id',
    permission: 'run:write',
    async run(fields, caller) {
      const given = requiredText(fields, 'status')
      if (!Object.hasOwn(statuses, given))
        throw invalidValue('status', given, 'it is not a status of a logged model')
      const status = statuses[given as keyof typeof statuses]
      return { model: modelJson(await models.finish({ id: idOf(fields), status }, caller)) }
    },
  }),
  mlflowRoute({
    at: 'DELETE logged-models/:model_id',
    permission: 'run:write',
    run: (fields, caller) => models.remove({ id: idOf(fields) }, caller),
  }),
  mlflowRoute({
    at: 'PATCH logged-models/:model_id/tags',
    permission: 'run:write',
    run: async (fields, caller) => ({
      model: modelJson(await models.setTags({ id: idOf(fields), tags: pairsOf(fields, 'tags') }, caller)),
    }),
  }),
  mlflowRoute({
    at: 'DELETE logged-models/:model_id/tags/:tag_key',
    permission: 'run:write',
    run: (fields, caller) =>
      models.deleteTag({ id: idOf(fields), key: requiredText(fields, 'tag_key') }, caller),
  }),
  mlflowRoute({
    at: 'POST logged-models/:model_id/params',
    permission: 'run:write',
    run: (fields, caller) =>
      models.logParams({ id: idOf(fields), params: pairsOf(fields, 'params') }, caller),
  }),
]

function nameOf(fields: Json): string {
  const name = textOf(fields, 'name') || inventedName()
  if (/[/:.%"']/.test(name))
    throw invalidParameter(
      `Invalid model name ('${name}') provided. Model name must be a non-empty string and cannot contain the following characters: ('/', ':', '.', '%', '"', "'")`,
    )
  return name
}

type Entity = 'attribute' | 'param' | 'tag' | 'metric'
const keys: Record<string, string> = {
  name: 'name',
  model_id: 'model_id',
  model_type: 'model_type',
  status: 'status',
  source_run_id: 'source_run_id',
  creation_timestamp: 'creation_timestamp',
  creation_time: 'creation_timestamp',
  last_updated_timestamp: 'last_updated_timestamp',
  last_updated_time: 'last_updated_timestamp',
}
const grammar: Grammar<Entity> = {
  entities: {
    attribute: 'attribute',
    attributes: 'attribute',
    metric: 'metric',
    metrics: 'metric',
    param: 'param',
    params: 'param',
    parameter: 'param',
    parameters: 'param',
    tag: 'tag',
    tags: 'tag',
  },
  fallback: 'attribute',
  rules: {
    attribute: {
      keys,
      numeric: ['creation_timestamp', 'last_updated_timestamp'],
      comparators: textComparators,
      inKeys: ['name', 'model_id', 'model_type', 'status', 'source_run_id'],
    },
    metric: { numeric: 'all', comparators: [] },
    param: { comparators: [...textComparators, 'IS NULL', 'IS NOT NULL'] },
    tag: { comparators: [...textComparators, 'IS NULL', 'IS NOT NULL'] },
  },
}

function orderFrom(fields: Json): ModelOrder {
  const field = requiredText(fields, 'field_name')
  const ascending = flagOf(fields, 'ascending') ?? true
  const dataset = textOf(fields, 'dataset_name')
  if (field.startsWith('metrics.'))
    return {
      entity: 'metric',
      key: field.slice('metrics.'.length),
      ascending,
      dataset:
        dataset === undefined ? undefined : { name: dataset, digest: textOf(fields, 'dataset_digest') },
    }
  const key = Object.hasOwn(keys, field) ? keys[field] : undefined
  if (key === undefined) throw invalidParameter(`Invalid order by field name: '${field}'`)
  return { entity: 'attribute', key, ascending }
}
