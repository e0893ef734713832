/** Compressed bodies, through a real server: what is right is read, what is wrong is refused and never a 500. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { z } from 'zod'
import { endpoint, type Http, openHttp } from './index.ts'

let http: Http
let url = ''
before(async () => {
  const echo = endpoint({
    id: 'echo',
    method: 'POST',
    path: '/echo',
    summary: 'Echo',
    permission: 'public',
    input: z.strictObject({ text: z.string() }),
    output: z.object({ length: z.number() }),
    run: async ({ text }: { text: string }) => ({ length: text.length }),
  })
  http = await openHttp({
    routes: [echo],
    authenticate: async () => assert.fail('public'),
    allowedHosts: [],
    corsOrigins: [],
  })
  url = await http.listen('127.0.0.1', 0)
})
after(() => http.close())

const send = async (body: Uint8Array, encoding: string) => {
  const reply = await fetch(`${url}/echo`, {
    method: 'POST',
    body: Buffer.from(body),
    headers: { 'content-type': 'application/json', 'content-encoding': encoding },
  })
  return { status: reply.status, body: (await reply.json()) as { length?: number; code?: string } }
}
const text = JSON.stringify({ text: 'x'.repeat(100_000) })

for (const [encoding, bytes] of [
  ['gzip', gzipSync(text)],
  ['GZIP', gzipSync(text)],
  ['deflate', deflateSync(text)],
  ['br', brotliCompressSync(text)],
  ['identity', Buffer.from(text)],
] as const)
  test(`a body in ${encoding} is read`, async () => {
    assert.deepEqual(await send(bytes, encoding), { status: 200, body: { length: 100_000 } })
  })

const bomb = gzipSync(Buffer.alloc(200 * 1024 * 1024, 0x20))
for (const [what, bytes, encoding, status, code] of [
  ['another encoding', Buffer.from(text), 'zstd', 501, 'http.encoding_unknown'],
  ['a name from the prototype', Buffer.from(text), 'constructor', 501, 'http.encoding_unknown'],
  ['plain text that says gzip', Buffer.from(text), 'gzip', 400, 'http.encoding'],
  ['a body cut short', gzipSync(text).subarray(0, 60), 'gzip', 400, 'http.encoding'],
  ['200 MiB in 200 kB', bomb, 'gzip', 413, 'http.body_too_large'],
] as const)
  test(`refused: ${what}`, async () => {
    const { status: got, body } = await send(bytes, encoding)
    assert.deepEqual([got, body.code], [status, code])
  })

test('after all that it still answers', async () => {
  assert.equal((await send(gzipSync(text), 'gzip')).status, 200)
})
