/** The unmodified mlflow client tracks into a real server; and no artifact path leads out of its place. */
import assert from 'node:assert/strict'
import { mkdtemp } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { runMlflow } from '../../src/testing/mlflow.ts'
import { headrace, packageRoot, type RunningServer, startServer } from '../../src/testing/server.ts'

let server: RunningServer
before(async () => {
  server = await startServer(path.join(await mkdtemp(path.join(tmpdir(), 'headrace-mlflow-')), 'data'))
})
after(() => server.kill())

test('the mlflow client tracks, searches and keeps artifacts', async (t) => {
  for (const base of [server.url, `${server.url}/p/other`]) {
    const ran = await runMlflow('mlflow-tracking.py', base).catch((error: Error) => {
      if (process.env.CI === 'true') throw error
      t.skip(error.message)
    })
    if (ran === undefined) return
    assert.equal(ran.code, 0, ran.said)
    assert.match(ran.said, /all held/)
  }
})

for (const [what, script] of [
  ['logs, registers and loads models, and keeps prompts', 'mlflow-models.py'],
  ['traces requests and assesses them', 'mlflow-traces.py'],
  ['keeps judges and evaluation datasets, and evaluates', 'mlflow-judging.py'],
] as const)
  test(`the mlflow client ${what}`, async (t) => {
    const ran = await runMlflow(script, `${server.url}/p/models`).catch((error: Error) => {
      if (process.env.CI === 'true') throw error
      t.skip(error.message)
    })
    if (ran === undefined) return
    assert.equal(ran.code, 0, ran.said)
  })

