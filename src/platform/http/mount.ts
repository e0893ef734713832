/**
 * Mounts routes on Fastify: reach, identity, permission, parsing, then the operation; faults on the wire of their door.
 * `/p/PROJECT` is taken off before routing. Nothing here knows a domain. Read next: guard.ts, problem.ts.
 */
import type { AddressInfo } from 'node:net'
import type { Readable } from 'node:stream'
import type { Server as TlsServer } from 'node:tls'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { z } from 'zod'
import { type Caller, mayDo } from '#base/caller.ts'
import { asFault, Fault } from '#base/errors.ts'
import { newId } from '#base/ids.ts'
import { decoded } from './encoding.ts'
import { checkReach, type Doorkeeper, type Reach, reachOf } from './guard.ts'
import { boundBody, httpLimits, type Limits, securityHeaders } from './limits.ts'
import { problemOf, statusOf } from './problem.ts'
import type { Endpoint, Route } from './route.ts'

/** What authentication may look at. */
export interface RequestIdentity {
  readonly project: string
  readonly requestId: string
  readonly authorization: string | undefined
  /** The name that the local owner acts under, where it gave one. */
  readonly actingAs: string | undefined
  readonly cookie: string | undefined
  readonly remoteAddress: string
  /** True where the request came through a proxy, so that its address is not the caller's. */
  readonly isForwarded: boolean
}
export interface Tls {
  readonly key: string
  readonly cert: string
}
export interface HttpOptions extends Doorkeeper {
  readonly routes: readonly Route[]
  /** @throws Fault unauthenticated */
  readonly authenticate: (request: RequestIdentity) => Promise<Caller>
  /** Prefix of every address behind a proxy, such as `/headrace`. */
  readonly basePath?: string
  /** Addresses that doors know by several names, brought to the one that is mounted; after `/p/PROJECT` is off. */
  readonly canonicalAddress?: (url: string) => string
  readonly tls?: Tls
  /** Whether a peer is a proxy whose word about the caller counts. */
  readonly isTrusted?: (address: string) => boolean
  readonly limits?: Partial<Limits>
  /** One wide line a request. */
  readonly onRequest?: (line: Readonly<Record<string, unknown>>) => void
}
export interface Http {
  readonly app: FastifyInstance
  /** The address that it listens at. @throws Fault conflict `http.port_in_use` */
  listen(host: string, port: number): Promise<string>
  /** Another certificate for connections from now on. */
  reloadTls(tls: Tls): void
  /** Ends streams, waits for what is under way, closes. */
  close(): Promise<void>
}

const projectPattern = /^\/p\/([a-z0-9][a-z0-9_.-]{0,62})(?=\/|$|\?)/
const drainMs = 8_000
declare module 'fastify' {
  interface FastifyRequest {
    project: string
    caller: Caller | undefined
    reach: Reach
  }
}

export async function openHttp(options: HttpOptions): Promise<Http> {
  const base = options.basePath ?? ''
  const app = Fastify({
    logger: false,
    genReqId: () => newId(),
    bodyLimit: 8 * 1024 * 1024,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 400, ignoreTrailingSlash: true },
    ...(options.tls === undefined
      ? { http: httpLimits(options.limits) }
      : { https: { ...httpLimits(options.limits), ...options.tls } }),
    rewriteUrl(raw) {
      let url = raw.url ?? '/'
      if (base !== '' && isBelow(url, base)) url = url.slice(base.length).replace(/^(?=\?|$)/, '/')
      const hasDots = dotSegment.test(url.split('?')[0] ?? '')
      const project = projectPattern.exec(url)
      Object.assign(raw, { headraceProject: project?.[1] ?? 'default', headraceHasDots: hasDots })
      const address = project === null ? url : url.slice(project[0].length) || '/'
      return options.canonicalAddress?.(address) ?? address
    },
  }) as unknown as FastifyInstance
  app.decorateRequest('project', 'default')
  app.decorateRequest('caller', undefined)
  app.decorateRequest('reach', undefined as unknown as Reach)
  const headers = securityHeaders(options.tls !== undefined)
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(headers)
    admit(request, options)
  })
  addParsers(app)
  addCors(app, options)
  app.addHook('onResponse', async (request, reply) => options.onRequest?.(lineOf(request, reply)))
  const byId = new Map<string, Route>()
  for (const route of options.routes) {
    if (byId.has(route.id))
      throw new Fault('internal', 'http.route_twice', `two routes are called ${route.id}`)
    byId.set(route.id, route)
    mount(app, route, options)
  }
  app.setErrorHandler((error, request, reply) => sendFault(faultOf(error), request, reply, byId))
  app.setNotFoundHandler((request, reply) => sendFault(noSuchAddress(request), request, reply, byId))
  return {
    app,
    listen: (host, port) => listen(app, options, host, port),
    reloadTls: (tls) => (app.server as unknown as TlsServer).setSecureContext(tls),
    close: () => close(app),
  }
}

