/** What a stranger, a careless client and a hostile page get from the doors: a clear refusal, never a 500. */
import assert from 'node:assert/strict'
import { request } from 'node:http'
import { mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { headrace, packageRoot, type RunningServer, startServer } from '../../src/testing/server.ts'

let server: RunningServer
before(async () => {
  server = await startServer(path.join(await mkdtemp(path.join(tmpdir(), 'headrace-doors-')), 'data'))
})
after(() => server.kill())

interface Sent {
  method?: string
  path: string
  headers?: Record<string, string>
  body?: string
}
/** Plain HTTP, so that Host and Origin are ours to choose. */
const send = ({ method = 'GET', path: address, headers = {}, body }: Sent) =>
  new Promise<{ status: number; text: string; type: string }>((resolve, reject) => {
    const { hostname, port } = new URL(server.url)
    const sent = request({ hostname, port, method, path: address, headers }, (reply) => {
      let text = ''
      reply.on('data', (chunk) => {
        text += chunk
      })
      reply.on('end', () =>
        resolve({ status: reply.statusCode ?? 0, text, type: reply.headers['content-type'] ?? '' }),
      )
    })
    sent.on('error', reject)
    sent.end(body)
  })
const concrete = (address: string) =>
  address.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
    name === 'version' ? '1' : name === 'run' ? 'r-1' : 'x',
  )

test('every route but the public ones refuses a caller without credentials', async () => {
  const { paths } = JSON.parse((await send({ path: '/openapi.json' })).text) as {
    paths: Record<string, Record<string, { 'x-permission': string }>>
  }
  const walked: string[] = []
  for (const [address, methods] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      if (operation['x-permission'] === 'public') continue
      // Through a proxy a request is nobody's until it brings a token.
      const reply = await send({
        method: method.toUpperCase(),
        path: concrete(address),
        headers: { 'x-forwarded-for': '203.0.113.9' },
      })
      assert.equal(reply.status, 401, `${method} ${address}: ${reply.status} ${reply.text}`)
      walked.push(address)
    }
  }
  assert.ok(walked.length > 50, `${walked.length} routes`)
})

test('a token reaches what it was given for its project, and nothing else', async () => {
  const made = await send({
    method: 'POST',
    path: '/p/alpha/api/v1/tokens',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ actor: 'ci', grants: ['model:read'] }),
  })
  const { token } = JSON.parse(made.text)
  const headers = { authorization: `Bearer ${token}`, 'x-forwarded-for': '203.0.113.9' }
  assert.equal((await send({ path: '/p/alpha/api/v1/models', headers })).status, 200)
  assert.equal((await send({ path: '/p/alpha/api/v1/datasets', headers })).status, 403)
  assert.equal((await send({ path: '/p/beta/api/v1/models', headers })).status, 403)
  assert.equal(
    (
      await send({
        path: '/p/alpha/api/v1/models',
        headers: { ...headers, authorization: 'Bearer hr_wrong' },
      })
    ).status,
    401,
  )
})

test('another name for this host is refused: DNS rebinding finds nobody at home', async () => {
  assert.equal((await send({ path: '/api/v1/projects', headers: { host: 'evil.example' } })).status, 403)
})

test('another page of the browser may change nothing', async () => {
  const body = JSON.stringify({ name: 'x' })
  const headers = { origin: 'https://evil.example', 'content-type': 'application/json' }
  assert.equal((await send({ method: 'POST', path: '/api/v1/projects', headers, body })).status, 403)
})

for (const [what, sent, status] of [
  [
    'broken JSON',
    { method: 'POST', path: '/api/v1/projects', headers: { 'content-type': 'application/json' }, body: '{' },
    400,
  ],
  [
    'JSON that is no object',
    {
      method: 'POST',
      path: '/api/v1/projects',
      headers: { 'content-type': 'application/json' },
      body: '[1]',
    },
    400,
  ],
  [
    'an unknown field',
    {
      method: 'POST',
      path: '/api/v1/projects',
      headers: { 'content-type': 'application/json' },
      body: '{"name":"x","colour":1}',
    },
    400,
  ],
  [
    'a name that leaves its folder',
    {
      method: 'POST',
      path: '/api/v1/projects',
      headers: { 'content-type': 'application/json' },
      body: '{"name":"../x"}',
    },
    400,
  ],
  ['an unknown address', { path: '/nothing/here' }, 404],
  ['a dataset that is not there', { path: '/api/v1/datasets/none/versions/1' }, 404],
  ['a version that is no number', { path: '/api/v1/datasets/none/versions/1.5' }, 400],
  ['a run id of another kind', { path: '/api/v1/pipeline-runs/81' }, 400],
  ['a digest that is none', { path: '/api/v1/blobs/..%2f..%2fetc%2fpasswd' }, 400],
  [
    'bytes under another digest',
    {
      method: 'PUT',
      path: `/api/v1/blobs/${'0'.repeat(64)}`,
      headers: { 'content-type': 'application/octet-stream' },
      body: 'abc',
    },
    400,
  ],
  [
    'an endpoint that is not there',
    {
      method: 'POST',
      path: '/endpoints/none/predict',
      headers: { 'content-type': 'application/json' },
      body: '{"rows":[]}',
    },
    404,
  ],
  [
    'a tensor request that is no JSON',
    {
      method: 'POST',
      path: '/v2/models/none/infer',
      headers: { 'content-type': 'application/octet-stream' },
      body: 'abc',
    },
    400,
  ],
  [
    'a file with a fault',
    {
      method: 'POST',
      path: '/api/v1/apply',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ text: 'version: 2', root: '/tmp', code: { tree: '0'.repeat(64) } }),
    },
    400,
  ],
] as const)
  test(`bad input is said so: ${what}`, async () => {
    const reply = await send(sent)
    assert.equal(reply.status, status, reply.text)
    const body = JSON.parse(reply.text)
    assert.ok(body.detail !== undefined || body.error !== undefined, reply.text)
    assert.equal((await send({ path: '/health' })).text, 'OK')
  })

