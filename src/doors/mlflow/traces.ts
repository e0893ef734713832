/** Traces and assessments on MLflow's wire, and spans by OTLP. Read next: otlp.ts. */
import type { FastifyRequest } from 'fastify'
import { type Route, rawRoute } from '#platform/http/index.ts'
import {
  type Assessment,
  type FoundTrace,
  type Span,
  type TraceInfo,
  type TraceOrder,
  type TraceState,
  type Traces,
  traceStates,
} from '../../domains/traces/index.ts'
import { invalidParameter, missingParameter, renderFault } from './errors.ts'
import { type Grammar, parseFilter, parseOrders, textComparators } from './filter.ts'
import { spansFromJson, spansFromProtobuf } from './otlp.ts'
import { mlflowRoute } from './routes.ts'
import {
  type Json,
  message,
  messageOf,
  messagesOf,
  offsetOf,
  pageSizeOf,
  presentText,
  requiredMessage,
  requiredText,
  textOf,
  textsOf,
  tokenFor,
  wholeOf,
} from './wire.ts'

const read = 'run:read'
const write = 'run:write'
const bodyBytesMax = 64 * 1024 * 1024
const tracesPage = { fallback: 100, max: 500 }

const assessmentJson = (one: Assessment) => ({
  ...one.body,
  assessment_id: one.id,
  assessment_name: one.name,
  trace_id: one.trace,
  create_time: new Date(one.createdAt).toISOString(),
  last_update_time: new Date(one.updatedAt).toISOString(),
  valid: one.valid,
})
const infoJson = (trace: FoundTrace) =>
  message({
    trace_id: trace.id,
    client_request_id: trace.clientRequestId,
    trace_location: {
      type: 'MLFLOW_EXPERIMENT',
      mlflow_experiment: { experiment_id: trace.experimentId },
    },
    request_preview: trace.requestPreview,
    response_preview: trace.responsePreview,
    request_time: new Date(trace.requestedAt).toISOString(),
    execution_duration: trace.durationMs === undefined ? undefined : `${trace.durationMs / 1_000}s`,
    state: trace.state,
    trace_metadata: trace.metadata,
    tags: trace.tags,
    assessments: trace.assessments.map(assessmentJson),
  })
/** Spans are kept as the wire has them, so they are put in as they are. */
const traceJson = (trace: FoundTrace, spans: readonly string[]) => ({
  trace_info: infoJson(trace),
  spans: spans.map((span) => JSON.parse(span)),
})

const textsIn = (fields: Json, name: string): Record<string, string> => {
  const all = Object.entries(messageOf(fields, name) ?? {})
  const wrong = all.find(([, value]) => typeof value !== 'string')
  if (wrong !== undefined) throw invalidParameter(`'${name}' holds '${wrong[0]}', which is not a string`)
  return Object.fromEntries(all) as Record<string, string>
}
function experimentOf(location: Json | undefined): string {
  const experiment = location === undefined ? undefined : messageOf(location, 'mlflow_experiment')
  if (experiment === undefined) throw missingParameter('trace_location')
  return requiredText(experiment, 'experiment_id')
}
function infoFrom(fields: Json): TraceInfo {
  const info = requiredMessage(requiredMessage(fields, 'trace'), 'trace_info')
  const id = requiredText(info, 'trace_id')
  if (!/^[\w.:/-]{1,200}$/.test(id)) throw invalidParameter(`'${id.slice(0, 200)}' is no trace id`)
  const requestedAt = Date.parse(requiredText(info, 'request_time'))
  if (Number.isNaN(requestedAt)) throw invalidParameter(`'request_time' is not a time of RFC 3339`)
  const duration = /^(\d+(?:\.\d+)?)s$/.exec(textOf(info, 'execution_duration') ?? '')
  const state = textOf(info, 'state') ?? 'STATE_UNSPECIFIED'
  if (!traceStates.includes(state as TraceState)) throw invalidParameter(`'${state}' is no state of a trace`)
  return {
    id,
    experimentId: experimentOf(messageOf(info, 'trace_location')),
    clientRequestId: textOf(info, 'client_request_id'),
    state: state as TraceState,
    requestedAt,
    durationMs: duration === null ? undefined : Math.round(Number(duration[1]) * 1_000),
    requestPreview: textOf(info, 'request_preview'),
    responsePreview: textOf(info, 'response_preview'),
    metadata: textsIn(info, 'trace_metadata'),
    tags: textsIn(info, 'tags'),
  }
}