/** Not a prefix of letters but of segments: `/head` is not above `/headrace`. */
const isBelow = (url: string, base: string) =>
  url.startsWith(base) && (url.length === base.length || '/?'.includes(url[base.length] as string))
/** `..` in any spelling: whoever sends it hopes that two readers of the address disagree. */
const dotSegment = /(?:^|\/|%2f|\\|%5c)(?:\.|%2e){1,2}(?:$|\/|%2f|\\|%5c|;)/i

/** Before routing counts: from where it comes, under which name, and from which page. */
function admit(request: FastifyRequest, options: HttpOptions): void {
  const raw = request.raw as unknown as { headraceProject?: string; headraceHasDots?: boolean }
  request.project = raw.headraceProject ?? 'default'
  const { headers, method, socket } = request
  const peer = { address: socket?.remoteAddress ?? '', isTls: options.tls !== undefined, headers }
  request.reach = reachOf(peer, options.isTrusted ?? (() => false))
  const site = headers['sec-fetch-site']
  checkReach(options, request.reach, {
    method,
    origin: headers.origin,
    site: typeof site === 'string' ? site : undefined,
  })
  if (raw.headraceHasDots === true)
    throw new Fault('invalid', 'http.path_dots', 'an address has no `.` or `..` segments')
}

function mount(app: FastifyInstance, route: Route, options: HttpOptions): void {
  app.route({
    method: route.method,
    url: route.path,
    config: { routeId: route.id },
    bodyLimit: Math.min(route.bodyBytesMax, Number.MAX_SAFE_INTEGER),
    async preParsing(request, _reply, payload) {
      await identify(request, route, options)
      if (route.kind === 'raw' && (route.anyContentType || route.body === 'bytes'))
        request.headers['content-type'] = 'application/octet-stream'
      boundBody(request.raw, route.bodyBytesMax, options.limits)
      return decoded(request.headers, payload as Readable, route.bodyBytesMax)
    },
    async handler(request, reply) {
      if (route.kind === 'raw' && route.body === 'bytes') request.body = await wholeOf(request.body)
      if (route.kind === 'raw') return route.handle(request, reply, request.caller as Caller)
      const command = parse(route, request)
      const result = await route.run(command, request.caller as Caller)
      return reply.code(route.status).send(result ?? {})
    },
  })
}

/** A body as it came; its length is bounded by then. */
async function wholeOf(body: unknown): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** Before any byte of the body is read: who asks, and may they. */
async function identify(request: FastifyRequest, route: Route, options: HttpOptions): Promise<void> {
  const isPublic = route.permission === 'public'
  const identity = identityOf(request)
  const caller = isPublic ? anonymous(identity) : await options.authenticate(identity)
  if (caller.bySession === true) checkSameSite(request)
  if (!isPublic && !mayDo(caller, route.permission, nameIn(route, request))) {
    throw new Fault('forbidden', 'http.not_allowed', `${caller.actor.name} may not ${route.permission}`, {
      remedy: 'ask an administrator for a token with that scope',
    })
  }
  request.caller = caller
}

