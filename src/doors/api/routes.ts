/** Routes that belong to no domain. Read next: stream.ts (live events). */
import type { Readable } from 'node:stream'
import { z } from 'zod'
import { Fault } from '#base/errors.ts'
import type { Blobs } from '#platform/blobs/index.ts'
import type { Events } from '#platform/events/index.ts'
import { endpoint, type Route, rawRoute } from '#platform/http/index.ts'
import { eventStream } from './stream.ts'

export interface ApiDeps {
  readonly events: Events
  readonly blobs: Blobs
  readonly version: string
  /** Refuses while the server cannot serve. */
  readonly isReady: () => boolean
  readonly schema: () => Record<string, unknown>
  readonly openApi: () => Record<string, unknown>
  readonly metrics: () => Promise<string>
  readonly backup: (to: string) => Promise<{ files: number; bytes: number }>
  /** Aborted first at shutdown: it ends the streams. */
  readonly stopping: AbortSignal
}

const Event = z.object({
  seq: z.number(),
  project: z.string(),
  type: z.string(),
  subject: z.string(),
  actor: z.string(),
  actorKind: z.string(),
  requestId: z.string(),
  recordedAt: z.number(),
  happenedAt: z.number(),
  payload: z.unknown(),
})
const Verdict = z.object({
  intact: z.boolean(),
  verified: z.number(),
  unsealed: z.number(),
  headHash: z.string(),
  problem: z.string().optional(),
  seq: z.number().optional(),
})
const digest = z.string().regex(/^[0-9a-f]{64}$/)

export const apiRoutes = (deps: ApiDeps): Route[] => [
  ...publicRoutes(deps),
  ...eventRoutes(deps),
  ...blobRoutes(deps),
]

const publicRoutes = (deps: ApiDeps): Route[] => [
  rawRoute({
    id: 'health',
    method: 'GET',
    path: '/health',
    summary: 'Whether the server can serve',
    permission: 'public',
    async handle(_request, reply) {
      reply.code(deps.isReady() ? 200 : 503).header('content-type', 'text/plain; charset=utf-8')
      return deps.isReady() ? 'OK' : 'starting'
    },
  }),
  rawRoute({
    id: 'openapi',
    method: 'GET',
    path: '/openapi.json',
    summary: 'This API',
    permission: 'public',
    handle: async () => deps.openApi(),
  }),
  rawRoute({
    id: 'schema',
    method: 'GET',
    path: '/schema/v1.json',
    summary: 'JSON Schema of headrace.yaml',
    permission: 'public',
    handle: async () => deps.schema(),
  }),
  rawRoute({
    id: 'metrics',
    method: 'GET',
    path: '/metrics',
    summary: 'Prometheus text',
    permission: 'metrics:read',
    async handle(_request, reply) {
      reply.header('content-type', 'text/plain; version=0.0.4; charset=utf-8')
      return deps.metrics()
    },
  }),
  endpoint({
    id: 'version',
    method: 'GET',
    path: '/api/v1/version',
    summary: 'Version of the server',
    permission: 'public',
    input: z.strictObject({}),
    output: z.object({ version: z.string() }),
    run: async () => ({ version: deps.version }),
  }),
]

