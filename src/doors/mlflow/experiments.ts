/** Experiments on MLflow's wire. Searches of experiments filter a list that is small by nature. */
import type { Route } from '#platform/http/index.ts'
import type { Experiments } from '../../domains/experiments/index.ts'
import { invalidValue } from './errors.ts'
import { type Clause, type Grammar, type Order, parseFilter, parseOrders, textComparators } from './filter.ts'
import { mlflowRoute } from './routes.ts'
import {
  type Json,
  message,
  offsetOf,
  pageSizeOf,
  pairsJson,
  pairsOf,
  presentText,
  requiredText,
  textOf,
  textsOf,
  tokenFor,
} from './wire.ts'

type Experiment = Awaited<ReturnType<Experiments['getExperiment']>>
const nameCharsMax = 500
const searchMax = 50_000

const experimentJson = (e: Experiment) =>
  message({
    experiment_id: e.id,
    name: e.name,
    artifact_location: e.artifactLocation,
    lifecycle_stage: e.stage,
    last_update_time: e.updatedAt,
    creation_time: e.createdAt,
    tags: pairsJson(e.tags),
  })

export const experimentRoutes = (experiments: Experiments): Route[] => [
  ...readRoutes(experiments),
  ...changeRoutes(experiments),
]

const readRoutes = (experiments: Experiments): Route[] => [
  mlflowRoute({
    at: 'GET experiments/get',
    permission: 'run:read',
    run: async (fields, caller) => ({
      experiment: experimentJson(
        await experiments.getExperiment({ id: requiredText(fields, 'experiment_id') }, caller),
      ),
    }),
  }),
  mlflowRoute({
    at: 'GET experiments/get-by-name',
    permission: 'run:read',
    run: async (fields, caller) => ({
      experiment: experimentJson(
        await experiments.experimentNamed({ name: requiredText(fields, 'experiment_name') }, caller),
      ),
    }),
  }),
  ...(['POST', 'GET'] as const).map((method) =>
    mlflowRoute({
      at: `${method} experiments/search`,
      permission: 'run:read',
      run: async (fields, caller) => searched(await experiments.listExperiments(caller), fields),
    }),
  ),
]

const changeRoutes = (experiments: Experiments): Route[] => [
  mlflowRoute({
    at: 'POST experiments/create',
    permission: 'run:write',
    async run(fields, caller) {
      const command = {
        name: nameOf(fields, 'name'),
        location: textOf(fields, 'artifact_location'),
        tags: pairsOf(fields, 'tags'),
      }
      return { experiment_id: await experiments.createExperiment(command, caller) }
    },
  }),
  mlflowRoute({
    at: 'POST experiments/update',
    permission: 'run:write',
    run: (fields, caller) =>
      experiments.renameExperiment(
        { id: requiredText(fields, 'experiment_id'), name: nameOf(fields, 'new_name') },
        caller,
      ),
  }),
  ...(['delete', 'restore'] as const).map((verb) =>
    mlflowRoute({
      at: `POST experiments/${verb}`,
      permission: 'run:write',
      run: (fields, caller) =>
        experiments.stageExperiment(
          { id: requiredText(fields, 'experiment_id'), stage: verb === 'delete' ? 'deleted' : 'active' },
          caller,
        ),
    }),
  ),
  mlflowRoute({
    at: 'POST experiments/set-experiment-tag',
    permission: 'run:write',
    run: (fields, caller) =>
      experiments.setExperimentTag(
        {
          id: requiredText(fields, 'experiment_id'),
          key: requiredText(fields, 'key'),
          value: presentText(fields, 'value'),
        },
        caller,
      ),
  }),
  mlflowRoute({
    at: 'POST experiments/delete-experiment-tag',
    permission: 'run:write',
    run: (fields, caller) =>
      experiments.deleteExperimentTag(
        { id: requiredText(fields, 'experiment_id'), key: requiredText(fields, 'key') },
        caller,
      ),
  }),
]

function nameOf(fields: Json, field: string): string {
  const name = requiredText(fields, field)
  if (name.length > nameCharsMax)
    throw invalidValue(field, name, `'${field}' exceeds the maximum length of ${nameCharsMax} characters`)
  return name
}

