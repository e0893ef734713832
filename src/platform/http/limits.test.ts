/** Callers that begin and never end: their connections are closed, others are served meanwhile. */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'
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
    output: z.object({ text: z.string() }),
    run: async ({ text }: { text: string }) => ({ text }),
  })
  http = await openHttp({
    routes: [echo],
    authenticate: async () => assert.fail('public'),
    allowedHosts: [],
    corsOrigins: [],
    limits: { headersMs: 200, bodyMs: 300, bodyIdleMs: 300 },
  })
  url = await http.listen('127.0.0.1', 0)
})
after(() => http.close())

/** What the server says until it closes the connection. */
const begin = (text: string) =>
  new Promise<string>((resolve, reject) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () => socket.write(text))
    let said = ''
    socket.setTimeout(10_000, () => reject(new Error('the connection was never closed')))
    socket.on('data', (chunk) => (said += chunk)).on('error', () => undefined)
    socket.on('close', () => resolve(said))
  })

test('headers that never end are answered 408', async () => {
  assert.match(await begin('POST /echo HTTP/1.1\r\nhost: localhost\r\nx-slow: '), /^HTTP\/1\.1 408/)
})

test('a body that never ends loses its connection, and nobody else waits for it', async () => {
  const head =
    'POST /echo HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n'
  const slow = begin(`${head}{"text"`)
  const reply = await fetch(`${url}/echo`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"text":"quick"}',
  })
  assert.deepEqual(await reply.json(), { text: 'quick' })
  assert.doesNotMatch(await slow, /200 OK/)
})
