/** Plain scoring and MLflow's wire: `/endpoints/NAME/predict`, `/invocations`, `/ping`. Translates, decides nothing. */
import { Fault } from '#base/errors.ts'
import { type Route, rawRoute } from '#platform/http/index.ts'
import { recordsOf, rowsOf, type ScoringRecord, type Serving } from '../../domains/serving/index.ts'
import { recordsOfCsv } from './csv.ts'

type Json = Record<string, unknown>

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
      const records = /^text\/csv\b/.test(request.headers['content-type'] ?? '')
        ? await recordsOfCsv(request.body as AsyncIterable<Buffer>)
        : invocationRecords(request.body as Json | undefined)
      const rows = await rowsOf(serving, name, records, caller)
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
function invocationRecords(body: Json | undefined): ScoringRecord[] {
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
  return Array.from({ length: count }, (_, i) =>
    Object.fromEntries(lists.map(([name, list]) => [name, list[i]])),
  )
}
