/**
 * Spans as OpenTelemetry exporters send them (opentelemetry-proto 1.x, `ExportTraceServiceRequest`), protobuf or JSON, as
 * spans of ours. The reader knows the wire types and these few messages; fields that it does not know are skipped.
 */
import type { Span } from '../../domains/traces/index.ts'
import { invalidParameter } from './errors.ts'

type Value = bigint | Uint8Array
type Fields = Map<number, Value[]>
type Plain = Record<string, unknown>
const depthMax = 32
const spansMax = 50_000

class Reader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at = 0
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }
  fields(): Fields {
    const found: Fields = new Map()
    while (this.#at < this.#bytes.length) {
      const tag = Number(this.#varint())
      const value = this.#value(tag & 7)
      const all = found.get(tag >>> 3)
      if (all === undefined) found.set(tag >>> 3, [value])
      else all.push(value)
    }
    return found
  }
  #value(wire: number): Value {
    if (wire === 0) return this.#varint()
    if (wire === 1) return this.#fixed(8, () => this.#view.getBigUint64(this.#at, true))
    if (wire === 5) return this.#fixed(4, () => BigInt(this.#view.getUint32(this.#at, true)))
    if (wire !== 2) throw broken()
    const length = Number(this.#varint())
    return this.#fixed(length, () => this.#bytes.subarray(this.#at, this.#at + length))
  }
  #fixed<T>(length: number, read: () => T): T {
    if (this.#at + length > this.#bytes.length) throw broken()
    const value = read()
    this.#at += length
    return value
  }
  #varint(): bigint {
    let value = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#bytes[this.#at++]
      if (byte === undefined) throw broken()
      value |= BigInt(byte & 127) << shift
      if (byte < 128) return BigInt.asUintN(64, value)
    }
    throw broken()
  }
}
const broken = () => invalidParameter('Invalid OpenTelemetry protobuf: the message is cut short or malformed')

const read = (bytes: Uint8Array): Fields => new Reader(bytes).fields()
const bytesIn = (fields: Fields, at: number): Uint8Array[] =>
  (fields.get(at) ?? []).filter((value): value is Uint8Array => typeof value !== 'bigint')
const bytesAt = (fields: Fields, at: number): Uint8Array => bytesIn(fields, at).at(-1) ?? new Uint8Array()
const textAt = (fields: Fields, at: number): string => Buffer.from(bytesAt(fields, at)).toString('utf8')
const numberAt = (fields: Fields, at: number): bigint => {
  const value = fields.get(at)?.at(-1)
  return typeof value === 'bigint' ? value : 0n
}
const double = (bits: bigint): number => {
  const view = new DataView(new ArrayBuffer(8))
  view.setBigUint64(0, bits)
  return view.getFloat64(0)
}

/** AnyValue in proto-JSON. */
function valueFrom(bytes: Uint8Array, depth: number): Plain {
  if (depth > depthMax) throw invalidParameter('An attribute is nested too deeply')
  const fields = read(bytes)
  if (fields.has(1)) return { string_value: textAt(fields, 1) }
  if (fields.has(2)) return { bool_value: numberAt(fields, 2) !== 0n }
  if (fields.has(3)) return { int_value: String(BigInt.asIntN(64, numberAt(fields, 3))) }
  if (fields.has(4)) {
    const value = double(numberAt(fields, 4))
    return { double_value: Number.isFinite(value) ? value : String(value) }
  }
  if (fields.has(5))
    return {
      array_value: { values: bytesIn(read(bytesAt(fields, 5)), 1).map((one) => valueFrom(one, depth + 1)) },
    }
  if (fields.has(6)) return { kvlist_value: { values: pairsFrom(read(bytesAt(fields, 6)), 1, depth + 1) } }
  if (fields.has(7)) return { bytes_value: Buffer.from(bytesAt(fields, 7)).toString('base64') }
  return {}
}
const pairsFrom = (fields: Fields, at: number, depth = 0): Plain[] =>
  bytesIn(fields, at).map((bytes) => {
    const pair = read(bytes)
    return { key: textAt(pair, 1), value: valueFrom(bytesAt(pair, 2), depth) }
  })

const codes = ['STATUS_CODE_UNSET', 'STATUS_CODE_OK', 'STATUS_CODE_ERROR'] as const
const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')

