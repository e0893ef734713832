/** Users, sessions, proxies and hostile callers on a server that others can reach. */
import assert from 'node:assert/strict'
import { request } from 'node:http'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { headrace, type RunningServer, startServer } from '../../src/testing/server.ts'

let server: RunningServer
before(async () => {
  server = await startServer(path.join(await mkdtemp(path.join(tmpdir(), 'headrace-users-')), 'data'), {
    HEADRACE_TRUSTED_PROXIES: '127.0.0.1',
    HEADRACE_ALLOWED_HOSTS: 'models.example',
    HEADRACE_BASE_PATH: '/head',
  })
})
after(() => server.kill())

const send = (method: string, address: string, headers: Record<string, string> = {}, body?: object) =>
  new Promise<{ status: number; text: string; headers: Record<string, string | string[] | undefined> }>(
    (resolve, reject) => {
      const { hostname, port } = new URL(server.url)
      const json = body === undefined ? {} : { 'content-type': 'application/json' }
      const sent = request(
        { hostname, port, agent: false, method, path: address, headers: { ...json, ...headers } },
        (reply) => {
          let text = ''
          reply.on('data', (chunk) => (text += chunk))
          reply.on('end', () => resolve({ status: reply.statusCode ?? 0, text, headers: reply.headers }))
        },
      )
      sent.on('error', reject)
      sent.end(body === undefined ? undefined : JSON.stringify(body))
    },
  )
const password = 'a long phrase of words'
const afar = { 'x-forwarded-for': '203.0.113.9' }
const basic = (user: string, secret: string) => ({
  ...afar,
  authorization: `Basic ${Buffer.from(`${user}:${secret}`).toString('base64')}`,
})