test('spans come from any OpenTelemetry exporter; what is malformed is refused', async () => {
  const put = (body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) =>
    fetch(`${server.url}/p/spans/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-mlflow-experiment-id': '0', ...headers },
      body,
    })
  const [traceId, spanId] = ['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331']
  const span = {
    traceId,
    spanId,
    name: 'GET /answer',
    startTimeUnixNano: '1764000000123456789',
    endTimeUnixNano: '1764000001123456789',
    attributes: [{ key: 'http.status_code', value: { intValue: '200' } }],
    status: { code: 1 },
  }
  const whole = JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] })
  assert.equal((await put(whole)).status, 200)
  const api = `${server.url}/p/spans/api/3.0/mlflow/traces`
  const reply = await fetch(`${api}/get?trace_id=tr-${traceId}`)
  const { trace } = (await reply.json()) as {
    trace: { trace_info: { state: string; execution_duration: string }; spans: { trace_id: string }[] }
  }
  assert.deepEqual([trace.trace_info.state, trace.trace_info.execution_duration], ['OK', '1s'])
  assert.equal(trace.spans[0]?.trace_id, Buffer.from(traceId, 'hex').toString('base64'))
  assert.equal((await put(whole, { 'x-mlflow-experiment-id': '' })).status, 422)
  assert.equal((await put(whole, { 'x-mlflow-experiment-id': '77' })).status, 404)
  const protobuf = { 'content-type': 'application/x-protobuf' }
  for (const bytes of [[0x0a, 0x7f], [0xff, 0xff], [0x0b], [0x0a, 0x04, 0x12, 0x02, 0x12, 0x00]])
    assert.equal((await put(new Uint8Array(bytes), protobuf)).status, 400, String(bytes))
  assert.equal((await put('{"resourceSpans": [')).status, 400)
  assert.equal((await put(whole.replace(traceId, '00'))).status, 400)
})

test('changes of experiments and deleted runs are in the audit log', async () => {
  const base = `${server.url}/p/audited/api/2.0/mlflow`
  const post = async (address: string, body: object) => {
    const sent = {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    }
    const reply = await fetch(`${base}/${address}`, sent)
    assert.equal(reply.status, 200, address)
    return (await reply.json()) as { experiment_id: string; run: { info: { run_id: string } } }
  }
  const { experiment_id } = await post('experiments/create', { name: 'e' })
  const { run } = await post('runs/create', { experiment_id })
  await post('experiments/update', { experiment_id, new_name: 'f' })
  await post('experiments/set-experiment-tag', { experiment_id, key: 'k', value: 'v' })
  await post('runs/delete', { run_id: run.info.run_id })
  await post('experiments/delete', { experiment_id })
  const reply = await fetch(`${server.url}/p/audited/api/v1/events?limit=50`)
  const { events } = (await reply.json()) as { events: { type: string; payload: { change?: string } }[] }
  const changes = events.flatMap((e) =>
    e.type === 'experiments.experiment.changed' ? [e.payload.change] : [],
  )
  assert.deepEqual(changes.sort(), ['created', 'deleted', 'renamed', 'tagged'])
  assert.equal(events.filter((e) => e.type === 'experiments.run.staged').length, 1)
})

const send = (method: string, address: string, headers: Record<string, string> = {}, body?: string) =>
  new Promise<{ status: number; text: string; headers: Record<string, unknown> }>((resolve, reject) => {
    const { hostname, port } = new URL(server.url)
    const sent = request({ hostname, port, method, path: address, headers }, (reply) => {
      let text = ''
      reply.on('data', (chunk) => {
        text += chunk
      })
      reply.on('end', () => resolve({ status: reply.statusCode ?? 0, text, headers: reply.headers }))
    })
    sent.on('error', reject)
    sent.end(body)
  })
const artifacts = '/api/2.0/mlflow-artifacts/artifacts'

test('what is not there is said in words that the client knows, and a governed model keeps its champion', async () => {
  const api = `${server.url}/p/retail-demand/api/2.0/mlflow`
  const missing = await fetch(`${server.url}/p/retail-demand/ajax-api/3.0/mlflow/nothing/here`)
  assert.equal(missing.status, 404)
  assert.equal(((await missing.json()) as { error_code: string }).error_code, 'ENDPOINT_NOT_FOUND')

  const example = path.join(packageRoot, 'examples', 'retail-demand')
  const applied = await headrace(['apply', example, '--server', server.url, '--project', 'retail-demand'])
  assert.equal(applied.code, 0, applied.stderr)
  const post = async (address: string, body: object, method = 'POST') => {
    const headers = { 'content-type': 'application/json' }
    const reply = await fetch(`${api}/${address}`, { method, headers, body: JSON.stringify(body) })
    return { status: reply.status, body: (await reply.json()) as { message: string } }
  }
  const name = 'demand'
  assert.equal((await post('registered-models/create', { name })).status, 200)
  assert.equal((await post('model-versions/create', { name, source: 's3://bucket/model' })).status, 200)
  assert.equal((await post('registered-models/alias', { name, alias: 'tried', version: '1' })).status, 200)
  const refused = await post('registered-models/alias', { name, alias: 'champion', version: '1' })
  assert.equal(refused.status, 400)
  assert.match(refused.body.message, /gates have not passed/)
  assert.equal((await post('registered-models/delete', { name }, 'DELETE')).status, 400)
  const native = await fetch(`${server.url}/p/retail-demand/api/v1/models/demand/versions/1`)
  const version = (await native.json()) as { onnx: unknown; source: string; aliases: string[] }
  assert.deepEqual([version.onnx, version.source, version.aliases], [null, 's3://bucket/model', ['tried']])
})

test('a path that could lead out is refused, however it is written', async () => {
  const paths = [
    '1/../2/x',
    '..%2fx',
    '%2e%2e/x',
    '1/%252e%252e/x',
    '1/..%255cx',
    '%2fetc/passwd',
    '%252fetc/passwd',
    '1/a%23b',
    '1/a;b',
    '1/a%3bb',
    '1/a%5cb',
    'C%3a/x',
    '1/a%00b',
    '1//x',
  ]
  for (const one of paths) {
    for (const method of ['GET', 'PUT', 'DELETE']) {
      const { status, text } = await send(method, `${artifacts}/${one}`)
      assert.equal(status, 400, `${method} ${one}: ${status} ${text}`)
    }
    const listed = await send('GET', `${artifacts}?path=${one.replaceAll('%', '%25')}`)
    assert.equal(listed.status, 400, `list ${one}`)
  }
})

test('files come in ranges, and a page among them cannot run in the browser', async () => {
  const page = '<script>alert(1)</script>'
  assert.equal(
    (await send('PUT', `${artifacts}/9/p.html`, { 'content-type': 'text/html' }, page)).status,
    200,
  )
  const whole = await send('GET', `${artifacts}/9/p.html`)
  assert.equal(whole.text, page)
  assert.match(String(whole.headers['content-security-policy']), /^sandbox/)
  assert.equal(whole.headers['x-content-type-options'], 'nosniff')
  const part = await send('GET', `${artifacts}/9/p.html`, { range: 'bytes=1-6' })
  assert.deepEqual([part.status, part.text, part.headers['content-range']], [206, 'script', 'bytes 1-6/25'])
  const missing = await send('GET', `${artifacts}/9/none`)
  assert.deepEqual([missing.status, JSON.parse(missing.text).error_code], [404, 'RESOURCE_DOES_NOT_EXIST'])
})
