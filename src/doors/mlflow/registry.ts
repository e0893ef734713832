/** Registered models, versions, aliases and stages on MLflow's wire; prompts are among them. */
import type { Route } from '#platform/http/index.ts'
import {
  type Catalogue,
  type CatalogueModel,
  type CatalogueVersion,
  type Stage,
  stages,
} from '../../domains/registry/index.ts'
import { invalidParameter, invalidValue, missingParameter } from './errors.ts'
import { type Grammar, parseFilter, parseOrders, textComparators } from './filter.ts'
import { mlflowRoute } from './routes.ts'
import {
  flagOf,
  type Json,
  message,
  offsetOf,
  pageSizeOf,
  pairsOf,
  requiredText,
  textOf,
  textsOf,
  tokenFor,
} from './wire.ts'

const read = 'model:read'
const write = 'model:write'
const modelsPage = { fallback: 100, max: 1_000 }
const versionsPage = { fallback: 10_000, max: 200_000 }

const versionJson = (version: CatalogueVersion) =>
  message({
    name: version.model,
    version: String(version.version),
    creation_timestamp: version.createdAt,
    last_updated_timestamp: version.updatedAt,
    user_id: version.createdBy,
    current_stage: version.stage,
    description: version.description,
    source: version.source,
    run_id: version.runId,
    run_link: version.runLink,
    status: 'READY',
    model_id: version.loggedModel,
    tags: version.tags,
    aliases: version.aliases,
  })
const modelJson = (model: CatalogueModel) =>
  message({
    name: model.name,
    creation_timestamp: model.createdAt,
    last_updated_timestamp: model.updatedAt,
    description: model.description,
    latest_versions: latestOf(model.versions).map(versionJson),
    tags: model.tags,
    aliases: model.aliases.map(({ alias, version }) => ({ alias, version: String(version) })),
  })
/** The newest of each stage. */
const latestOf = (versions: readonly CatalogueVersion[]): CatalogueVersion[] =>
  [...Map.groupBy(versions, (version) => version.stage).values()].flatMap((all) => all.slice(0, 1))

const modelOf = (fields: Json) => ({ model: requiredText(fields, 'name') })
function versionOf(fields: Json): { model: string; version: number } {
  const text = requiredText(fields, 'version')
  if (!/^\d{1,9}$/.test(text))
    throw invalidParameter(`Parameter 'version' must be an integer, got '${text.slice(0, 100)}'.`)
  return { ...modelOf(fields), version: Number(text) }
}
function newName(fields: Json, field: string): string {
  const name = textOf(fields, field)
  if (name === undefined) throw missingParameter(field)
  if (name === '' || /[/:]/.test(name))
    throw invalidParameter(
      name === '' ? 'Registered model name cannot be empty.' : `Invalid model name: '${name}'`,
    )
  if (name.length > 256) throw invalidValue(field, name, 'a name has at most 256 characters')
  return name
}
function aliasOf(fields: Json): string {
  const alias = requiredText(fields, 'alias')
  if (/^(latest|v\d+)$/i.test(alias))
    throw invalidParameter(
      alias.toLowerCase() === 'latest'
        ? "'latest' alias name (case insensitive) is reserved."
        : `Version alias name '${alias}' is reserved.`,
    )
  if (!/^[\w-]{1,255}$/.test(alias))
    throw invalidParameter(
      `Invalid alias name: '${alias.slice(0, 300)}'. Names may only contain alphanumerics, underscores (_) and dashes (-).`,
    )
  return alias
}
function tagOf(fields: Json): { key: string; value: string } {
  const [key, value] = [requiredText(fields, 'key'), textOf(fields, 'value') ?? '']
  if (key.length > 250) throw invalidValue('key', key, 'a key has at most 250 characters')
  if (value.length > 100_000) throw invalidParameter('A value of a tag has at most 100000 characters')
  return { key, value }
}
function stageOf(text: string): Stage {
  const found = stages.find((stage) => stage.toLowerCase() === text.toLowerCase())
  if (found !== undefined) return found
  throw invalidParameter(
    `Invalid Model Version stage: ${text.slice(0, 100)}. Value must be one of ${stages.join(', ')}.`,
  )
}

export const registryRoutes = (catalogue: Catalogue): Route[] => [
  ...modelRoutes(catalogue),
  ...searchRoutes(catalogue),
  ...versionRoutes(catalogue),
  ...aliasRoutes(catalogue),
  ...tagRoutes(catalogue),
]

