/** Scorers and evaluation datasets on MLflow's wire. Tags, records, schema and profile are JSON inside of strings. */
import type { Route } from '#platform/http/index.ts'
import type {
  BroughtRecord,
  EvaluationSet,
  EvaluationSets,
  Scorer,
  Scorers,
  SetRecord,
} from '../../domains/evaluation/index.ts'
import { invalidParameter, invalidValue } from './errors.ts'
import { type Grammar, parseFilter, parseOrders, textComparators } from './filter.ts'
import { mlflowRoute } from './routes.ts'
import {
  type Json,
  message,
  offsetOf,
  pageSizeOf,
  presentText,
  requiredText,
  textOf,
  textsOf,
  tokenFor,
  wholeOf,
} from './wire.ts'

const read = 'run:read'
const write = 'run:write'
const recordsBytesMax = 64 * 1024 * 1024
const nameCharsMax = 250

const isMessage = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** JSON in a string. */
function parsedOf(name: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw invalidParameter(`'${name}' must hold valid JSON`)
  }
}

const scorerJson = (scorer: Scorer) => ({
  experiment_id: Number(scorer.experiment),
  scorer_name: scorer.name,
  scorer_version: scorer.version,
  serialized_scorer: scorer.body,
  creation_time: scorer.createdAt,
  scorer_id: scorer.id,
})
/** A decorated function comes as its source text; it is kept for its client and never run here, so it is taken. */
function scorerBody(fields: Json): string {
  const body = requiredText(fields, 'serialized_scorer')
  if (isMessage(parsedOf('serialized_scorer', body))) return body
  throw invalidParameter('serialized_scorer must be a JSON object')
}
function scorerName(fields: Json): string {
  const name = requiredText(fields, 'name')
  if (name.trim() !== '' && name.length <= nameCharsMax) return name
  throw invalidValue('name', name.slice(0, nameCharsMax), `a name has 1 to ${nameCharsMax} characters`)
}
const namedScorer = (fields: Json) => ({
  experiment: requiredText(fields, 'experiment_id'),
  name: requiredText(fields, 'name'),
  version: wholeOf(fields, 'version'),
})

const scorerRoutes = (scorers: Scorers): Route[] => [
  mlflowRoute({
    at: 'POST scorers/register',
    permission: write,
    run: async (fields, caller) => {
      const experiment = requiredText(fields, 'experiment_id')
      const command = { experiment, name: scorerName(fields), body: scorerBody(fields) }
      const scorer = await scorers.register(command, caller)
      return {
        version: scorer.version,
        scorer_id: scorer.id,
        experiment_id: scorer.experiment,
        name: scorer.name,
        serialized_scorer: scorer.body,
        creation_time: scorer.createdAt,
      }
    },
  }),
  mlflowRoute({
    at: 'GET scorers/list',
    permission: read,
    run: async (fields, caller) => {
      const experiment = textOf(fields, 'experiment_id')
      const experiments = textsOf(fields, 'experiment_ids')
      if (experiment !== undefined && experiments.length > 0)
        throw invalidParameter(`Cannot specify both 'experiment_id' and 'experiment_ids'`)
      const found =
        experiment === undefined
          ? await scorers.listAcross({ experiments }, caller)
          : await scorers.list({ experiment }, caller)
      return message({ scorers: found.map(scorerJson) })
    },
  }),
  mlflowRoute({
    at: 'GET scorers/versions',
    permission: read,
    run: async (fields, caller) => {
      const found = await scorers.versions({ ...namedScorer(fields), version: undefined }, caller)
      return message({ scorers: found.toReversed().map(scorerJson) })
    },
  }),
  mlflowRoute({
    at: 'GET scorers/get',
    permission: read,
    run: async (fields, caller) => ({ scorer: scorerJson(await scorers.get(namedScorer(fields), caller)) }),
  }),
  mlflowRoute({
    at: 'DELETE scorers/delete',
    permission: write,
    run: (fields, caller) => scorers.remove(namedScorer(fields), caller),
  }),
  // Judges run with their clients; none is scheduled here.
  mlflowRoute({ at: 'GET scorers/online-configs', permission: read, run: async () => ({ configs: [] }) }),
]

