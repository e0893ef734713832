/**
 * TensorFlow Serving's REST face under `/tfserving`: `:predict` in row and column form, status and metadata of a model.
 * A model is an endpoint. Errors are `{"error": "…"}`. Translates, decides nothing.
 * Wire: tensorflow.org/tfx/serving/api_rest.
 */
import type { FastifyRequest } from 'fastify'
import type { Caller } from '#base/caller.ts'
import { Fault } from '#base/errors.ts'
import { type RenderFault, type Route, rawRoute, statusOf } from '#platform/http/index.ts'
import { recordsOf, rowsOf, type ScoringRecord, type Serving } from '../../domains/serving/index.ts'

type Json = Readonly<Record<string, unknown>>
const renderFault: RenderFault = (fault) => ({
  status: statusOf(fault),
  contentType: 'application/json',
  body: { error: fault.remedy === undefined ? fault.message : `${fault.message}; ${fault.remedy}` },
})

export function tfServingRoutes(serving: Serving): Route[] {
  const route = (
    id: string,
    [method, path]: ['GET' | 'POST', string],
    summary: string,
    handle: (request: FastifyRequest, caller: Caller) => Promise<unknown>,
  ): Route =>
    rawRoute({
      id: `tfserving.${id}`,
      method,
      path: `/tfserving/v1/models/${path}`,
      summary,
      permission: 'endpoint:predict',
      renderFault,
      handle: (request, _reply, caller) => handle(request, caller),
    })
  const status = (request: FastifyRequest, caller: Caller) => statusOfModel(serving, request, caller)
  return [
    // A colon separates the verb from the name; the router cannot split there, so `:call` holds both.
    route('predict', ['POST', ':call'], 'TensorFlow Serving: predict', (request, caller) =>
      predict(serving, request, caller),
    ),
    route(
      'predictVersion',
      ['POST', ':name/versions/:call'],
      'TensorFlow Serving: predict',
      (request, caller) => predict(serving, request, caller),
    ),
    route('status', ['GET', ':name'], 'TensorFlow Serving: status of a model', status),
    route(
      'versionStatus',
      ['GET', ':name/versions/:version'],
      'TensorFlow Serving: status of a version',
      status,
    ),
    route(
      'metadata',
      ['GET', ':name/metadata'],
      'TensorFlow Serving: what a model takes',
      (request, caller) => metadata(serving, request, caller),
    ),
  ]
}

async function statusOfModel(serving: Serving, request: FastifyRequest, caller: Caller): Promise<unknown> {
  const { name, version: asked } = request.params as { name: string; version?: string }
  const { version } = await serving.signatureOf(name, caller)
  checkVersion(asked, version)
  const fine = { error_code: 'OK', error_message: '' }
  return { model_version_status: [{ version: String(version), state: 'AVAILABLE', status: fine }] }
}

async function metadata(serving: Serving, request: FastifyRequest, caller: Caller): Promise<unknown> {
  const { name } = request.params as { name: string }
  const { version, entity, features } = await serving.signatureOf(name, caller)
  const tensor = (dtype: string) => ({ dtype, tensor_shape: { dim: [{ size: '-1' }] } })
  const inputs = Object.fromEntries([
    ...entity.map((key) => [key, tensor('DT_STRING')]),
    ...features.map((feature) => [feature, tensor('DT_FLOAT')]),
  ])
  return {
    model_spec: { name, signature_name: '', version: String(version) },
    metadata: { signature_def: { signature_def: { serving_default: { inputs } } } },
  }
}

async function predict(serving: Serving, request: FastifyRequest, caller: Caller): Promise<unknown> {
  const { name, version } = calledModel(request.params as Called)
  checkVersion(version, (await serving.signatureOf(name, caller)).version)
  const body = (request.body ?? {}) as Json
  const isColumns = body.inputs !== undefined
  if (isColumns === (body.instances !== undefined))
    throw new Fault(
      'invalid',
      'tfserving.body',
      'the body has either `instances` (rows) or `inputs` (columns)',
    )
  const records = isColumns ? columns(body.inputs) : recordsOf(body.instances, 'instances')
  const answer = await serving.predict(name, await rowsOf(serving, name, records, caller), caller)
  const values = answer.predictions.map((p) => p.value)
  return isColumns ? { outputs: values } : { predictions: values }
}

interface Called {
  readonly name?: string
  readonly call: string
}
/** `demand:predict`, or `demand/versions/2:predict`. */
function calledModel({ name, call }: Called): { name: string; version: string | undefined } {
  const at = call.lastIndexOf(':')
  const before = call.slice(0, Math.max(0, at))
  if (at > 0 && call.slice(at + 1) === 'predict')
    return name === undefined ? { name: before, version: undefined } : { name, version: before }
  throw new Fault('not_found', 'tfserving.verb', 'only :predict is served here', {
    remedy: 'POST /tfserving/v1/models/NAME:predict',
  })
}

/** The endpoint decides which version answers; one that is asked for by number must be that one. */
function checkVersion(asked: string | undefined, serves: number): void {
  if (asked === undefined || asked === String(serves)) return
  throw new Fault('not_found', 'tfserving.version', `version ${asked} does not answer here; ${serves} does`)
}

/** `{"a": [1, 2], "b": [3, 4]}`, or one list of rows. */
function columns(inputs: unknown): ScoringRecord[] {
  if (Array.isArray(inputs)) return recordsOf(inputs, 'inputs')
  const lists = Object.entries((inputs ?? {}) as Json)
  const length = Array.isArray(lists[0]?.[1]) ? lists[0][1].length : 0
  const odd = lists.find(([, list]) => !Array.isArray(list) || list.length !== length)
  if (lists.length === 0 || odd !== undefined)
    throw new Fault('invalid', 'tfserving.columns', '`inputs` holds lists of equal length by name')
  const rows = Array.from({ length }, (_, i) =>
    Object.fromEntries(lists.map(([name, list]) => [name, (list as unknown[])[i]])),
  )
  return recordsOf(rows, 'inputs')
}
