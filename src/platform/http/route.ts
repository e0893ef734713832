/**
 * Routes as data: every door hands over a list of these, and platform/http mounts them. A route names the permission
 * it asks for; nothing here knows domains. Read next: mount.ts.
 */
import type { Caller } from '#base/caller.ts'
import type { Fault } from '#base/errors.ts'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { z } from 'zod'

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

interface RouteBase {
  /** `datasets.listVersions`: operationId, CLI verb, client method, metric label. */
  readonly id: string
  readonly method: Method
  /** Fastify's grammar: `/api/v1/datasets/:dataset/versions/:version/files/*`; the rest under `*` is called `path`. */
  readonly path: string
  readonly summary: string
  /** `noun:verb`, or `public` for the few addresses that anybody may read. */
  readonly permission: string
  readonly bodyBytesMax: number
  /** How this door says a Fault; without one it is problem+json. */
  readonly renderFault?: RenderFault
}

export interface Endpoint extends RouteBase {
  readonly kind: 'endpoint'
  readonly input: z.ZodType
  readonly output: z.ZodType
  readonly status: number
  run(command: unknown, caller: Caller): Promise<unknown>
}

export interface RawRoute extends RouteBase {
  readonly kind: 'raw'
  /** `json`: parsed where the content type says so, else bytes; `bytes`: always a Buffer; `stream`: untouched. */
  readonly body: 'json' | 'bytes' | 'stream'
  /** The body is a stream even where it says that it is JSON. */
  readonly anyContentType?: true
  handle(request: FastifyRequest, reply: FastifyReply, caller: Caller): Promise<unknown>
}

export type Route = Endpoint | RawRoute

/** What a door answers to a Fault on its own wire. */
export type RenderFault = (
  fault: Fault,
  about: { readonly requestId: string; readonly url: string },
) => { readonly status: number; readonly contentType: string; readonly body: string | object }

export interface EndpointSpec<I, O> {
  readonly id: string
  readonly method: Method
  readonly path: string
  readonly summary: string
  readonly permission: string
  readonly input: z.ZodType<I>
  readonly output: z.ZodType<O>
  readonly status?: number
  readonly bodyBytesMax?: number
  readonly renderFault?: RenderFault
  run(command: I, caller: Caller): Promise<O>
}

export interface RawRouteSpec {
  readonly id: string
  readonly method: Method
  readonly path: string
  readonly summary: string
  readonly permission: string
  readonly bodyBytesMax?: number
  /** The handler reads `request.body` as a stream of any length. */
  readonly streamBody?: true
  /** With `streamBody`: JSON is not parsed either, since files may be JSON. */
  readonly anyContentType?: true
  /** The handler wants the bytes as they came, whatever the content type (signatures). */
  readonly bytesBody?: true
  readonly renderFault?: RenderFault
  handle(request: FastifyRequest, reply: FastifyReply, caller: Caller): Promise<unknown>
}

// A definition file with its code manifest fits many times; bulk goes through streams.
const bodyBytesMaxDefault = 8 * 1024 * 1024

/** One operation of the native API: path, query and JSON body become one flat command. */
export function endpoint<I, O>(spec: EndpointSpec<I, O>): Endpoint {
  return {
    ...spec,
    kind: 'endpoint',
    input: strict(spec.input),
    status: spec.status ?? 200,
    bodyBytesMax: spec.bodyBytesMax ?? bodyBytesMaxDefault,
    run: (command, caller) => spec.run(command as I, caller),
  }
}

/** A route that speaks a wire of its own: files, streams, foreign protocols. */
export function rawRoute(spec: RawRouteSpec): RawRoute {
  const { streamBody, bytesBody, ...rest } = spec
  const body = streamBody ? 'stream' : bytesBody ? 'bytes' : 'json'
  const bodyBytesMax = spec.bodyBytesMax ?? (streamBody ? Number.POSITIVE_INFINITY : bodyBytesMaxDefault)
  return { ...rest, kind: 'raw', body, bodyBytesMax, handle: spec.handle.bind(spec) }
}

/** Unknown fields are refused rather than dropped: a misspelt option should not pass in silence. */
function strict(schema: z.ZodType): z.ZodType {
  const object = schema as Partial<z.ZodObject>
  const isOpenObject = typeof object.strict === 'function' && object.def?.catchall === undefined
  return isOpenObject ? (object as z.ZodObject).strict() : schema
}
