/** Plain scoring and MLflow's wire: `/endpoints/NAME/predict`, `/invocations`, `/ping`. Translates, decides nothing. */
import type { Caller } from '#base/caller.ts'
import { Fault } from '#base/errors.ts'
import { type Route, rawRoute } from '#platform/http/index.ts'
import type { PredictRow, Serving } from '../../domains/serving/index.ts'

type Json = Record<string, unknown>
const rowsMax = 10_000

export const scoringRoutes = (serving: Serving): Route[] => [
  rawRoute({
    id: 'scoring.predict',
    method: 'POST',
    path: '/endpoints/:name/predict',
    summary: 'Predict: rows of entity keys or of features',
    permission: 'endpoint:predict',
    async handle(request, _reply, caller) {
      const { name } = request.params as { name: string }
      const rows = (request.body as Json | undefined)?.rows
      const answer = await serving.predict(
        name,
        await rowsOf(serving, name, recordsOf(rows, 'rows'), caller),
        caller,
      )
      return { model: answer.model, latency_ms: answer.latencyMs, predictions: answer.predictions }
    },
  }),
  rawRoute({
    id: 'scoring.invocations',
    method: 'POST',
    path: '/endpoints/:name/invocations',
    summary: 'MLflow’s scoring protocol',
    permission: 'endpoint:predict',
    async handle(request, _reply, caller) {
      const { name } = request.params as { name: string }
      const rows = await rowsOf(serving, name, invocationRecords(request.body as Json | undefined), caller)
      const answer = await serving.predict(name, rows, caller)
      return { predictions: answer.predictions.map((p) => p.value) }
    },
  }),
  rawRoute({
    id: 'scoring.ping',
    method: 'GET',
    path: '/endpoints/:name/ping',
    summary: 'Whether the endpoint answers',
    permission: 'endpoint:predict',
    async handle(request, reply, caller) {
      const { name } = request.params as { name: string }
      reply.code(serving.isReady(name, caller) ? 200 : 404)
      return ''
    },
  }),
]

/** dataframe_split, dataframe_records, instances or inputs (mlflow.org, "Deploy MLflow Model as a Local Inference Server"). */
function invocationRecords(body: Json | undefined): (Json | unknown[])[] {
  const split = body?.dataframe_split as { columns?: string[]; data?: unknown[][] } | undefined
  if (split !== undefined) {
    const { columns = [], data } = split
    return recordsOf(data, 'dataframe_split.data').map((row) =>
      Array.isArray(row) ? Object.fromEntries(columns.map((c, i) => [c, row[i]])) : row,
    )
  }
  for (const field of ['dataframe_records', 'instances', 'inputs']) {
    const value = body?.[field]
    if (Array.isArray(value)) return recordsOf(value, field)
    if (typeof value === 'object' && value !== null) return columnsToRecords(value as Json)
  }
  throw new Fault(
    'invalid',
    'scoring.body_unknown',
    'the body has none of dataframe_split, dataframe_records, instances, inputs',
  )
}

function columnsToRecords(columns: Json): Json[] {
  const lists = Object.entries(columns).filter((pair): pair is [string, unknown[]] => Array.isArray(pair[1]))
  const count = lists[0]?.[1].length ?? 0
  return Array.from({ length: Math.min(count, rowsMax + 1) }, (_, i) =>
    Object.fromEntries(lists.map(([name, list]) => [name, list[i]])),
  )
}

function recordsOf(value: unknown, field: string): (Json | unknown[])[] {
  if (!Array.isArray(value))
    throw new Fault('invalid', 'scoring.rows_missing', `\`${field}\` must be a list of rows`)
  const bad = value.findIndex((row) => typeof row !== 'object' || row === null)
  if (bad >= 0)
    throw new Fault(
      'invalid',
      'scoring.row_invalid',
      `row ${bad} of \`${field}\` is neither an object nor a list`,
    )
  return value as (Json | unknown[])[]
}

/** A record with the entity's columns is a key; one with all features is their values; a list is values in order. */
async function rowsOf(
  serving: Serving,
  name: string,
  records: readonly (Json | unknown[])[],
  caller: Caller,
): Promise<PredictRow[]> {
  const { entity, features } = await serving.signatureOf(name, caller)
  return records.map((record, i): PredictRow => {
    if (Array.isArray(record)) return { values: numbers(record, i) }
    if (features.every((f) => f in record))
      return {
        values: numbers(
          features.map((f) => record[f]),
          i,
        ),
      }
    const missing = entity.find((e) => typeof record[e] !== 'string' && typeof record[e] !== 'number')
    if (missing !== undefined)
      throw new Fault(
        'invalid',
        'scoring.key_missing',
        `row ${i} has neither the key \`${missing}\` nor all features`,
        { remedy: `send ${entity.join(', ')} or ${features.join(', ')}` },
      )
    return { key: Object.fromEntries(entity.map((e) => [e, record[e] as string | number])) }
  })
}

const numbers = (values: readonly unknown[], row: number): number[] =>
  values.map((v) => {
    if (v === null) return Number.NaN
    if (typeof v === 'number') return v
    throw new Fault(
      'invalid',
      'scoring.value_invalid',
      `row ${row} has ${JSON.stringify(v)?.slice(0, 60)} where a number is needed`,
    )
  })