const setJson = (set: EvaluationSet) =>
  message({
    dataset_id: set.id,
    name: set.name,
    tags: JSON.stringify(set.tags),
    schema: set.fields === undefined ? undefined : JSON.stringify(set.fields),
    profile: set.records === 0 ? undefined : JSON.stringify({ num_records: set.records }),
    digest: set.digest,
    created_time: set.createdAt,
    last_update_time: set.updatedAt,
    created_by: set.createdBy,
    last_updated_by: set.updatedBy,
    experiment_ids: set.experiments,
  })
const sourceIdOf = (source: Json | undefined): unknown => {
  const data = isMessage(source?.source_data) ? source.source_data : {}
  return source?.source_type === 'TRACE' ? data.trace_id : data.source_id
}
const recordJson = (set: string, record: SetRecord) =>
  message({
    dataset_record_id: record.id,
    dataset_id: set,
    inputs: record.inputs,
    outputs: record.outputs,
    expectations: record.expectations,
    tags: record.tags ?? {},
    source: record.source,
    source_id: sourceIdOf(record.source),
    source_type: record.source?.source_type,
    created_time: record.createdAt,
    last_update_time: record.updatedAt,
    created_by: record.createdBy,
    last_updated_by: record.updatedBy,
  })

/** Tags in a string of JSON: null is left out, what is no string is written as one. */
function tagsIn(fields: Json): Record<string, string> {
  const text = textOf(fields, 'tags')
  const tags = text === undefined || text === '' ? {} : parsedOf('tags', text)
  if (!isMessage(tags)) throw invalidParameter(`'tags' must hold a JSON object`)
  return Object.fromEntries(
    Object.entries(tags)
      .filter(([, value]) => value !== null)
      .map(([key, value]) => [key, typeof value === 'string' ? value : JSON.stringify(value)]),
  )
}
const optionalMessage = (record: Json, name: string): Json | undefined => {
  const value = record[name]
  if (value === undefined || value === null) return undefined
  if (isMessage(value)) return value
  throw invalidParameter(`'${name}' of a record must be an object`)
}
function recordFrom(record: unknown): BroughtRecord {
  if (!isMessage(record)) throw invalidParameter('Each record must be a dictionary')
  const tags = optionalMessage(record, 'tags')
  const wrong = Object.entries(tags ?? {}).find(([, value]) => typeof value !== 'string')
  if (wrong !== undefined) throw invalidParameter(`The tag '${wrong[0]}' of a record is not a string`)
  return {
    inputs: optionalMessage(record, 'inputs') ?? {},
    ...(Object.hasOwn(record, 'outputs') ? { outputs: record.outputs } : {}),
    expectations: optionalMessage(record, 'expectations'),
    tags: tags as Record<string, string> | undefined,
    source: optionalMessage(record, 'source'),
  }
}
function recordsIn(fields: Json): BroughtRecord[] {
  const records = parsedOf('records', requiredText(fields, 'records'))
  if (!Array.isArray(records)) throw invalidParameter(`'records' must hold a JSON list`)
  return records.map(recordFrom)
}

const setGrammar: Grammar<'attribute' | 'tag'> = {
  entities: { attribute: 'attribute', attributes: 'attribute', attr: 'attribute', tag: 'tag', tags: 'tag' },
  fallback: 'attribute',
  rules: {
    attribute: {
      keys: Object.fromEntries(
        ['name', 'created_time', 'last_update_time', 'created_by', 'last_updated_by', 'dataset_id'].map(
          (key) => [key, key],
        ),
      ),
      numeric: ['created_time', 'last_update_time'],
      comparators: textComparators,
      inKeys: ['name'],
    },
    tag: { comparators: textComparators },
  },
}
const setOf = (fields: Json) => requiredText(fields, 'dataset_id')
const search =
  (sets: EvaluationSets) => async (fields: Json, caller: Parameters<EvaluationSets['get']>[1]) => {
    const [limit, offset] = [pageSizeOf(fields, { fallback: 1_000, max: 50_000 }), offsetOf(fields)]
    const ordered = parseOrders(textsOf(fields, 'order_by'), setGrammar)
    const { sets: found, isMore } = await sets.search(
      {
        experiments: textsOf(fields, 'experiment_ids'),
        clauses: parseFilter(textOf(fields, 'filter_string'), setGrammar),
        orders: ordered.length > 0 ? ordered : [{ key: 'created_time', ascending: false }],
        limit,
        offset,
      },
      caller,
    )
    return message({
      datasets: found.map(setJson),
      next_page_token: isMore ? tokenFor([offset + limit]) : undefined,
    })
  }