/** What a request says of who sends it. */
export function identityOf(request: FastifyRequest): RequestIdentity {
  const actingAs = request.headers['x-headrace-actor']
  return {
    project: request.project,
    requestId: request.id,
    authorization: request.headers.authorization,
    actingAs: typeof actingAs === 'string' ? actingAs : undefined,
    cookie: request.headers.cookie,
    remoteAddress: request.reach.address,
    isForwarded: request.reach.isForwarded,
  }
}

/** The thing that the address is about: its first parameter, for grants on one resource. */
function nameIn(route: Route, request: FastifyRequest): string {
  const first = /:(\w+)/.exec(route.path)?.[1]
  const value =
    first === undefined ? undefined : (request.params as Record<string, string> | undefined)?.[first]
  return value ?? ''
}

/** A cookie comes along unasked: a change must say that our own page sent it. @throws Fault forbidden `http.origin_missing` */
function checkSameSite({ method, headers }: FastifyRequest): void {
  if (method === 'GET' || method === 'HEAD' || headers.origin !== undefined) return
  if (headers['sec-fetch-site'] === 'same-origin') return
  throw new Fault('forbidden', 'http.origin_missing', 'a change by cookie must name its origin', {
    remedy: 'programs send a token: authorization: Bearer hr_…',
  })
}

const anonymous = ({ project, requestId }: RequestIdentity): Caller => ({
  actor: { kind: 'user', name: 'anonymous' },
  project,
  requestId,
  grants: [],
})

/** Path, query and body as one command, parsed once. @throws Fault invalid `http.invalid` naming the field */
function parse(route: Endpoint, request: FastifyRequest): unknown {
  const body = request.body
  const isObject = typeof body === 'object' && body !== null && !Array.isArray(body) && !Buffer.isBuffer(body)
  if (body !== undefined && body !== null && !isObject) {
    throw new Fault('invalid', 'http.body_not_object', 'the body must be a JSON object', {
      remedy: 'send content-type: application/json',
    })
  }
  const raw = {
    ...(isObject ? (body as object) : {}),
    ...(request.query as object),
    ...(request.params as object),
  }
  const parsed = route.input.safeParse(raw)
  if (parsed.success) return parsed.data
  throw new Fault('invalid', 'http.invalid', sentenceOf(parsed.error.issues), {
    details: {
      issues: parsed.error.issues.slice(0, 20).map((i) => ({ path: i.path.join('.'), message: i.message })),
    },
  })
}

function sentenceOf(issues: readonly z.core.$ZodIssue[]): string {
  const first = issues[0]
  if (first === undefined) return 'the request is not valid'
  const where = first.path.join('.')
  return where === '' ? first.message : `${where}: ${first.message}`
}

/** JSON is parsed, everything else stays bytes or a stream, as its route asks. */
function addParsers(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  const json = app.getDefaultJsonParser('error', 'error')
  app.addContentTypeParser(
    ['application/json', 'application/*+json'],
    { parseAs: 'string' },
    (request, text, done) => {
      if (text === '') done(null, undefined)
      else json(request, text as string, done)
    },
  )
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
}

/** Nothing for other sites, unless their origin is on the list; then without cookies. */
function addCors(app: FastifyInstance, { corsOrigins }: HttpOptions): void {
  if (corsOrigins.length === 0) return
  app.addHook('onRequest', async (request, reply) => {
    const { origin } = request.headers
    if (origin === undefined || !corsOrigins.includes(origin)) return
    reply
      .header('access-control-allow-origin', origin)
      .header('vary', 'origin')
      .header('access-control-expose-headers', 'content-range,etag,retry-after')
    if (request.method !== 'OPTIONS') return
    reply
      .header('access-control-allow-methods', 'GET,POST,PUT,PATCH,DELETE')
      .header('access-control-allow-headers', 'authorization,content-type,last-event-id,range')
      .header('access-control-max-age', '600')
    await reply.code(204).send()
  })
}