export const traceRoutes = (traces: Traces): Route[] => [
  spanRoute(traces),
  ...readRoutes(traces),
  ...batchRoutes(traces),
  ...changeRoutes(traces),
  ...linkRoutes(traces),
  ...assessmentRoutes(traces),
]

const spanRoute = (traces: Traces): Route =>
  rawRoute({
    id: 'mlflow.otlp',
    method: 'POST',
    path: '/v1/traces',
    summary: 'OpenTelemetry: spans, as protobuf or JSON',
    permission: write,
    bodyBytesMax,
    streamBody: true,
    anyContentType: true,
    renderFault,
    async handle(request, reply, caller) {
      const experimentId = request.headers['x-mlflow-experiment-id']
      if (typeof experimentId !== 'string' || experimentId === '')
        return reply
          .code(422)
          .send({ detail: [{ loc: ['header', 'x-mlflow-experiment-id'], msg: 'Field required' }] })
      const bytes = await bytesOf(request)
      // What is not JSON by its first byte is protobuf: a JSON message is an object.
      const isJson = bytes.find((byte) => byte > 32) === 123
      const spans: Span[] = isJson ? spansFromJson(bytes.toString('utf8')) : spansFromProtobuf(bytes)
      await traces.putSpans({ experimentId, spans }, caller)
      reply.header('content-type', isJson ? 'application/json' : 'application/x-protobuf')
      return isJson ? '{}' : ''
    },
  })

