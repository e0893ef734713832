/** A server that others can reach: TLS, its first user, and pages of other sites. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { copyFile, mkdtemp, writeFile } from 'node:fs/promises'
import { type RequestOptions, request } from 'node:https'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { TLSSocket } from 'node:tls'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { headrace, startServer } from '../../src/testing/server.ts'

const newDirectory = () => mkdtemp(path.join(tmpdir(), 'headrace-reach-'))
const password = 'a long phrase of words'
const json = { 'content-type': 'application/json' }

async function newCertificate(directory: string, name: string): Promise<{ key: string; cert: string }> {
  const [key, cert] = [path.join(directory, `${name}.key`), path.join(directory, `${name}.pem`)]
  await promisify(execFile)('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
    ...['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert],
  ])
  return { key, cert }
}

/** Status, certificate and headers of one request on a connection of its own. */
const lookAt = (url: string) =>
  new Promise<{ status: number; name: string; hsts: unknown }>((resolve, reject) => {
    const options: RequestOptions = { rejectUnauthorized: false, agent: false }
    const sent = request(`${url}/health`, options, (reply) => {
      const { subject } = (reply.socket as TLSSocket).getPeerCertificate()
      reply.resume()
      resolve({
        status: reply.statusCode ?? 0,
        name: String(subject.CN),
        hsts: reply.headers['strict-transport-security'],
      })
    })
    sent.on('error', reject)
    sent.end()
  })

test('it speaks TLS, and takes another certificate on SIGHUP without a restart', async (t) => {
  const directory = await newDirectory()
  const [first, second] = [
    await newCertificate(directory, 'first'),
    await newCertificate(directory, 'second'),
  ]
  const env = { HEADRACE_TLS_KEY: first.key, HEADRACE_TLS_CERT: first.cert }
  const server = await startServer(path.join(directory, 'data'), env)
  t.after(() => server.kill())
  assert.match(server.url, /^https:/)
  const before = await lookAt(server.url)
  assert.deepEqual([before.status, before.name], [200, 'first'])
  assert.match(String(before.hsts), /max-age/)
  await Promise.all([copyFile(second.key, first.key), copyFile(second.cert, first.cert)])
  server.child.kill('SIGHUP')
  let name = ''
  for (let tries = 0; name !== 'second' && tries < 50; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 100))
    name = (await lookAt(server.url)).name
  }
  assert.equal(name, 'second')
  await writeFile(first.cert, 'no certificate')
  server.child.kill('SIGHUP')
  await new Promise((resolve) => setTimeout(resolve, 500))
  assert.equal((await lookAt(server.url)).name, 'second', 'a broken file changes nothing')
  assert.equal(await server.stop(), 0)
})

test('an address that others can reach needs TLS or a word, then a token, and offers the first user once', async (t) => {
  const data = path.join(await newDirectory(), 'data')
  const refused = await headrace(['server', '--port', '0', '--host', '0.0.0.0', '--data-dir', data])
  assert.equal(refused.code, 2)
  assert.match(refused.stderr, /no TLS[\s\S]*fix: .*--tls-key/)

  const server = await startServer(data, {}, ['--host', '0.0.0.0', '--insecure-http'])
  t.after(() => server.kill())
  const url = server.url.replace('0.0.0.0', '127.0.0.1')
  const get = (address: string, headers: Record<string, string> = {}) =>
    fetch(`${url}${address}`, { headers })
  const post = (address: string, body: object) =>
    fetch(`${url}${address}`, { method: 'POST', headers: json, body: JSON.stringify(body) })
  assert.equal((await get('/health')).status, 200)
  assert.equal((await get('/api/v1/models')).status, 401, 'this machine is nobody special here')
  const token = /hrs_[\w-]+/.exec(server.said())?.[0] ?? assert.fail('no setup token was printed')
  const mine = { user: 'ana', password }
  assert.equal((await post('/api/v1/setup', { ...mine, token: `${token}x` })).status, 401)
  assert.equal((await post('/api/v1/setup', { ...mine, token, password: 'short' })).status, 400)
  assert.equal((await post('/api/v1/setup', { ...mine, token })).status, 201)
  assert.equal((await post('/api/v1/setup', { user: 'bob', password, token })).status, 401, 'once only')
  const opened = await post('/api/v1/session', mine)
  assert.equal(opened.status, 200)
  const cookie = opened.headers.get('set-cookie')?.split(';')[0] ?? ''
  assert.equal((await get('/api/v1/users', { cookie })).status, 200)

  const file = path.join(path.dirname(data), 'password')
  await writeFile(file, password)
  const offline = ['admin', 'user', 'add', 'bea', '--role', 'owner', '--from-file', file, '--data-dir', data]
  assert.equal((await headrace(offline)).code, 6, 'a server has the data open')
  assert.equal(await server.stop(), 0)
  assert.equal((await headrace(offline)).code, 0)
  const again = await startServer(data, {}, ['--host', '0.0.0.0', '--insecure-http'])
  t.after(() => again.kill())
  assert.doesNotMatch(again.said(), /hrs_/, 'there are users now')
  const authorization = `Basic ${Buffer.from(`bea:${password}`).toString('base64')}`
  const users = await fetch(`${again.url.replace('0.0.0.0', '127.0.0.1')}/api/v1/users`, {
    headers: { authorization },
  })
  assert.equal(users.status, 200)
  assert.equal(await again.stop(), 0)
})

test('pages of other sites get nothing, unless their origin is on the list', async (t) => {
  const server = await startServer(path.join(await newDirectory(), 'data'), {
    HEADRACE_CORS_ORIGINS: 'https://lab.example',
  })
  t.after(() => server.kill())
  const ask = (method: string, origin: string) =>
    fetch(`${server.url}/api/v1/models`, {
      method,
      headers: { origin, 'access-control-request-method': 'GET' },
    })
  const preflight = await ask('OPTIONS', 'https://lab.example')
  assert.equal(preflight.status, 204)
  assert.equal(preflight.headers.get('access-control-allow-origin'), 'https://lab.example')
  assert.equal(preflight.headers.get('access-control-allow-credentials'), null)
  assert.equal((await ask('GET', 'https://lab.example')).headers.get('vary'), 'origin')
  for (const method of ['OPTIONS', 'GET', 'POST'])
    assert.equal((await ask(method, 'https://evil.example')).headers.get('access-control-allow-origin'), null)
  assert.equal((await ask('POST', 'https://evil.example')).status, 403)
})
