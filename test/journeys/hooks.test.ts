/** Webhooks start pipelines of a server that others reach: signed, by token, once for each delivery, and for nobody else. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHmac, randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { peerPython } from '../../src/testing/peers.ts'
import { type RunningServer, headrace, startServer } from '../../src/testing/server.ts'

const key = randomBytes(24).toString('base64')
let server: RunningServer
let home: string
let token: string
before(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'headrace-hooks-'))
  await mkdir(path.join(home, 'project'))
  const definition = `version: 1
project: mill
pipelines:
  grind:
    triggers: [{ webhook: delivered, secret: "secret:GRAIN" }]
    params: { sacks: { type: number, default: 1 } }
    steps:
      turn: { run: "echo turned", cache: never }
  sweep:
    triggers: [{ webhook: delivered }]
    steps:
      broom: { run: "echo swept", cache: never }
`
  await writeFile(path.join(home, 'project', 'headrace.yaml'), definition)
  const data = path.join(home, 'data')
  const owner = await startServer(data)
  const run = (...args: string[]) =>
    headrace(args, { cwd: path.join(home, 'project'), env: { HEADRACE_SERVER: owner.url } })
  const put = await fetch(`${owner.url}/p/mill/api/v1/projects`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'mill' }),
  })
  assert.ok(put.ok)
  const unknown = await run('check')
  assert.match(unknown.stdout, /there is no secret `GRAIN`/)
  const secret = await fetch(`${owner.url}/p/mill/api/v1/secrets/GRAIN`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ value: `whsec_${key}` }),
  })
  assert.ok(secret.ok, await secret.text())
  assert.equal((await run('apply')).code, 0)
  const made = await run('admin', 'token', 'create', 'ci', '--can', 'pipeline/sweep:run', '--json')
  token = (JSON.parse(made.stdout) as { token: string }).token
  await owner.stop()
  // From here on it is a server that others reach.
  server = await startServer(data, {}, ['--host', '0.0.0.0', '--insecure-http'])
})
after(() => server.kill())

const post = (headers: Record<string, string>, body: string, hook = 'delivered') =>
  fetch(`http://127.0.0.1:${new URL(server.url).port}/p/mill/api/v1/hooks/${hook}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
  })
const signed = (id: string, body: string, atSeconds = Math.floor(Date.now() / 1_000), by = key) => ({
  'webhook-id': id,
  'webhook-timestamp': String(atSeconds),
  'webhook-signature': `v1,${'A'.repeat(44)} v1,${createHmac('sha256', Buffer.from(by, 'base64'))
    .update(`${id}.${atSeconds}.${body}`)
    .digest('base64')}`,
})
type Answer = { runs: { id: string; pipeline: string }[] }

test('a signed delivery starts the pipelines of its secret, once however often it comes', async () => {
  const body = JSON.stringify({ type: 'grain.delivered', params: { sacks: 7 } })
  const first = await post(signed('msg_1', body), body)
  assert.equal(first.status, 202)
  const { runs } = (await first.json()) as Answer
  assert.deepEqual(
    runs.map((one) => one.pipeline),
    ['grind'],
  )
  const again = (await (await post(signed('msg_1', body), body)).json()) as Answer
  assert.equal(again.runs[0]?.id, runs[0]?.id)
  const other = (await (await post(signed('msg_2', body), body)).json()) as Answer
  assert.notEqual(other.runs[0]?.id, runs[0]?.id)
})

test('what the library of Standard Webhooks signs is taken', async (t) => {
  const python = await peerPython(['standardwebhooks==1.0.1']).catch((error: Error) => {
    if (process.env.CI === 'true') throw error
    t.skip(error.message)
  })
  if (python === undefined) return
  const body = '{"type": "grain.delivered"}'
  const script = `import sys, datetime; from standardwebhooks.webhooks import Webhook
now = datetime.datetime.now(tz=datetime.timezone.utc)
print(int(now.timestamp())); print(Webhook(sys.argv[1]).sign("msg_lib", now, sys.argv[2]))`
  const { stdout } = await promisify(execFile)(python, ['-c', script, `whsec_${key}`, body])
  const [timestamp = '', signature = ''] = stdout.trim().split('\n')
  const headers = { 'webhook-id': 'msg_lib', 'webhook-timestamp': timestamp, 'webhook-signature': signature }
  assert.equal((await post(headers, body)).status, 202)
  assert.equal((await post(headers, `${body} `)).status, 401)
})

test('GitHub’s signature counts too, and the same body is the same delivery', async () => {
  const body = JSON.stringify({ ref: 'refs/heads/main' })
  const signature = `sha256=${createHmac('sha256', `whsec_${key}`).update(body).digest('hex')}`
  const one = (await (
    await post({ 'x-hub-signature-256': signature, 'x-github-delivery': 'a' }, body)
  ).json()) as Answer
  const two = (await (
    await post({ 'x-hub-signature-256': signature, 'x-github-delivery': 'b' }, body)
  ).json()) as Answer
  assert.equal(one.runs[0]?.pipeline, 'grind')
  assert.equal(two.runs[0]?.id, one.runs[0]?.id)
})

test('a token starts what it may run; nobody else starts anything', async () => {
  const byToken = await post({ authorization: `Bearer ${token}` }, '{}')
  assert.equal(byToken.status, 202)
  assert.deepEqual(
    ((await byToken.json()) as Answer).runs.map((one) => one.pipeline),
    ['sweep'],
  )
  const body = '{}'
  const old = Math.floor(Date.now() / 1_000) - 600
  const wrong = signed('msg_9', body, undefined, randomBytes(24).toString('base64'))
  for (const headers of [
    {},
    wrong,
    signed('msg_8', body, old),
    signed('msg_7', 'other'),
    { authorization: 'Bearer hr_x' },
  ])
    assert.equal((await post(headers, body)).status, 401)
  assert.equal((await post(signed('msg_6', body), body, 'nothing')).status, 401)
  const list = '[1]'
  const bad = JSON.stringify({ params: { sacks: 'many' } })
  assert.equal((await post(signed('msg_5', bad), bad)).status, 400)
  assert.equal((await post(signed('msg_4', list), list)).status, 202)
})