const setRoutes = (sets: EvaluationSets): Route[] => [
  mlflowRoute({
    at: 'POST datasets/create',
    permission: write,
    run: async (fields, caller) => {
      const experiments = textsOf(fields, 'experiment_ids')
      const command = { name: requiredText(fields, 'name'), tags: tagsIn(fields), experiments }
      return { dataset: setJson(await sets.create(command, caller)) }
    },
  }),
  ...(['POST', 'GET'] as const).map((method) =>
    mlflowRoute({ at: `${method} datasets/search`, permission: read, run: search(sets) }),
  ),
  mlflowRoute({
    at: 'GET datasets/:dataset_id',
    permission: read,
    run: async (fields, caller) => ({ dataset: setJson(await sets.get({ set: setOf(fields) }, caller)) }),
  }),
  mlflowRoute({
    at: 'DELETE datasets/:dataset_id',
    permission: write,
    run: (fields, caller) => sets.remove({ set: setOf(fields) }, caller),
  }),
  mlflowRoute({
    at: 'PATCH datasets/:dataset_id/tags',
    permission: write,
    run: async (fields, caller) => {
      const set = setOf(fields)
      await sets.setTags({ set, tags: tagsIn({ ...fields, tags: presentText(fields, 'tags') }) }, caller)
      return { dataset: setJson(await sets.get({ set }, caller)) }
    },
  }),
  mlflowRoute({
    at: 'DELETE datasets/:dataset_id/tags/:key',
    permission: write,
    run: (fields, caller) => sets.removeTag({ set: setOf(fields), key: requiredText(fields, 'key') }, caller),
  }),
  mlflowRoute({
    at: 'GET datasets/:dataset_id/experiment-ids',
    permission: read,
    run: async (fields, caller) =>
      message({ experiment_ids: (await sets.get({ set: setOf(fields) }, caller)).experiments }),
  }),
  ...(['add', 'remove'] as const).map((change) =>
    mlflowRoute({
      at: `POST datasets/:dataset_id/${change}-experiments`,
      permission: write,
      run: async (fields, caller) => {
        const command = { set: setOf(fields), experiments: textsOf(fields, 'experiment_ids') }
        return { dataset: setJson(await sets[change === 'add' ? 'link' : 'unlink'](command, caller)) }
      },
    }),
  ),
]

const recordRoutes = (sets: EvaluationSets): Route[] => [
  mlflowRoute({
    at: 'POST datasets/:dataset_id/records',
    permission: write,
    bodyBytesMax: recordsBytesMax,
    run: async (fields, caller) => {
      const counts = await sets.putRecords({ set: setOf(fields), records: recordsIn(fields) }, caller)
      return { inserted_count: counts.inserted, updated_count: counts.updated }
    },
  }),
  mlflowRoute({
    at: 'GET datasets/:dataset_id/records',
    permission: read,
    run: async (fields, caller) => {
      const [limit, offset] = [pageSizeOf(fields, { fallback: 1_000, max: 10_000 }), offsetOf(fields)]
      const set = setOf(fields)
      const { records, isMore } = await sets.records({ set, limit, offset }, caller)
      return message({
        records: JSON.stringify(records.map((record) => recordJson(set, record))),
        next_page_token: isMore ? tokenFor([offset + limit]) : undefined,
      })
    },
  }),
  mlflowRoute({
    at: 'DELETE datasets/:dataset_id/records',
    permission: write,
    run: async (fields, caller) => {
      const records = textsOf(fields, 'dataset_record_ids')
      return { deleted_count: await sets.removeRecords({ set: setOf(fields), records }, caller) }
    },
  }),
]

export const judgingRoutes = (scorers: Scorers, sets: EvaluationSets): Route[] => [
  ...scorerRoutes(scorers),
  ...setRoutes(sets),
  ...recordRoutes(sets),
]