type Entity = 'attribute' | 'tag'
const names = ['name', 'experiment_id', 'creation_time', 'last_update_time'] as const
const grammar: Grammar<Entity> = {
  entities: { attribute: 'attribute', attributes: 'attribute', attr: 'attribute', tag: 'tag', tags: 'tag' },
  fallback: 'attribute',
  rules: {
    attribute: {
      keys: Object.fromEntries(names.map((n) => [n, n])),
      numeric: ['creation_time', 'last_update_time'],
      comparators: textComparators,
      inKeys: ['experiment_id'],
    },
    tag: { comparators: [...textComparators, 'IS NULL', 'IS NOT NULL'] },
  },
}
const fieldValue = (
  e: Experiment,
  { entity, key }: { entity: Entity; key: string },
): string | number | undefined => {
  if (entity === 'tag') return e.tags[key]
  return { name: e.name, experiment_id: e.id, creation_time: e.createdAt, last_update_time: e.updatedAt }[key]
}

const likeness = (pattern: string, flags: string) =>
  new RegExp(
    `^${pattern
      .replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
      .replaceAll('%', '[^]*')
      .replaceAll('_', '[^]')}$`,
    flags,
  )
type Value = string | number | undefined
const tests: Record<string, (a: Value, b: Clause['value']) => boolean> = {
  '=': (a, b) => a === b,
  '!=': (a, b) => a !== undefined && a !== b,
  '>': (a, b) => Number(a) > Number(b),
  '>=': (a, b) => Number(a) >= Number(b),
  '<': (a, b) => Number(a) < Number(b),
  '<=': (a, b) => Number(a) <= Number(b),
  LIKE: (a, b) => a !== undefined && likeness(String(b), '').test(String(a)),
  ILIKE: (a, b) => a !== undefined && likeness(String(b), 'i').test(String(a)),
  IN: (a, b) => (b as readonly string[]).includes(String(a)),
  'NOT IN': (a, b) => !(b as readonly string[]).includes(String(a)),
  'IS NULL': (a) => a === undefined,
  'IS NOT NULL': (a) => a !== undefined,
}

function searched(all: readonly Experiment[], fields: Json) {
  const size = pageSizeOf(fields, { fallback: 0, max: searchMax })
  const clauses = parseFilter(textOf(fields, 'filter'), grammar)
  const orders: Order<Entity>[] = parseOrders(textsOf(fields, 'order_by'), grammar)
  const stages = stagesOf(fields, 'view_type')
  const found = all
    .filter((e) => stages.includes(e.stage))
    .filter((e) => clauses.every((c) => tests[c.comparator]?.(fieldValue(e, c), c.value)))
  const ordered = found.sort((a, b) => compare(a, b, orders))
  const start = offsetOf(fields)
  const page = ordered.slice(start, start + size)
  const isMore = start + size < ordered.length
  return message({
    experiments: page.map(experimentJson),
    next_page_token: isMore ? tokenFor([start + size]) : undefined,
  })
}

const rank = (x: string | number, y: string | number): number => (x < y ? -1 : x > y ? 1 : 0)
function compare(a: Experiment, b: Experiment, orders: readonly Order<Entity>[]): number {
  const sortable = (e: Experiment, order: Order<Entity>) =>
    order.key === 'experiment_id' ? Number(e.id) : (fieldValue(e, order) ?? '')
  for (const order of orders) {
    const found = rank(sortable(a, order), sortable(b, order))
    if (found !== 0) return order.ascending ? found : -found
  }
  return b.updatedAt - a.updatedAt || Number(b.id) - Number(a.id)
}

export function stagesOf(fields: Json, name: string): ('active' | 'deleted')[] {
  const view = textOf(fields, name) ?? 'ACTIVE_ONLY'
  if (view === 'ACTIVE_ONLY') return ['active']
  if (view === 'DELETED_ONLY') return ['deleted']
  if (view === 'ALL') return ['active', 'deleted']
  throw invalidValue(name, view, 'it is not a view type')
}
