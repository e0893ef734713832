/** The built page, served from memory; every address below /app is the page's own. */
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { type Route, rawRoute } from '#platform/http/index.ts'

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
}
const policy = [
  "default-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ')

/** The page learns the path that a proxy puts before all addresses. */
const withBase = (html: Buffer, base: string) =>
  html
    .toString('utf8')
    .replaceAll(/(src|href)="\.\//g, `$1="${base}/app/`)
    .replace('name="headrace-base" content=""', `name="headrace-base" content="${base}"`)

export function webRoutes(directory: string, base: string): Route[] {
  const loaded = new Map<string, Promise<Buffer | undefined>>()
  const file = (name: string) => {
    const known = loaded.get(name)
    if (known !== undefined) return known
    const reading = readFile(path.join(directory, name)).catch(() => undefined)
    loaded.set(name, reading)
    // A page that is built later is found later.
    void reading.then((found) => found === undefined && loaded.delete(name))
    return reading
  }
  const page = (id: string, address: string): Route =>
    rawRoute({
      id,
      method: 'GET',
      path: address,
      summary: 'The web page',
      permission: 'public',
      async handle(request, reply) {
        const asked = (request.params as { '*'?: string })['*'] ?? ''
        const assets = new Set(await readdir(path.join(directory, 'assets')).catch(() => []))
        const name =
          asked.startsWith('assets/') && assets.has(asked.slice('assets/'.length)) ? asked : 'index.html'
        const bytes = await file(name)
        reply
          .header('content-type', types[path.extname(name)] ?? 'application/octet-stream')
          .header('content-security-policy', policy)
        if (name !== 'index.html') reply.header('cache-control', 'public, max-age=31536000, immutable')
        if (name === 'index.html' && bytes !== undefined) return withBase(bytes, base)
        return (
          bytes ??
          '<!doctype html><title>Headrace</title><p>The page is not built yet: <code>npm run build</code>. The API is at <a href="/openapi.json">/openapi.json</a>.'
        )
      },
    })
  const toPage = rawRoute({
    id: 'web.root',
    method: 'GET',
    path: '/',
    summary: 'Leads to the page',
    permission: 'public',
    handle: async (request, reply) =>
      reply.redirect(request.project === 'default' ? `${base}/app` : `${base}/p/${request.project}/app`),
  })
  return [toPage, page('web.home', '/app'), page('web.page', '/app/*')]
}