/** @throws Fault INVALID_PARAMETER_VALUE */
export function spansFromProtobuf(bytes: Uint8Array): Span[] {
  const spans = bytesIn(read(bytes), 1)
    .flatMap((resource) => bytesIn(read(resource), 2))
    .flatMap((scope) => bytesIn(read(scope), 2))
  if (spans.length > spansMax) throw invalidParameter(`At most ${spansMax} spans are taken at once`)
  return spans.map((one) => {
    const fields = read(one)
    const status = read(bytesAt(fields, 15))
    const parent = bytesAt(fields, 4)
    return spanFrom({
      trace_id: base64(bytesAt(fields, 1)),
      span_id: base64(bytesAt(fields, 2)),
      ...(parent.length === 0 ? {} : { parent_span_id: base64(parent) }),
      name: textAt(fields, 5),
      start_time_unix_nano: String(numberAt(fields, 7)),
      ...(numberAt(fields, 8) === 0n ? {} : { end_time_unix_nano: String(numberAt(fields, 8)) }),
      attributes: pairsFrom(fields, 9),
      events: bytesIn(fields, 11).map((bytes) => {
        const event = read(bytes)
        const at = String(numberAt(event, 1))
        return { time_unix_nano: at, name: textAt(event, 2), attributes: pairsFrom(event, 3) }
      }),
      links: bytesIn(fields, 13).map((bytes) => {
        const link = read(bytes)
        const [trace_id, span_id] = [base64(bytesAt(link, 1)), base64(bytesAt(link, 2))]
        return { trace_id, span_id, attributes: pairsFrom(link, 4) }
      }),
      status: { code: codes[Number(numberAt(status, 3))] ?? codes[0], message: textAt(status, 2) },
    })
  })
}

const snake = (name: string) => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
/** OTLP's JSON: camelCase names, ids in hex, status codes as numbers. */
function fromJson(value: unknown, name = ''): unknown {
  if (Array.isArray(value)) return value.map((one) => fromJson(one))
  if (typeof value === 'string' && /^(trace_id|span_id|parent_span_id)$/.test(name))
    return Buffer.from(value, 'hex').toString('base64')
  if (typeof value !== 'object' || value === null) return value
  const pairs = Object.entries(value).map(([key, one]) => [snake(key), fromJson(one, snake(key))] as const)
  return Object.fromEntries(pairs)
}
export function spansFromJson(text: string): Span[] {
  let whole: Plain
  try {
    whole = fromJson(JSON.parse(text)) as Plain
  } catch {
    throw invalidParameter('Invalid OpenTelemetry JSON')
  }
  const list = (value: unknown): Plain[] => (Array.isArray(value) ? value : [])
  const spans = list(whole?.resource_spans)
    .flatMap((resource) => list(resource?.scope_spans))
    .flatMap((scope) => list(scope?.spans))
  if (spans.length > spansMax) throw invalidParameter(`At most ${spansMax} spans are taken at once`)
  return spans.map((span) => {
    const status = (span.status ?? {}) as Plain
    const code = typeof status.code === 'number' ? codes[status.code] : status.code
    return spanFrom({ ...span, status: { ...status, code: code ?? codes[0] } })
  })
}

const hexOf = (value: unknown, length: number): string => {
  const hex = Buffer.from(typeof value === 'string' ? value : '', 'base64').toString('hex')
  if (hex.length === length && /[1-9a-f]/.test(hex)) return hex
  throw invalidParameter('A span needs a trace id of 16 bytes and a span id of 8')
}
function nanoOf(value: unknown): bigint {
  if (/^\d{1,20}$/.test(String(value))) return BigInt(String(value))
  throw invalidParameter('A time of a span is no number of nanoseconds')
}
const statusOf = { STATUS_CODE_OK: 'OK', STATUS_CODE_ERROR: 'ERROR', STATUS_CODE_UNSET: 'UNSET' } as const

function spanFrom(body: Plain): Span {
  const attributes = (Array.isArray(body.attributes) ? body.attributes : []) as {
    key?: unknown
    value?: { string_value?: unknown }
  }[]
  const type = attributes.find((one) => one?.key === 'mlflow.spanType')?.value?.string_value
  const code = String((body.status as Plain | undefined)?.code)
  const end = body.end_time_unix_nano
  return {
    trace: `tr-${hexOf(body.trace_id, 32)}`,
    span: hexOf(body.span_id, 16),
    parent:
      body.parent_span_id === undefined || body.parent_span_id === ''
        ? undefined
        : hexOf(body.parent_span_id, 16),
    name: typeof body.name === 'string' ? body.name : '',
    type: typeof type === 'string' ? type.replaceAll('"', '') : undefined,
    status: statusOf[code as keyof typeof statusOf] ?? 'UNSET',
    startedNs: nanoOf(body.start_time_unix_nano ?? 0),
    endedNs: end === undefined || String(end) === '0' ? undefined : nanoOf(end),
    body: JSON.stringify(body),
  }
}