test('the live stream ends first at shutdown, and the server exits 0', async () => {
  const stream = await fetch(`${server.url}/api/v1/events/stream`)
  const reading = stream.text()
  const started = performance.now()
  assert.equal(await server.stop(), 0)
  assert.match(await reading, /retry: 1000/)
  assert.ok(performance.now() - started < 10_000)
  server = await startServer(path.join(await mkdtemp(path.join(tmpdir(), 'headrace-doors-')), 'data'))
})

test('the API document is the committed one', async () => {
  const live = JSON.parse((await send({ path: '/openapi.json' })).text)
  const kept = JSON.parse(await readFile(path.join(packageRoot, 'docs', 'openapi.json'), 'utf8'))
  assert.deepEqual(live, kept, 'the API changed: look at the difference, then npm run golden')
})

for (const [what, args, code, said] of [
  ['a server that is not there', ['status', '--server', 'http://127.0.0.1:9'], 7, /does not answer/],
  ['an unknown verb', ['dance'], 2, /usage/],
  ['an unknown option', ['status', '--loud'], 2, /loud/],
  [
    'a port in use',
    ['server', '--data-dir', path.join(tmpdir(), `headrace-port-${process.pid}`), '--port', 'SAME'],
    6,
    /in use/,
  ],
  [
    'plain HTTP for everybody',
    [
      'server',
      '--host',
      '0.0.0.0',
      '--port',
      '0',
      '--data-dir',
      path.join(tmpdir(), `headrace-tls-${process.pid}`),
    ],
    2,
    /no TLS/,
  ],
] as const)
  test(`the CLI refuses with its own exit code: ${what}`, async () => {
    const ran = await headrace(args.map((a) => (a === 'SAME' ? new URL(server.url).port : a)))
    assert.equal(ran.code, code, ran.stderr)
    assert.match(ran.stderr + ran.stdout, said)
  })

test('to own a project is not to own the server: its token reaches no other project and nothing of the whole', async () => {
  const json = { 'content-type': 'application/json' }
  for (const name of ['mine', 'theirs'])
    await send({ method: 'POST', path: '/api/v1/projects', headers: json, body: JSON.stringify({ name }) })
  const asked = { actor: 'ana', grants: ['*:*'] }
  const made = await send({
    method: 'POST',
    path: '/p/mine/api/v1/tokens',
    headers: json,
    body: JSON.stringify(asked),
  })
  const headers = { ...json, authorization: `Bearer ${JSON.parse(made.text).token}` }
  const status = async (method: string, address: string, body?: object) =>
    (await send({ method, path: address, headers, ...(body && { body: JSON.stringify(body) }) })).status
  assert.equal(await status('GET', '/p/mine/api/v1/datasets'), 200)
  assert.equal(await status('GET', '/p/theirs/api/v1/datasets'), 403)
  assert.equal(await status('POST', '/p/mine/api/v1/admin/backup', { to: '/nowhere/at/all' }), 403)
  assert.equal(await status('POST', '/p/mine/api/v1/admin/secrets/rotate', {}), 403)
  assert.equal(await status('POST', '/p/mine/api/v1/tokens', { ...asked, everyProject: true }), 403)
  assert.equal(await status('POST', '/p/mine/api/v1/tokens', asked), 201)
  assert.equal(await status('GET', '/p/mine/api/v1/projects/theirs'), 404)
  assert.equal(await status('POST', '/p/mine/api/v1/projects', { name: 'third' }), 403)
  const seen = await send({ path: '/p/mine/api/v1/projects', headers })
  assert.deepEqual(
    JSON.parse(seen.text).projects.map((p: { name: string }) => p.name),
    ['mine'],
  )
})