function faultOf(error: unknown): Fault {
  if (error instanceof Fault) return error
  const { statusCode, message, code } = error as Error & { statusCode?: number; code?: string }
  if (statusCode === 413)
    return new Fault('too_large', 'http.body_too_large', 'the body is larger than this address takes')
  if (statusCode === 415)
    return new Fault('invalid', 'http.content_type', 'this content type is not understood here', {
      remedy: 'send application/json',
    })
  if (statusCode !== undefined && statusCode < 500)
    return new Fault('invalid', 'http.bad_request', message, { details: { cause: code ?? '' } })
  return asFault(error)
}

function sendFault(
  fault: Fault,
  request: FastifyRequest,
  reply: FastifyReply,
  routes: ReadonlyMap<string, Route>,
): FastifyReply {
  Object.assign(request.raw, { headraceFault: fault })
  if (fault.kind === 'unauthenticated') {
    // A browser would answer `Basic` with a dialogue of its own, over our page.
    const isBrowser = request.headers['sec-fetch-mode'] !== undefined
    reply.header('www-authenticate', isBrowser ? 'Bearer' : 'Bearer, Basic realm="headrace"')
  }
  if (fault.kind === 'rate_limited' || fault.kind === 'unavailable') {
    const wait = fault.details?.retryAfterS
    reply.header('retry-after', typeof wait === 'number' ? Math.ceil(wait) : 1)
  }
  const route = routes.get((request.routeOptions?.config as { routeId?: string } | undefined)?.routeId ?? '')
  if (route?.renderFault !== undefined) {
    const { status, contentType, body } = route.renderFault(fault, {
      requestId: request.id,
      url: request.url,
    })
    return reply
      .code(status)
      .header('content-type', contentType)
      .send(typeof body === 'string' ? body : JSON.stringify(body))
  }
  return reply
    .code(statusOf(fault))
    .header('content-type', 'application/problem+json')
    .send(JSON.stringify(problemOf(fault, request.id)))
}

const noSuchAddress = (request: FastifyRequest) =>
  new Fault(
    'not_found',
    'http.address_not_found',
    `there is nothing at ${request.method} ${request.url.slice(0, 200)}`,
    { remedy: 'see /openapi.json' },
  )

function lineOf(request: FastifyRequest, reply: FastifyReply): Record<string, unknown> {
  const fault = (request.raw as unknown as { headraceFault?: Fault }).headraceFault
  return {
    id: request.id,
    route: (request.routeOptions?.config as { routeId?: string } | undefined)?.routeId ?? 'none',
    method: request.method,
    url: request.url.split('?')[0],
    project: request.project,
    actor: request.caller?.actor.name,
    from: request.reach?.address,
    status: reply.statusCode,
    ms: Math.round(reply.elapsedTime * 10) / 10,
    ...(fault === undefined ? {} : { code: fault.code }),
    ...(fault?.kind === 'internal'
      ? { error: fault.message, stack: (fault.cause as Error | undefined)?.stack ?? fault.stack }
      : {}),
  }
}

async function listen(
  app: FastifyInstance,
  options: HttpOptions,
  host: string,
  port: number,
): Promise<string> {
  try {
    await app.listen({ host, port })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    throw new Fault('conflict', 'http.port_in_use', `port ${port} is in use by another program`, {
      remedy: `stop it, or take another: --port ${port + 1}`,
    })
  }
  const address = app.server.address() as AddressInfo
  const name = address.family === 'IPv6' ? `[${address.address}]` : address.address
  return `${options.tls === undefined ? 'http' : 'https'}://${name}:${address.port}`
}

async function close(app: FastifyInstance): Promise<void> {
  const force = setTimeout(() => app.server.closeAllConnections(), drainMs)
  force.unref()
  await app.close()
  clearTimeout(force)
}
