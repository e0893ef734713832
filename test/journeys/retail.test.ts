/** Story 1, short: the loop turns by itself on real data, and what came of it can be proved. Needs Python and PyPI once. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtemp, readdir, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { peerPython } from '../../src/testing/peers.ts'
import { headrace, packageRoot, type Ran, type RunningServer, startServer } from '../../src/testing/server.ts'

const project = 'retail-demand'
let dataDir = ''
let demo: Ran
let server: RunningServer
let firstTurn: unknown
/** What two directories that saw the same nights must have in common: ids of data, bytes of models, served errors. */
async function factsOf(url: string): Promise<unknown> {
  const get = async (address: string): Promise<never> => {
    const reply = await fetch(`${url}/p/${project}/api/v1${address}`)
    assert.equal(reply.status, 200, address)
    return reply.json() as never
  }
  const datasets = ((await get('/datasets')) as { datasets: { dataset?: string; name: string }[] }).datasets
  const names = datasets.map((d) => d.dataset ?? d.name).sort()
  const versions = await Promise.all(
    names.map(async (name) => {
      const found = (await get(`/datasets/${name}/versions?limit=500`)) as { versions: { id: string }[] }
      return [name, found.versions.map((v) => v.id)]
    }),
  )
  const models = await Promise.all(
    ['demand', 'frozen-boosting', 'frozen-ridge'].map(async (name) => {
      const found = (await get(`/models/${name}`)) as { versions: { version: number; onnx: string }[] }
      return [name, found.versions.map((v) => [v.version, v.onnx])]
    }),
  )
  const { windows } = (await get('/monitors/demand/windows')) as {
    windows: { day: string; served: object }[]
  }
  return { versions, models, windows: windows.map((w) => [w.day, w.served]) }
}
const call = async (method: string, address: string, body?: unknown) => {
  const init =
    body === undefined
      ? { method }
      : { method, body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
  const reply = await fetch(`${server.url}/p/${project}${address}`, init)
  return { status: reply.status, body: JSON.parse((await reply.text()) || 'null') }
}
const cli = (...args: string[]) => headrace([...args, '--server', server.url, '--project', project])

before(async () => {
  dataDir = path.join(await mkdtemp(path.join(tmpdir(), 'headrace-journey-')), 'data')
  demo = await headrace(['demo', 'start', '--exit', '--data-dir', dataDir, '--port', '0'])
  if (demo.code === 0) server = await startServer(dataDir)
  if (demo.code === 0) firstTurn = await factsOf(server.url)
})
after(async () => {
  await server?.kill()
})

test('one full turn: the error fires a retrain, its model passes gates, shadow and canary, and becomes champion', () => {
  assert.equal(demo.code, 0, `${demo.stdout.slice(-3_000)}\n${demo.stderr}`)
  assert.match(demo.stdout, /demand\/wape_7d > 0\.28 for 2 windows .*retrains/)
  assert.match(demo.stdout, /rollout of demand@2: canary/)
  assert.match(demo.stdout, /demand@2 answers all and is champion/)
  const [, loop = '', naive = ''] =
    /loop complete: .*WAPE loop ([\d.]+), naive ([\d.]+)/.exec(demo.stdout) ?? []
  assert.ok(Number(loop) < Number(naive), `loop ${loop}, naive ${naive}`)
})

test('the champion moved only when its revision answered everything', async () => {
  const { body } = await call(
    'GET',
    '/api/v1/events?order=asc&limit=1000&type=registry.alias.moved,serving.rollout.promoted',
  )
  const types = body.events
    .filter((e: { payload: { version: number } }) => e.payload.version === 2)
    .map((e: { type: string }) => e.type)
  assert.deepEqual(types, ['serving.rollout.promoted', 'registry.alias.moved'])
})

test('a prediction leads back to model, run, code, environment and the bytes of the data', async () => {
  const predicted = await call('POST', '/endpoints/demand/predict', {
    rows: [{ product_category: 'SOFT DRINKS' }],
  })
  assert.equal(predicted.status, 200, JSON.stringify(predicted.body))
  const { stdout, code } = await cli('why', 'prediction', predicted.body.predictions[0].id, '--json')
  assert.equal(code, 0)
  const why = JSON.parse(stdout)
  assert.deepEqual([why.model, why.version], ['demand', 2])
  assert.match(why.environment.lock, /^[0-9a-f]{64}$/)
  const lock = await fetch(`${server.url}/p/${project}/api/v1/blobs/${why.environment.lock}`)
  assert.match(await lock.text(), /scikit-learn==1\.7\.2 --hash=sha256:/)
  const names = new Set(why.datasets.map((d: { dataset: string }) => d.dataset))
  for (const dataset of ['demand_v1.training', 'daily', 'transactions', 'products'])
    assert.ok(names.has(dataset), dataset)
  const training = why.datasets[0]
  const out = path.join(path.dirname(dataDir), 'got')
  assert.equal((await cli('data', 'get', `${training.dataset}@${training.version}`, '--out', out)).code, 0)
  for (const file of training.files) {
    const bytes = await readFile(path.join(out, file.path))
    assert.equal(createHash('sha256').update(bytes).digest('hex'), file.digest)
  }
})

test('a model rebuilt from its lock, bytes and code is bit-identical, and the report stays with it', async () => {
  const { stdout, stderr, code } = await cli('reproduce', 'demand@2', '--json')
  assert.equal(code, 0, `${stdout}\n${stderr}`)
  const { verdict, outputs, metrics, environment } = JSON.parse(stdout)
  assert.equal(verdict, 'bit-identical')
  assert.equal(environment.same, true)
  const compared = Object.fromEntries(outputs.map((o: { name: string; same: boolean }) => [o.name, o.same]))
  assert.equal(compared['model.onnx'], true)
  assert.equal(compared.predictions, true)
  assert.deepEqual(
    metrics.map((m: { name: string }) => m.name),
    ['rows', 'train_wape'],
  )
  const kept = await call('GET', '/api/v1/models/demand/versions/2/reproductions')
  assert.deepEqual(
    kept.body.reproductions.map((r: { verdict: string }) => r.verdict),
    ['bit-identical'],
  )
})

test('a reproduction of what is not there is refused by name', async () => {
  assert.equal((await cli('reproduce', 'demand@99')).code, 5)
  assert.equal((await cli('reproduce', 'demand')).code, 2)
  assert.equal((await call('GET', '/api/v1/reproductions/none')).status, 404)
})

test('a night unchanged: no step runs, and each says why', async () => {
  await cli('run', 'nightly', '--watch')
  const { stdout, code } = await cli('run', 'nightly', '--watch', '--json')
  const run = JSON.parse(stdout)
  assert.deepEqual(
    [code, run.steps.map((s: { state: string }) => s.state)],
    [0, ['cached', 'cached', 'cached']],
  )
  assert.match(
    (await cli('why', `${run.run}/aggregate`)).stdout,
    /cached: command, code, environment, inputs and parameters are those of r-\d+/,
  )
})

test('a tensor client gets the same answer as the plain door', async () => {
  const plain = await call('POST', '/endpoints/demand/predict', {
    rows: [{ product_category: 'SOFT DRINKS' }],
  })
  const v2 = await call('POST', '/v2/models/demand/infer', {
    inputs: [{ name: 'product_category', datatype: 'BYTES', shape: [1], data: ['SOFT DRINKS'] }],
  })
  assert.equal(v2.status, 200, JSON.stringify(v2.body))
  assert.equal(v2.body.outputs[0].data[0], plain.body.predictions[0].value)
})

test('the clients of Triton and SageMaker get the plain door’s answer, in every form that they know', async () => {
  const plain = await call('POST', '/endpoints/demand/predict', {
    rows: [{ product_category: 'SOFT DRINKS' }],
  })
  const wanted = plain.body.predictions[0].value
  const python = await peerPython(['boto3==1.44.5', 'tritonclient[http]==2.73.0', 'numpy==2.4.6'])
  const script = path.join(packageRoot, 'src', 'testing', 'clients', 'scoring.py')
  const { stdout } = await promisify(execFile)(python, [script, server.url, project, 'SOFT DRINKS'])
  const answers = JSON.parse(stdout) as Record<string, unknown>
  assert.deepEqual(answers['triton live, ready, model ready'], [true, true, true])
  assert.equal(answers['triton metadata'], 'demand')
  assert.match(String(answers['triton unknown model']), /nobody/)
  const asked = Object.keys(answers).filter((name) => /binary|json|csv/.test(name))
  assert.equal(asked.length, 8)
  for (const name of asked)
    assert.ok(Math.abs((answers[name] as number) - wanted) < 1e-4, `${name}: ${answers[name]}`)
})

test('TensorFlow Serving’s face: rows, columns, versions, status, and its errors', async () => {
  const row = { product_category: 'SOFT DRINKS' }
  const plain = await call('POST', '/endpoints/demand/predict', { rows: [row] })
  const wanted = plain.body.predictions[0].value
  const at = '/tfserving/v1/models/demand'
  assert.deepEqual((await call('POST', `${at}:predict`, { instances: [row] })).body, {
    predictions: [wanted],
  })
  const columns = { inputs: { product_category: ['SOFT DRINKS'] } }
  assert.deepEqual((await call('POST', `${at}/versions/2:predict`, columns)).body, { outputs: [wanted] })
  const status = await call('GET', at)
  assert.deepEqual(status.body.model_version_status[0].state, 'AVAILABLE')
  assert.ok(
    'lag_7' in
      (await call('GET', `${at}/metadata`)).body.metadata.signature_def.signature_def.serving_default.inputs,
  )
  const refusals: [string, unknown, number][] = [
    [`${at}:predict`, {}, 400],
    [`${at}:predict`, { instances: [], inputs: [] }, 400],
    [`${at}:predict`, { instances: 'x' }, 400],
    [`${at}:predict`, { inputs: { a: [1], b: [1, 2] } }, 400],
    [`${at}:predict`, { instances: [{ other: 1 }] }, 400],
    [`${at}:classify`, { instances: [row] }, 404],
    [`${at}/versions/7:predict`, { instances: [row] }, 404],
    ['/tfserving/v1/models/nobody:predict', { instances: [row] }, 404],
  ]
  for (const [address, body, wantedStatus] of refusals) {
    const refused = await call('POST', address, body)
    assert.equal(refused.status, wantedStatus, `${address} ${JSON.stringify(body)}`)
    assert.equal(typeof refused.body.error, 'string')
  }
})

test('prices in cents are stopped by the checks, and the champion serves on', async () => {
  const { stdout, code, stderr } = await cli('demo', 'break', 'price-in-cents')
  assert.equal(code, 0, stderr)
  assert.match(stdout, /refused\s+check .*sales_value: PSI .*median went from/)
  assert.match(stdout, /stopped: r-\d+ failed; the champion serves on/)
})

test('a bad model that is forced past its gates is taken back by the rollout', async () => {
  const { stdout, code, stderr } = await cli('demo', 'break', 'bad-model')
  assert.equal(code, 0, `${stdout}\n${stderr}`)
  assert.match(stdout, /taken back: wape .*; revision 2 \(demand@2\) answers as before/)
})

test('the audit chain is whole', async () => {
  const { stdout, code } = await cli('admin', 'audit', 'verify')
  assert.equal(code, 0)
  assert.match(stdout, /intact: \d+ rows verified/)
})

test('a second server on the same data is refused, and the first goes on', async () => {
  const second = await headrace(['server', '--port', '0', '--data-dir', dataDir])
  assert.equal(second.code, 6)
  assert.match(second.stderr, /another server \(process \d+\) uses/)
  assert.equal((await fetch(`${server.url}/health`)).status, 200)
})

test('after a kill everything is where it was, and the same model answers the same', async () => {
  const ask = async () =>
    (await call('POST', '/endpoints/demand/predict', { rows: [{ product_category: 'SOFT DRINKS' }] })).body
      .predictions[0].value
  const before = await ask()
  await server.kill()
  server = await startServer(dataDir)
  assert.equal(await ask(), before)
  assert.equal((await cli('admin', 'audit', 'verify')).code, 0)
})

test('a backup taken while serving is restored and verified', async () => {
  const to = path.join(path.dirname(dataDir), 'backup')
  assert.equal((await cli('admin', 'backup', to)).code, 0)
  const restored = path.join(path.dirname(dataDir), 'restored')
  const { code, stderr } = await headrace(['admin', 'restore', to, '--data-dir', restored])
  assert.equal(code, 0, stderr)
  const other = await startServer(restored)
  const reply = await fetch(`${other.url}/p/${project}/api/v1/models/demand`)
  assert.ok(((await reply.json()) as { versions: unknown[] }).versions.length >= 2)
  assert.equal(await other.stop(), 0)
})

test('a second start finds everything where it was', async () => {
  assert.equal(await server.stop(), 0)
  const again = await headrace(['demo', 'start', '--exit', '--data-dir', dataDir, '--port', '0'])
  assert.equal(again.code, 0, again.stderr)
  assert.match(again.stdout, /everything is where it was/)
  assert.match(again.stdout, /loop complete: /)
  assert.ok((await readdir(dataDir)).includes('headrace.db'))
})

test('the same nights on a new data directory: the same version ids, equal ONNX bytes, equal served errors', async () => {
  const another = path.join(await mkdtemp(path.join(tmpdir(), 'headrace-journey-')), 'data')
  const again = await headrace(['demo', 'start', '--exit', '--data-dir', another, '--port', '0'])
  assert.equal(again.code, 0, again.stderr)
  const other = await startServer(another)
  try {
    const facts = (await factsOf(other.url)) as { versions: [string, string[]][]; windows: unknown[] }
    assert.ok(facts.windows.length > 30 && facts.versions.length > 3, 'there is something to compare')
    assert.deepEqual(facts, firstTurn)
  } finally {
    await other.stop()
  }
})