const modelRoutes = (catalogue: Catalogue): Route[] => [
  mlflowRoute({
    at: 'POST registered-models/create',
    permission: write,
    async run(fields, caller) {
      const command = {
        model: newName(fields, 'name'),
        description: textOf(fields, 'description') ?? '',
        tags: pairsOf(fields, 'tags'),
      }
      return { registered_model: modelJson(await catalogue.create(command, caller)) }
    },
  }),
  mlflowRoute({
    at: 'GET registered-models/get',
    permission: read,
    run: async (fields, caller) => ({
      registered_model: modelJson(await catalogue.get(modelOf(fields), caller)),
    }),
  }),
  mlflowRoute({
    at: 'POST registered-models/rename',
    permission: write,
    run: async (fields, caller) => ({
      registered_model: modelJson(
        await catalogue.rename({ ...modelOf(fields), to: newName(fields, 'new_name') }, caller),
      ),
    }),
  }),
  mlflowRoute({
    at: 'PATCH registered-models/update',
    permission: write,
    run: async (fields, caller) => ({
      registered_model: modelJson(
        await catalogue.describe(
          { ...modelOf(fields), description: textOf(fields, 'description') ?? '' },
          caller,
        ),
      ),
    }),
  }),
  mlflowRoute({
    at: 'DELETE registered-models/delete',
    permission: write,
    run: (fields, caller) => catalogue.remove(modelOf(fields), caller),
  }),
  ...(['POST', 'GET'] as const).map((method) =>
    mlflowRoute({
      at: `${method} registered-models/get-latest-versions`,
      permission: read,
      async run(fields, caller) {
        const asked = textsOf(fields, 'stages').map(stageOf)
        const { versions } = await catalogue.get(modelOf(fields), caller)
        const latest = latestOf(versions).filter(
          (version) => asked.length === 0 || asked.includes(version.stage as Stage),
        )
        return message({ model_versions: latest.map(versionJson) })
      },
    }),
  ),
]

type Entity = 'attribute' | 'tag'
const entities = { attribute: 'attribute', attributes: 'attribute', tag: 'tag', tags: 'tag' } as const
const tagRule = { comparators: [...textComparators, 'IS NULL', 'IS NOT NULL'] as const }
const same = (...names: string[]) => Object.fromEntries(names.map((name) => [name, name]))
const modelGrammar: Grammar<Entity> = {
  entities,
  fallback: 'attribute',
  rules: {
    attribute: { keys: same('name'), comparators: textComparators, inKeys: ['name'] },
    tag: tagRule,
  },
}
const versionGrammar: Grammar<Entity> = {
  entities,
  fallback: 'attribute',
  rules: {
    attribute: {
      keys: same('name', 'version_number', 'run_id', 'source_path'),
      numeric: ['version_number'],
      comparators: textComparators,
      inKeys: ['name', 'run_id'],
    },
    tag: tagRule,
  },
}
const orderGrammar = (...names: string[]): Grammar<Entity> => ({
  ...modelGrammar,
  rules: { attribute: { keys: same(...names), comparators: [] }, tag: { keys: {}, comparators: [] } },
})
const modelOrders = orderGrammar('name', 'timestamp', 'last_updated_timestamp')
const versionOrders = orderGrammar('name', 'version_number', 'creation_timestamp', 'last_updated_timestamp')

const searchRoutes = (catalogue: Catalogue): Route[] => [
  mlflowRoute({
    at: 'GET registered-models/search',
    permission: read,
    async run(fields, caller) {
      const [limit, offset] = [pageSizeOf(fields, modelsPage), offsetOf(fields)]
      const clauses = parseFilter(textOf(fields, 'filter'), modelGrammar)
      const orders = parseOrders(textsOf(fields, 'order_by'), modelOrders)
      const { models, isMore } = await catalogue.search({ clauses, orders, limit, offset }, caller)
      return message({
        registered_models: models.map(modelJson),
        next_page_token: isMore ? tokenFor([offset + limit]) : undefined,
      })
    },
  }),
  mlflowRoute({
    at: 'GET model-versions/search',
    permission: read,
    async run(fields, caller) {
      const [limit, offset] = [pageSizeOf(fields, versionsPage), offsetOf(fields)]
      const clauses = parseFilter(textOf(fields, 'filter'), versionGrammar)
      const orders = parseOrders(textsOf(fields, 'order_by'), versionOrders)
      const { versions, isMore } = await catalogue.searchVersions({ clauses, orders, limit, offset }, caller)
      return message({
        model_versions: versions.map(versionJson),
        next_page_token: isMore ? tokenFor([offset + limit]) : undefined,
      })
    },
  }),
]

