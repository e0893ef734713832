/** Routes of the protocol. Its errors are `{"error": "…"}` with the right status. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Caller } from '#base/caller.ts'
import { Fault } from '#base/errors.ts'
import { type RenderFault, type Route, rawRoute, statusOf } from '#platform/http/index.ts'
import type { Answer, PredictRow, Serving } from '../../domains/serving/index.ts'
import { type InferRequest, parseInfer, type Tensor } from './tensors.ts'

const renderFault: RenderFault = (fault) => ({
  status: statusOf(fault),
  contentType: 'application/json',
  body: { error: fault.remedy === undefined ? fault.message : `${fault.message}; ${fault.remedy}` },
})
const outputName = 'prediction'

export function oipRoutes(serving: Serving, version: string): Route[] {
  const get = (
    id: string,
    path: string,
    summary: string,
    handle: (request: FastifyRequest, reply: FastifyReply, caller: Caller) => Promise<unknown>,
  ): Route =>
    rawRoute({ id, method: 'GET', path, summary, permission: 'endpoint:predict', renderFault, handle })
  const ready = async (request: FastifyRequest, reply: FastifyReply, caller: Caller) => {
    reply.code(serving.isReady((request.params as { name: string }).name, caller) ? 200 : 400)
    return {}
  }
  const metadata = async (request: FastifyRequest, _reply: FastifyReply, caller: Caller) => {
    const { name } = request.params as { name: string }
    const signature = await serving.signatureOf(name, caller)
    const keys = signature.entity.map((e) => ({ name: e, datatype: 'BYTES', shape: [-1] }))
    return {
      name,
      versions: [String(signature.version)],
      platform: 'onnx_onnxv1',
      inputs: [{ name: 'features', datatype: 'FP32', shape: [-1, signature.features.length] }, ...keys],
      outputs: [{ name: outputName, datatype: 'FP32', shape: [-1] }],
    }
  }
  const infer = (id: string, path: string): Route =>
    rawRoute({
      id,
      method: 'POST',
      path,
      summary: 'Infer',
      permission: 'endpoint:predict',
      renderFault,
      streamBody: true,
      bodyBytesMax: 64 * 1024 * 1024,
      handle: (request, reply, caller) => handleInfer(serving, request, reply, caller),
    })
  return [
    get('oip.server', '/v2', 'The server', async () => ({
      name: 'headrace',
      version,
      extensions: ['binary_tensor_data'],
    })),
    get('oip.live', '/v2/health/live', 'Whether the server lives', async () => ({})),
    get('oip.ready', '/v2/health/ready', 'Whether the server is ready', async () => ({})),
    get('oip.metadata', '/v2/models/:name', 'What an endpoint takes and gives', metadata),
    get('oip.metadataOf', '/v2/models/:name/versions/:version', 'What a version takes and gives', metadata),
    get('oip.modelReady', '/v2/models/:name/ready', 'Whether an endpoint answers', ready),
    get('oip.versionReady', '/v2/models/:name/versions/:version/ready', 'Whether a version answers', ready),
    infer('oip.infer', '/v2/models/:name/infer'),
    infer('oip.inferVersion', '/v2/models/:name/versions/:version/infer'),
  ]
}

async function handleInfer(
  serving: Serving,
  request: FastifyRequest,
  reply: FastifyReply,
  caller: Caller,
): Promise<unknown> {
  const { name } = request.params as { name: string }
  const header = request.headers['inference-header-content-length']
  const asked = parseInfer(await bodyOf(request), typeof header === 'string' ? Number(header) : undefined)
  const answer = await serving.predict(name, await rowsOf(serving, name, asked, caller), caller)
  return replyWith(reply, name, asked, answer)
}

async function bodyOf(request: FastifyRequest): Promise<Buffer> {
  const body = request.body as Buffer | AsyncIterable<Buffer> | object | undefined
  if (Buffer.isBuffer(body)) return body
  if (body === undefined || body === null) return Buffer.alloc(0)
  // JSON was parsed on the way in; the tensors are read from its text.
  if (!(Symbol.asyncIterator in body)) return Buffer.from(JSON.stringify(body))
  const parts: Buffer[] = []
  let size = 0
  for await (const part of body as AsyncIterable<Buffer>) {
    size += part.length
    if (size > 64 * 1024 * 1024)
      throw new Fault('too_large', 'oip.too_large', 'the request is larger than 64 MiB')
    parts.push(part)
  }
  return Buffer.concat(parts)
}

/** One two-dimensional tensor of features, or a tensor a column: keys of the entity, or each feature. */
async function rowsOf(
  serving: Serving,
  name: string,
  { inputs }: InferRequest,
  caller: Caller,
): Promise<PredictRow[]> {
  const { entity, features } = await serving.signatureOf(name, caller)
  const [first] = inputs
  if (
    first !== undefined &&
    inputs.length === 1 &&
    first.shape.length === 2 &&
    !entity.includes(first.name)
  ) {
    const width = first.shape[1] ?? 0
    return Array.from({ length: first.shape[0] ?? 0 }, (_, i) => ({
      values: numbers(first).slice(i * width, (i + 1) * width),
    }))
  }
  const byName = new Map(inputs.map((t) => [t.name, t]))
  const columns = entity.every((e) => byName.has(e)) ? entity : features
  const missing = columns.find((c) => !byName.has(c))
  if (missing !== undefined)
    throw new Fault('invalid', 'oip.invalid', `there is no input \`${missing}\``, {
      remedy: `send ${entity.join(', ')}, or one FP32 tensor of ${features.length} features`,
    })
  const count = byName.get(columns[0] ?? '')?.data.length ?? 0
  const uneven = columns.find((c) => byName.get(c)?.data.length !== count)
  if (uneven !== undefined)
    throw new Fault('invalid', 'oip.invalid', `input \`${uneven}\` has another number of rows`)
  return Array.from({ length: count }, (_, i): PredictRow => {
    const values = columns.map((c) => byName.get(c)?.data[i] as number | string)
    return columns === entity
      ? { key: Object.fromEntries(columns.map((c, k) => [c, values[k] as string | number])) }
      : { values: values.map(Number) }
  })
}

function numbers(tensor: Tensor): number[] {
  const bad = tensor.data.find((v) => typeof v !== 'number')
  if (bad !== undefined)
    throw new Fault(
      'invalid',
      'oip.invalid',
      `input ${tensor.name} has the text ${JSON.stringify(bad)} where numbers are needed`,
    )
  return tensor.data as number[]
}

function replyWith(reply: FastifyReply, name: string, asked: InferRequest, answer: Answer): unknown {
  const values = Float32Array.from(answer.predictions.map((p) => p.value))
  const shape = [values.length]
  const about = {
    model_name: name,
    model_version: String(answer.predictions[0]?.version ?? ''),
    ...(asked.id === undefined ? {} : { id: asked.id }),
    parameters: { predictions: answer.predictions.map((p) => p.id).join(',') },
  }
  if (!asked.binaryOutput)
    return { ...about, outputs: [{ name: outputName, datatype: 'FP32', shape, data: [...values] }] }
  const bytes = Buffer.from(values.buffer)
  const json = Buffer.from(
    JSON.stringify({
      ...about,
      outputs: [
        { name: outputName, datatype: 'FP32', shape, parameters: { binary_data_size: bytes.length } },
      ],
    }),
  )
  reply
    .header('inference-header-content-length', json.length)
    .header('content-type', 'application/octet-stream')
  return Buffer.concat([json, bytes])
}