const eventRoutes = (deps: ApiDeps): Route[] => [
  endpoint({
    id: 'events.list',
    method: 'GET',
    path: '/api/v1/events',
    summary: 'What happened, newest first',
    permission: 'event:read',
    input: z.strictObject({
      before: z.coerce.number().int().optional(),
      after: z.coerce.number().int().optional(),
      type: z.string().optional(),
      subject: z.string().optional(),
      order: z.enum(['asc', 'desc']).default('desc'),
      limit: z.coerce.number().int().min(1).max(1_000).default(100),
    }),
    output: z.object({ events: z.array(Event) }),
    async run({ before, after, type, subject, order, limit }, caller) {
      const query = { project: caller.project, beforeSeq: before, afterSeq: after, subject, limit, order }
      return {
        events: await deps.events.list({ ...query, types: type === undefined ? undefined : type.split(',') }),
      }
    },
  }),
  rawRoute({
    id: 'events.stream',
    method: 'GET',
    path: '/api/v1/events/stream',
    summary: 'What happens, live; resumable by Last-Event-ID',
    permission: 'event:read',
    async handle(request, reply, caller) {
      reply
        .header('content-type', 'text/event-stream')
        .header('cache-control', 'no-store')
        .header('x-accel-buffering', 'no')
      const given = request.headers['last-event-id']
      const from = typeof given === 'string' && /^\d+$/.test(given) ? Number(given) : undefined
      return eventStream({
        events: deps.events,
        project: caller.project,
        afterSeq: from,
        stopping: deps.stopping,
      })
    },
  }),
  endpoint({
    id: 'audit.verify',
    method: 'GET',
    path: '/api/v1/audit/verify',
    summary: 'Recompute the chain over the audit log',
    permission: 'audit:read',
    input: z.strictObject({}),
    output: Verdict,
    run: () => deps.events.verify(),
  }),
  endpoint({
    id: 'admin.backup',
    method: 'POST',
    path: '/api/v1/admin/backup',
    summary: 'Copy database and blobs to a new folder on the server, while serving',
    permission: 'admin:backup',
    input: z.strictObject({ to: z.string().min(1).max(4_000) }),
    output: z.object({ files: z.number(), bytes: z.number() }),
    run: ({ to }) => deps.backup(to),
  }),
]

const blobRoutes = ({ blobs }: ApiDeps): Route[] => [
  rawRoute({
    id: 'blobs.put',
    method: 'PUT',
    path: '/api/v1/blobs/:digest',
    summary: 'Store bytes under their SHA-256',
    permission: 'blob:write',
    streamBody: true,
    async handle(request, reply) {
      const expected = digest.safeParse((request.params as { digest: string }).digest)
      if (!expected.success)
        throw new Fault('invalid', 'blobs.digest_invalid', 'a digest is 64 lower-case hex digits')
      const body = request.body as Readable | string | undefined
      if (body !== undefined && typeof body !== 'string' && typeof body.pipe !== 'function') {
        throw new Fault('invalid', 'blobs.content_type', 'send the bytes as application/octet-stream')
      }
      reply.code(201)
      return blobs.put(body ?? '', { expected: expected.data })
    },
  }),
  rawRoute({
    id: 'blobs.get',
    method: 'GET',
    path: '/api/v1/blobs/:digest',
    summary: 'The bytes of a digest, whole or a range; HEAD says whether they are there',
    permission: 'blob:read',
    async handle(request, reply) {
      const { digest: name } = request.params as { digest: string }
      const found = await blobs.stat(name)
      if (found === undefined) throw new Fault('not_found', 'blobs.not_found', `there is no blob ${name}`)
      reply
        .header('content-type', 'application/octet-stream')
        .header('accept-ranges', 'bytes')
        .header('etag', `"${name}"`)
      const range = rangeOf(request.headers.range, found.size)
      if (range === undefined) {
        reply.header('content-length', found.size)
        return request.method === 'HEAD' ? null : blobs.open(name)
      }
      reply
        .code(206)
        .header('content-range', `bytes ${range.start}-${range.end}/${found.size}`)
        .header('content-length', range.end - range.start + 1)
      return blobs.open(name, range)
    },
  }),
]

/** One range of RFC 9110; several are answered with the whole. @throws Fault invalid `blobs.range_invalid` */
function rangeOf(header: string | undefined, size: number): { start: number; end: number } | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '')
  if (match === null || (match[1] === '' && match[2] === '')) return undefined
  const start = match[1] === '' ? Math.max(0, size - Number(match[2])) : Number(match[1])
  const end = match[1] === '' || match[2] === '' ? size - 1 : Math.min(Number(match[2]), size - 1)
  if (start <= end) return { start, end }
  throw new Fault('invalid', 'blobs.range_invalid', `the range begins after the last byte (${size - 1})`)
}