const versionRoutes = (catalogue: Catalogue): Route[] => [
  mlflowRoute({
    at: 'POST model-versions/create',
    permission: write,
    async run(fields, caller) {
      const command = {
        ...modelOf(fields),
        source: requiredText(fields, 'source'),
        runId: textOf(fields, 'run_id') ?? '',
        runLink: textOf(fields, 'run_link') ?? '',
        description: textOf(fields, 'description') ?? '',
        loggedModel: textOf(fields, 'model_id') || undefined,
        tags: pairsOf(fields, 'tags'),
      }
      return { model_version: versionJson(await catalogue.createVersion(command, caller)) }
    },
  }),
  mlflowRoute({
    at: 'GET model-versions/get',
    permission: read,
    run: async (fields, caller) => ({
      model_version: versionJson(await catalogue.getVersion(versionOf(fields), caller)),
    }),
  }),
  mlflowRoute({
    at: 'PATCH model-versions/update',
    permission: write,
    run: async (fields, caller) => ({
      model_version: versionJson(
        await catalogue.describeVersion(
          { ...versionOf(fields), description: textOf(fields, 'description') ?? '' },
          caller,
        ),
      ),
    }),
  }),
  mlflowRoute({
    at: 'DELETE model-versions/delete',
    permission: write,
    run: (fields, caller) => catalogue.removeVersion(versionOf(fields), caller),
  }),
  mlflowRoute({
    at: 'POST model-versions/transition-stage',
    permission: write,
    async run(fields, caller) {
      const archiveOthers = flagOf(fields, 'archive_existing_versions')
      if (archiveOthers === undefined) throw missingParameter('archive_existing_versions')
      const stage = stageOf(requiredText(fields, 'stage'))
      const command = { ...versionOf(fields), stage, archiveOthers }
      return { model_version: versionJson(await catalogue.moveToStage(command, caller)) }
    },
  }),
  mlflowRoute({
    at: 'GET model-versions/get-download-uri',
    permission: read,
    run: async (fields, caller) => ({
      artifact_uri: await catalogue.downloadUri(versionOf(fields), caller),
    }),
  }),
]

const aliasRoutes = (catalogue: Catalogue): Route[] => [
  mlflowRoute({
    at: 'POST registered-models/alias',
    permission: write,
    run: (fields, caller) => catalogue.setAlias({ ...versionOf(fields), alias: aliasOf(fields) }, caller),
  }),
  mlflowRoute({
    at: 'DELETE registered-models/alias',
    permission: write,
    run: (fields, caller) =>
      catalogue.removeAlias({ ...modelOf(fields), alias: requiredText(fields, 'alias') }, caller),
  }),
  mlflowRoute({
    at: 'GET registered-models/alias',
    permission: read,
    run: async (fields, caller) => ({
      model_version: versionJson(
        await catalogue.byAlias({ ...modelOf(fields), alias: requiredText(fields, 'alias') }, caller),
      ),
    }),
  }),
]

const tagRoutes = (catalogue: Catalogue): Route[] => [
  mlflowRoute({
    at: 'POST registered-models/set-tag',
    permission: write,
    run: (fields, caller) => catalogue.setTag({ ...modelOf(fields), version: 0, ...tagOf(fields) }, caller),
  }),
  mlflowRoute({
    at: 'DELETE registered-models/delete-tag',
    permission: write,
    run: (fields, caller) =>
      catalogue.removeTag({ ...modelOf(fields), version: 0, key: requiredText(fields, 'key') }, caller),
  }),
  mlflowRoute({
    at: 'POST model-versions/set-tag',
    permission: write,
    run: (fields, caller) => catalogue.setTag({ ...versionOf(fields), ...tagOf(fields) }, caller),
  }),
  mlflowRoute({
    at: 'DELETE model-versions/delete-tag',
    permission: write,
    run: (fields, caller) =>
      catalogue.removeTag({ ...versionOf(fields), key: requiredText(fields, 'key') }, caller),
  }),
]