async function bytesOf(request: FastifyRequest): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of (request.body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.length
    if (size > bodyBytesMax)
      throw invalidParameter(`At most ${bodyBytesMax} bytes of spans are taken at once`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

type Entity = 'attribute' | 'tag' | 'metadata' | 'span' | 'feedback' | 'expectation'
const keys: Record<string, string> = {
  request_id: 'request_id',
  trace_id: 'request_id',
  client_request_id: 'client_request_id',
  timestamp: 'timestamp_ms',
  timestamp_ms: 'timestamp_ms',
  execution_time: 'execution_time_ms',
  execution_time_ms: 'execution_time_ms',
  end_time: 'end_time_ms',
  end_time_ms: 'end_time_ms',
  status: 'status',
  state: 'status',
  name: 'name',
  run_id: 'run_id',
}
const valueRule = { comparators: [...textComparators, 'IS NULL', 'IS NOT NULL'] as const }
const grammar: Grammar<Entity> = {
  entities: {
    attribute: 'attribute',
    attributes: 'attribute',
    trace: 'attribute',
    tag: 'tag',
    tags: 'tag',
    metadata: 'metadata',
    request_metadata: 'metadata',
    span: 'span',
    feedback: 'feedback',
    expectation: 'expectation',
  },
  fallback: 'attribute',
  rules: {
    attribute: {
      keys,
      numeric: ['timestamp_ms', 'execution_time_ms', 'end_time_ms'],
      comparators: textComparators,
      inKeys: ['request_id', 'status', 'name', 'run_id', 'client_request_id'],
    },
    tag: valueRule,
    metadata: valueRule,
    feedback: valueRule,
    expectation: valueRule,
    span: {
      keys: { name: 'name', type: 'type', status: 'status', content: 'content' },
      comparators: [...textComparators, 'IN', 'NOT IN'],
    },
  },
}
/** Orders of what is in a table; others are refused. */
function ordersFrom(fields: Json): TraceOrder[] {
  return parseOrders(textsOf(fields, 'order_by'), grammar).map(({ entity, key, ascending }) => {
    if (entity === 'attribute' && key !== 'run_id') return { key, ascending }
    throw invalidParameter(`Invalid order_by key '${key}' for traces`)
  })
}

const readRoutes = (traces: Traces): Route[] => [
  mlflowRoute({
    at: 'POST traces/search',
    permission: read,
    async run(fields, caller) {
      const [limit, offset] = [pageSizeOf(fields, tracesPage), offsetOf(fields)]
      const search = {
        experimentIds: [
          ...messagesOf(fields, 'locations').map(experimentOf),
          ...textsOf(fields, 'experiment_ids'),
        ],
        clauses: parseFilter(textOf(fields, 'filter'), grammar),
        orders: ordersFrom(fields),
        limit,
        offset,
      }
      const found = await traces.search(search, caller)
      return message({
        traces: found.traces.map(infoJson),
        next_page_token: found.isMore ? tokenFor([offset + limit]) : undefined,
      })
    },
  }),
  mlflowRoute({
    at: 'GET traces/get',
    permission: read,
    async run(fields, caller) {
      const trace = requiredText(fields, 'trace_id')
      const found = await traces.get({ trace }, caller)
      const spans = await traces.spansOf({ traces: [trace] }, caller)
      return { trace: traceJson(found, spans.get(trace) ?? []) }
    },
  }),
]

const batchRoutes = (traces: Traces): Route[] => [
  mlflowRoute({
    at: 'GET traces/batchGet',
    permission: read,
    async run(fields, caller) {
      const ids = textsOf(fields, 'trace_ids').slice(0, tracesPage.max)
      const [found, spans] = await Promise.all([
        traces.getMany({ traces: ids }, caller),
        traces.spansOf({ traces: ids }, caller),
      ])
      const byId = new Map(found.map((trace) => [trace.id, trace]))
      const ordered = ids.map((id) => byId.get(id)).filter((trace) => trace !== undefined)
      return message({ traces: ordered.map((trace) => traceJson(trace, spans.get(trace.id) ?? [])) })
    },
  }),
  mlflowRoute({
    at: 'POST traces/batchGetInfos',
    permission: read,
    run: async (fields, caller) =>
      message({
        trace_infos: (
          await traces.getMany({ traces: textsOf(fields, 'trace_ids').slice(0, tracesPage.max) }, caller)
        ).map(infoJson),
      }),
  }),
  mlflowRoute({
    at: 'GET traces/:trace_id',
    permission: read,
    run: async (fields, caller) => ({
      trace: {
        trace_info: infoJson(await traces.get({ trace: requiredText(fields, 'trace_id') }, caller)),
      },
    }),
  }),
]

const changeRoutes = (traces: Traces): Route[] => [
  mlflowRoute({
    at: 'POST traces',
    permission: write,
    async run(fields, caller) {
      const info = infoFrom(fields)
      await traces.putTrace(info, caller)
      return { trace: { trace_info: infoJson(await traces.get({ trace: info.id }, caller)) } }
    },
  }),
  mlflowRoute({
    at: 'PATCH traces/:trace_id/tags',
    permission: write,
    run: (fields, caller) =>
      traces.setTag(
        {
          trace: requiredText(fields, 'trace_id'),
          key: requiredText(fields, 'key').slice(0, 250),
          value: presentText(fields, 'value').slice(0, 8_000),
        },
        caller,
      ),
  }),
  mlflowRoute({
    at: 'DELETE traces/:trace_id/tags',
    permission: write,
    run: (fields, caller) =>
      traces.removeTag({ trace: requiredText(fields, 'trace_id'), key: requiredText(fields, 'key') }, caller),
  }),
  mlflowRoute({
    at: 'POST traces/delete-traces',
    permission: write,
    async run(fields, caller) {
      const ids = [...textsOf(fields, 'request_ids'), ...textsOf(fields, 'trace_ids')]
      const untilMs = wholeOf(fields, 'max_timestamp_millis')
      if (untilMs === undefined && ids.length === 0)
        throw invalidParameter('Either `max_timestamp_millis` or `trace_ids` must be specified.')
      if (untilMs !== undefined && ids.length > 0)
        throw invalidParameter('Only one of `max_timestamp_millis` and `trace_ids` can be specified.')
      const limit = wholeOf(fields, 'max_traces')
      if (limit !== undefined && limit <= 0)
        throw invalidParameter(`\`max_traces\` must be a positive integer, received ${limit}.`)
      const experimentId = requiredText(fields, 'experiment_id')
      return { traces_deleted: await traces.remove({ experimentId, traces: ids, untilMs, limit }, caller) }
    },
  }),
]

const linkRoutes = (traces: Traces): Route[] => [
  mlflowRoute({
    at: 'POST traces/link-to-run',
    permission: write,
    run: (fields, caller) =>
      traces.linkRun({ traces: textsOf(fields, 'trace_ids'), run: requiredText(fields, 'run_id') }, caller),
  }),
  mlflowRoute({
    at: 'POST traces/link-prompts',
    permission: write,
    run(fields, caller) {
      const value = JSON.stringify(
        messagesOf(fields, 'prompt_versions').map((one) => ({
          name: requiredText(one, 'name'),
          version: requiredText(one, 'version'),
        })),
      )
      return traces.setTag(
        { trace: requiredText(fields, 'trace_id'), key: 'mlflow.linkedPrompts', value },
        caller,
      )
    },
  }),
]

const idsOf = (fields: Json) => ({
  trace: requiredText(fields, 'trace_id'),
  id: requiredText(fields, 'assessment_id'),
})
/** The parts of an assessment that are kept as they came; the others have columns. */
const bodyNames = ['source', 'span_id', 'feedback', 'expectation', 'rationale', 'metadata', 'overrides']
const bodyOf = (assessment: Json, names: readonly string[]): Json =>
  Object.fromEntries(names.filter((name) => name in assessment).map((name) => [name, assessment[name]]))
const snake = (name: string) => name.trim().replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

const assessmentRoutes = (traces: Traces): Route[] => [
  mlflowRoute({
    at: 'POST traces/:trace_id/assessments',
    permission: write,
    async run(fields, caller) {
      const assessment = requiredMessage(fields, 'assessment')
      if (assessment.feedback === undefined && assessment.expectation === undefined)
        throw invalidParameter('An assessment needs a feedback or an expectation')
      const command = {
        trace: requiredText(fields, 'trace_id'),
        name: requiredText(assessment, 'assessment_name'),
        body: bodyOf(assessment, bodyNames),
      }
      return { assessment: assessmentJson(await traces.assess(command, caller)) }
    },
  }),
  mlflowRoute({
    at: 'GET traces/:trace_id/assessments/:assessment_id',
    permission: read,
    run: async (fields, caller) => ({
      assessment: assessmentJson(await traces.assessment(idsOf(fields), caller)),
    }),
  }),
  mlflowRoute({
    at: 'PATCH traces/:trace_id/assessments/:assessment_id',
    permission: write,
    async run(fields, caller) {
      const assessment = requiredMessage(fields, 'assessment')
      const mask = requiredText(fields, 'update_mask').split(',').map(snake)
      const command = {
        ...idsOf(fields),
        name: mask.includes('assessment_name') ? requiredText(assessment, 'assessment_name') : undefined,
        changes: bodyOf(
          assessment,
          bodyNames.filter((name) => mask.includes(name)),
        ),
      }
      return { assessment: assessmentJson(await traces.reassess(command, caller)) }
    },
  }),
  mlflowRoute({
    at: 'DELETE traces/:trace_id/assessments/:assessment_id',
    permission: write,
    run: (fields, caller) => traces.removeAssessment(idsOf(fields), caller),
  }),
]
