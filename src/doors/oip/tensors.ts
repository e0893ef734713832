/**
 * Tensors of the protocol: JSON or binary (github.com/kserve/open-inference-protocol, specification/protocol;
 * binary: Triton's extension_binary_data). Pure.
 */
import { Fault } from '#base/errors.ts'

export interface Tensor {
  readonly name: string
  readonly datatype: string
  readonly shape: readonly number[]
  readonly data: readonly (number | string)[]
}
interface WireTensor {
  name?: unknown
  datatype?: unknown
  shape?: unknown
  data?: unknown
  parameters?: { binary_data_size?: unknown; binary_data?: unknown }
}
export interface InferRequest {
  readonly id: string | undefined
  readonly inputs: readonly Tensor[]
  /** Whether the client wants the output as bytes. */
  readonly binaryOutput: boolean
}
const elementsMax = 4_000_000
const invalid = (message: string) => new Fault('invalid', 'oip.invalid', message)

/** @throws Fault invalid `oip.invalid` */
export function parseInfer(body: Buffer, headerLength: number | undefined): InferRequest {
  const json = parseJson(headerLength === undefined ? body : body.subarray(0, headerLength))
  const inputs = json.inputs
  if (!Array.isArray(inputs) || inputs.length === 0) throw invalid('the request has no inputs')
  let offset = headerLength ?? body.length
  const tensors = inputs.map((wire: WireTensor) => {
    const shape = shapeOf(wire)
    const size = wire.parameters?.binary_data_size
    if (size === undefined) return tensorOf(wire, shape, flatten(wire.data))
    if (typeof size !== 'number' || !Number.isInteger(size) || size < 0 || offset + size > body.length)
      throw invalid(`the bytes of input ${String(wire.name)} are not all there`)
    const bytes = body.subarray(offset, offset + size)
    offset += size
    return tensorOf(wire, shape, decode(String(wire.datatype), bytes))
  })
  const outputs = (json.outputs as WireTensor[] | undefined) ?? []
  const wantsBinary =
    (json.parameters as { binary_data_output?: unknown } | undefined)?.binary_data_output === true ||
    outputs.some((o) => o?.parameters?.binary_data === true)
  return { id: typeof json.id === 'string' ? json.id : undefined, inputs: tensors, binaryOutput: wantsBinary }
}

function parseJson(bytes: Buffer): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'))
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  } catch {}
  throw invalid('the request is not JSON')
}

function shapeOf(wire: WireTensor): number[] {
  const { shape, name } = wire ?? {}
  if (typeof name !== 'string') throw invalid('an input has no name')
  const isShape =
    Array.isArray(shape) && shape.length > 0 && shape.every((n) => Number.isInteger(n) && n >= 0)
  if (!isShape) throw invalid(`input ${name} has no shape`)
  return shape as number[]
}

function tensorOf(wire: WireTensor, shape: number[], data: (number | string)[]): Tensor {
  const count = shape.reduce((a, b) => a * b, 1)
  if (count > elementsMax)
    throw new Fault(
      'too_large',
      'oip.too_large',
      `input ${String(wire.name)} has more than ${elementsMax} elements`,
    )
  if (count !== data.length)
    throw invalid(`input ${String(wire.name)} has shape [${shape}] and ${data.length} elements`)
  return { name: String(wire.name), datatype: String(wire.datatype), shape, data }
}

function flatten(data: unknown): (number | string)[] {
  if (!Array.isArray(data)) throw invalid('an input has no data')
  const flat = data.flat(8)
  const bad = flat.find((v) => typeof v !== 'number' && typeof v !== 'string')
  if (bad !== undefined) throw invalid(`${JSON.stringify(bad)} is not an element of a tensor`)
  return flat as (number | string)[]
}

const readers: Record<string, [size: number, read: (b: Buffer, at: number) => number]> = {
  FP32: [4, (b, at) => b.readFloatLE(at)],
  FP64: [8, (b, at) => b.readDoubleLE(at)],
  INT32: [4, (b, at) => b.readInt32LE(at)],
  INT64: [8, (b, at) => Number(b.readBigInt64LE(at))],
}
function decode(datatype: string, bytes: Buffer): (number | string)[] {
  if (datatype === 'BYTES') return decodeStrings(bytes)
  const reader = readers[datatype]
  if (reader === undefined)
    throw invalid(`datatype ${datatype} is not taken here: FP32, FP64, INT32, INT64 or BYTES`)
  const [size, read] = reader
  if (bytes.length % size !== 0) throw invalid(`${bytes.length} bytes are no whole number of ${datatype}`)
  return Array.from({ length: bytes.length / size }, (_, i) => read(bytes, i * size))
}

/** Each string: its length as 4 bytes little endian, then its bytes. */
function decodeStrings(bytes: Buffer): string[] {
  const found: string[] = []
  for (let at = 0; at < bytes.length; ) {
    const length = at + 4 <= bytes.length ? bytes.readUInt32LE(at) : -1
    if (length < 0 || at + 4 + length > bytes.length) throw invalid('a BYTES element is cut short')
    found.push(bytes.toString('utf8', at + 4, at + 4 + length))
    at += 4 + length
  }
  return found
}
