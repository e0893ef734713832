/** The artifact proxy: bytes stream to and from the blob store in constant memory; a path that could lead out is refused. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Caller } from '#base/caller.ts'
import { Fault } from '#base/errors.ts'
import { type Method, type Route, rawRoute } from '#platform/http/index.ts'
import type { ExperimentFiles } from '../../domains/experiments/index.ts'
import { invalidParameter, renderFault } from './errors.ts'

const root = '/api/2.0/mlflow-artifacts'
const files = `${root}/artifacts/`

export function artifactRoutes(store: ExperimentFiles): Route[] {
  const route = (
    method: Method,
    path: string,
    permission: string,
    handle: (request: FastifyRequest, reply: FastifyReply, caller: Caller) => Promise<unknown>,
  ): Route =>
    rawRoute({
      id: `mlflow.artifacts.${method.toLowerCase()}${path.replaceAll(/\W+/g, '.')}`,
      method,
      path: `${root}${path}`,
      summary: 'MLflow: artifacts',
      permission,
      renderFault,
      ...(method === 'PUT' ? { streamBody: true, anyContentType: true } : {}),
      handle,
    })
  return [
    route('GET', '/artifacts', 'run:read', async (request, _reply, caller) => {
      const { path = '' } = request.query as { path?: string }
      return listing(store, path === '' ? '' : checkedPath(String(path)), caller)
    }),
    route('GET', '/artifacts/*', 'run:read', (request, reply, caller) =>
      download(store, pathOf(request), request, reply, caller),
    ),
    route('PUT', '/artifacts/*', 'run:write', async (request, _reply, caller) => {
      const body = (request.body ?? []) as AsyncIterable<Uint8Array>
      await store.put(pathOf(request), body, caller)
      return {}
    }),
    route('DELETE', '/artifacts/*', 'run:write', async (request, _reply, caller) => {
      await store.remove(pathOf(request), caller)
      return {}
    }),
    // The client falls back to one PUT where parts are not taken.
    route('POST', '/mpu/create/*', 'run:write', async () => {
      throw new Fault('unsupported', 'mlflow.multipart', 'Multipart upload is not supported')
    }),
  ]
}

export async function listing(store: ExperimentFiles, path: string, caller: Caller) {
  const rows = await store.list(path, caller)
  if (rows.length === 0) return {}
  return {
    files: rows.map(({ name, digest, size }) =>
      digest === null ? { path: name, is_dir: true } : { path: name, is_dir: false, file_size: size },
    ),
  }
}

/** What follows the prefix in the address as it came, decoded once here and checked at every depth. */
function pathOf(request: FastifyRequest): string {
  const address = request.url.split('?')[0] ?? ''
  try {
    return checkedPath(decodeURIComponent(address.slice(files.length)))
  } catch (error) {
    if (error instanceof URIError) throw invalidPath()
    throw error
  }
}
const invalidPath = () => invalidParameter('Invalid path')
const decodesMax = 8

/** @throws Fault where the path, decoded as often as it can be, would leave its place or carries what others resolve */
export function checkedPath(path: string): string {
  let seen = path
  for (let depth = 0; depth < decodesMax; depth++) {
    if (leadsOut(seen)) throw invalidPath()
    const next = decoded(seen)
    if (next === seen) return path.replace(/\/+$/, '')
    seen = next
  }
  throw invalidPath()
}
const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
function leadsOut(path: string): boolean {
  if (path === '' || path.startsWith('/') || /[\\#;]/.test(path) || path.includes('\0')) return true
  if (/^[a-z]:/i.test(path) || path.includes('//')) return true
  return path.split('/').some((part) => part === '..' || part === '.')
}

const textual = new Set(
  'txt log json yaml yml py md csv tsv html svg xml js css MLmodel mlproject'.split(' '),
)
const images: Record<string, string> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  gif: 'image/gif',
  pdf: 'application/pdf',
}
function contentTypeOf(name: string): string {
  const extension = name.slice(name.lastIndexOf('.') + 1)
  if (extension === 'html') return 'text/html; charset=utf-8'
  if (extension === 'svg') return 'image/svg+xml'
  if (textual.has(extension)) return 'text/plain; charset=utf-8'
  return images[extension.toLowerCase()] ?? 'application/octet-stream'
}

async function download(
  store: ExperimentFiles,
  path: string,
  request: FastifyRequest,
  reply: FastifyReply,
  caller: Caller,
): Promise<unknown> {
  const { digest, size } = await store.find(path, caller)
  const name = path.slice(path.lastIndexOf('/') + 1)
  const encoded = encodeURIComponent(name).replaceAll(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16)}`)
  reply
    .header('content-type', contentTypeOf(name))
    .header(
      'content-disposition',
      `attachment; filename="${name.replaceAll(/[^\w .-]/g, '_')}"; filename*=UTF-8''${encoded}`,
    )
    .header('x-content-type-options', 'nosniff')
    .header('content-security-policy', "sandbox; default-src 'none'")
    .header('accept-ranges', 'bytes')
    .header('etag', `"${digest}"`)
  const range = rangeOf(request.headers.range, size)
  if (range === 'beyond') {
    reply.code(416).header('content-range', `bytes */${size}`)
    return ''
  }
  if (range === undefined) {
    reply.header('content-length', size)
    return reply.send(await store.open(digest))
  }
  reply
    .code(206)
    .header('content-range', `bytes ${range.start}-${range.end}/${size}`)
    .header('content-length', range.end - range.start + 1)
  return reply.send(await store.open(digest, range))
}

/** One range of RFC 9110 §14; several, or what is none, count as no range. */
function rangeOf(
  header: string | undefined,
  size: number,
): { start: number; end: number } | 'beyond' | undefined {
  const found = /^bytes=(\d*)-(\d*)$/.exec(header ?? '')
  if (found === null || (found[1] === '' && found[2] === '')) return undefined
  if (found[1] === '') return { start: Math.max(0, size - Number(found[2])), end: size - 1 }
  const start = Number(found[1])
  if (start >= size) return 'beyond'
  return { start, end: found[2] === '' ? size - 1 : Math.min(Number(found[2]), size - 1) }
}