test('a role counts in its project and on its resource, and nowhere else; nobody exceeds it', async () => {
  for (const user of ['ana', 'bob', 'root'])
    assert.equal(
      (
        await send(
          'POST',
          '/api/v1/users',
          {},
          { user, password, ...(user === 'root' ? { role: 'owner' } : {}) },
        )
      ).status,
      201,
    )
  const grant = (subject: string, project: string, role: string, resource = '*') =>
    send('POST', '/api/v1/grants', {}, { subject, project, role, resource })
  assert.equal((await grant('user:ana', 'alpha', 'owner')).status, 200)
  assert.equal((await send('PUT', '/api/v1/users/bob/groups/team', {}, {})).status, 200)
  assert.equal((await grant('group:team', 'alpha', 'viewer', 'model:churn')).status, 200)
  for (const [user, method, address, status] of [
    ['ana', 'GET', '/p/alpha/api/v1/models', 200],
    ['ana', 'GET', '/p/beta/api/v1/models', 403],
    ['ana', 'GET', '/p/alpha/api/v1/users', 403],
    ['ana', 'POST', '/p/alpha/api/v1/admin/secrets/rotate', 403],
    ['bob', 'GET', '/p/alpha/api/v1/models', 403],
    ['bob', 'GET', '/p/alpha/api/v1/models/churn', 404],
    ['bob', 'GET', '/p/alpha/api/v1/models/other', 403],
    ['root', 'GET', '/p/beta/api/v1/users', 200],
  ] as const)
    assert.equal((await send(method, address, basic(user, password))).status, status, `${user} ${address}`)
  const wide = { actor: 'ci', grants: ['model:read'], everyProject: true }
  assert.equal((await send('POST', '/p/alpha/api/v1/tokens', basic('ana', password), wide)).status, 403)
  const made = await send('POST', '/p/alpha/api/v1/tokens', basic('ana', password), {
    ...wide,
    everyProject: false,
  })
  const token = { ...afar, authorization: `Bearer ${JSON.parse(made.text).token}` }
  assert.equal((await send('GET', '/p/alpha/api/v1/models', token)).status, 200)
  const why = await send('GET', '/p/alpha/api/v1/why-can?user=bob&action=model:read&resource=model:churn')
  assert.match(why.text, /"allowed":true,"because":\[\{"subject":"group:team"/)
  assert.equal((await send('DELETE', '/api/v1/users/ana')).status, 200)
  assert.equal((await send('GET', '/p/alpha/api/v1/models', token)).status, 401, 'its tokens go with it')
})

test('a session is a cookie that scripts cannot read and other pages cannot use', async () => {
  const opened = await send(
    'POST',
    '/api/v1/session',
    { ...afar, 'x-forwarded-proto': 'https' },
    { user: 'root', password },
  )
  const set = String(opened.headers['set-cookie'])
  assert.match(set, /HttpOnly; SameSite=Lax; Secure/)
  const cookie = { ...afar, cookie: set.split(';')[0] ?? '' }
  assert.equal((await send('GET', '/api/v1/users', cookie)).status, 200)
  const add = (more: object) => send('PUT', '/api/v1/users/bob/groups/b', { ...cookie, ...more }, {})
  assert.equal((await add({})).status, 403, 'no origin')
  assert.equal((await add({ origin: 'https://evil.example' })).status, 403)
  assert.equal(
    (await add({ origin: 'https://models.example', 'x-forwarded-host': 'models.example' })).status,
    200,
  )
  assert.equal(
    (await send('DELETE', '/api/v1/session', { ...cookie, 'sec-fetch-site': 'same-origin' })).status,
    200,
  )
  assert.equal((await send('GET', '/api/v1/users', cookie)).status, 401)
})

test('wrong passwords and unknown users look the same, and are stopped with a time to wait', async () => {
  const [known, unknown] = [
    await send('GET', '/api/v1/models', basic('bob', 'x')),
    await send('GET', '/api/v1/models', basic('zed', 'x')),
  ]
  assert.deepEqual(
    [known.status, JSON.parse(known.text).detail],
    [unknown.status, JSON.parse(unknown.text).detail],
  )
  for (let i = 0; i < 5; i++) await send('GET', '/api/v1/models', basic('bob', `wrong ${i}`))
  const stopped = await send('GET', '/api/v1/models', basic('bob', 'again'))
  assert.equal(stopped.status, 429)
  assert.ok(Number(stopped.headers['retry-after']) > 0)
})

test('the commands make users, say who may what and why, and never take a password as an argument', async () => {
  const file = path.join(await mkdtemp(path.join(tmpdir(), 'headrace-password-')), 'password')
  await writeFile(file, `${password}\n`)
  const admin = async (...words: string[]) => {
    const ran = await headrace(['admin', ...words, '--server', server.url, '--project', 'alpha', '--json'])
    return { code: ran.code, data: JSON.parse(ran.stdout) }
  }
  assert.equal((await admin('user', 'add', 'eve', password)).code, 2)
  assert.equal((await admin('user', 'add', 'eve', '--from-file', file)).code, 0)
  assert.equal((await admin('user', 'add', 'eve', '--from-file', file)).code, 6)
  assert.equal((await send('GET', '/p/alpha/api/v1/models', basic('eve', password))).status, 403)
  assert.equal((await admin('why-can', 'eve', 'model:read')).code, 4)
  assert.equal((await admin('user', 'join', 'eve', 'readers')).code, 0)
  assert.equal((await admin('user', 'grant', 'group:readers', 'viewer')).code, 0)
  const why = await admin('why-can', 'eve', 'model:read')
  assert.equal(why.code, 0)
  assert.equal(why.data.because[0].subject, 'group:readers')
  assert.equal((await send('GET', '/p/alpha/api/v1/models', basic('eve', password))).status, 200)
  assert.equal((await admin('user', 'revoke', 'group:readers', 'viewer')).code, 0)
  assert.equal((await send('GET', '/p/alpha/api/v1/models', basic('eve', password))).status, 403)
  const { users } = (await admin('user', 'ls')).data
  assert.deepEqual(users.find((u: { user: string }) => u.user === 'eve')?.groups, ['readers'])
  assert.equal((await admin('user', 'rm', 'eve')).code, 0)
  assert.equal((await admin('user', 'passwd', 'eve', '--from-file', file)).code, 5)
})

for (const [what, method, address, headers, status] of [
  ['a foreign host', 'GET', '/api/v1/models', { host: 'evil.example' }, 403],
  ['a foreign forwarded host', 'GET', '/api/v1/models', { 'x-forwarded-host': 'evil.example' }, 403],
  ['a host by RFC 7239', 'GET', '/api/v1/session', { forwarded: 'for=203.0.113.9;host=models.example' }, 200],
  [
    'a foreign host by RFC 7239',
    'GET',
    '/api/v1/session',
    { forwarded: 'for=1.2.3.4;host=evil.example' },
    403,
  ],
  ['a forged loopback address', 'GET', '/api/v1/models', { 'x-forwarded-for': '127.0.0.1' }, 401],
  ['a cross-site change without origin', 'POST', '/api/v1/projects', { 'sec-fetch-site': 'cross-site' }, 403],
  ['a foreign DELETE', 'DELETE', '/api/v1/tokens/x', { origin: 'http://evil.example' }, 403],
  ['a foreign preflight', 'OPTIONS', '/api/v1/models', { origin: 'http://evil.example' }, 403],
  ['dots behind a project', 'GET', '/p/alpha/../beta/api/v1/models', {}, 400],
  ['encoded dots', 'GET', '/p/alpha/%2e%2e%2fbeta/api/v1/models', {}, 400],
  ['letters after the base path', 'GET', '/headrace/api/v1/models', {}, 404],
  ['the base path', 'GET', '/head/p/alpha/api/v1/models', {}, 200],
  ['headers without end', 'GET', '/api/v1/models', { 'x-big': 'x'.repeat(40_000) }, 431],
  ['a revoked or made-up token', 'GET', '/api/v1/models', { authorization: 'Bearer hr_x' }, 401],
] as const)
  test(`${what} is answered ${status}`, async () => {
    const reply = await send(method, address, headers)
    assert.equal(reply.status, status, reply.text)
    assert.equal(reply.headers['access-control-allow-origin'], undefined)
    if (status !== 431) assert.equal(reply.headers['x-content-type-options'], 'nosniff')
  })
