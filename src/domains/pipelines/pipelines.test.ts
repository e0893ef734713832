/** Pipelines run what is ready, once, and can say why. */
import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { Fault, isFault } from '#base/errors.ts'
import { putTree } from '#platform/blobs/index.ts'
import { openEnvironments } from '#platform/environments/index.ts'
import { openProcesses } from '#platform/process/index.ts'
import { openKeys, openSecrets, secretsMigrations } from '#platform/secrets/index.ts'
import { openRooms } from '../../testing/rooms.ts'
import { datasetsBlock, datasetsMigrations, openDatasets, sourcesBlock } from '../datasets/index.ts'
import { experimentsMigrations, openExperiments } from '../experiments/index.ts'
import {
  openPipelines,
  pipelinesBlock,
  pipelinesMigrations,
  pipelinesSubscriptions,
  runStepKind,
  type StepKind,
} from './index.ts'
import { pipelineRunLife, stepLife, verdictOf } from './rules.ts'

interface Options {
  readonly definition: string
  readonly kinds?: StepKind[]
  readonly series?: (number | null)[]
  readonly code?: Record<string, string>
}
async function opened({ definition, kinds = [], series = [], code = {} }: Options) {
  const rooms = await openRooms({
    migrations: [
      ...secretsMigrations,
      ...datasetsMigrations,
      ...experimentsMigrations,
      ...pipelinesMigrations,
    ],
    blocks: [sourcesBlock, datasetsBlock, pipelinesBlock, ...others],
  })
  const source = path.join(rooms.directory, 'source')
  await mkdir(source)
  for (const [name, text] of Object.entries(code)) await writeFile(path.join(source, name), text)
  const tree = await putTree(rooms.blobs, source)
  const text = `version: 1\nproject: { name: test }\n${definition}`
  await rooms.definitions.apply(
    { text, file: 'headrace.yaml', root: rooms.directory, code: { tree: tree.digest, dirty: false } },
    rooms.caller,
  )
  const datasets = openDatasets(rooms)
  const experiments = openExperiments(rooms)
  const processes = openProcesses()
  const keys = openKeys({ file: path.join(rooms.directory, 'secret.key'), given: undefined })
  const secrets = openSecrets({ ...rooms, keys })
  const baseEnv = { PATH: process.env.PATH ?? '', HOME: rooms.directory }
  const environments = openEnvironments({
    directory: path.join(rooms.directory, 'environments'),
    processes,
    baseEnv,
  })
  const run = runStepKind({
    ...rooms,
    datasets,
    experiments,
    environments,
    processes,
    baseEnv,
    trainingSet: async () => Promise.reject(new Error('no features here')),
    mintToken: async () => 'token',
    secrets,
    serverUrl: () => undefined,
    pythonClient: '',
  })
  const make = () =>
    openPipelines({
      ...rooms,
      kinds: [run, ...kinds],
      logsDirectory: path.join(rooms.directory, 'logs'),
      metricSeries: async () => series,
    })
  const pipelines = make()
  const ended = async (pipeline: string, more: object = {}) => {
    const { id } = await pipelines.startRun({ pipeline, ...more }, rooms.caller)
    await pipelines.settled('test')
    return pipelines.getRun({ run: id }, rooms.caller)
  }
  const close = async () => {
    await pipelines.stop()
    await processes.close()
    await rooms.close()
  }
  return { ...rooms, datasets, pipelines, make, ended, close, [Symbol.asyncDispose]: close }
}
import { z } from 'zod'
const others = ['models', 'endpoints', 'monitors'].map((name) => ({
  name,
  summary: '',
  schema: z.record(z.string(), z.unknown()),
}))
const states = (run: { steps: { name: string; state: string }[] }) =>
  Object.fromEntries(run.steps.map((s) => [s.name, s.state]))
const line = (steps: Record<string, string>) =>
  `pipelines:\n  p:\n    steps:\n${Object.entries(steps)
    .map(([name, text]) => `      ${name}: ${text}\n`)
    .join('')}`
const fake = (kind: StepKind['kind'], runs: StepKind['run']): StepKind => ({
  kind,
  keyParts: async () => 'never',
  run: runs,
})

test('states go only along their arrows, and final ones stay', () => {
  for (const life of [pipelineRunLife, stepLife])
    for (const [from, arrows] of Object.entries(life.transitions))
      for (const to of Object.values(arrows as object))
        assert.ok(String(to) in life.transitions, `${from} → ${to}`)
  assert.ok(stepLife.isFinal('succeeded') && pipelineRunLife.isFinal('succeeded'))
  assert.equal(verdictOf(['succeeded', 'waiting']), 'wait')
  assert.equal(verdictOf(['failed', 'waiting', 'pending']), 'fail')
  assert.equal(verdictOf(['succeeded', 'pending']), undefined)
})

test('steps run in the order of their needs, and outputs of one are inputs of the next', async () => {
  await using house = await opened({
    definition: line({
      make: '{ run: "sh make.sh", out: { text: file } }',
      use: '{ run: "sh use.sh", in: { given: "step:make.text" }, out: { copy: file } }',
    }),
    code: {
      'make.sh': 'echo hello > "$(dirname "$HEADRACE_STEP")/out/text/a.txt"\n',
      'use.sh':
        'cat "$(dirname "$HEADRACE_STEP")/in/given/a.txt" > "$(dirname "$HEADRACE_STEP")/out/copy/b.txt"; echo used\n',
    },
  })
  const run = await house.ended('p')
  assert.equal(run.state, 'succeeded', JSON.stringify(run.steps))
  const copy = run.steps[1]?.outputs.copy
  assert.equal(copy?.kind === 'file' && (await house.blobs.bytes(copy.digest)).toString(), 'hello\n')
  assert.match(
    (await house.pipelines.logOf({ run: run.id, step: 'use', from: 0 }, house.caller)).text,
    /used/,
  )
})

test('nothing changed: no step runs, and each says why it was cached', async () => {
  await using house = await opened({
    definition: line({ a: '{ run: "/bin/true" }', b: '{ run: "/bin/true", after: [a] }' }),
  })
  assert.deepEqual(states(await house.ended('p')), { a: 'succeeded', b: 'succeeded' })
  const second = await house.ended('p')
  assert.deepEqual(states(second), { a: 'cached', b: 'cached' })
  assert.match(
    (await house.pipelines.why({ run: second.id, step: 'b' }, house.caller)).sentence,
    /cached: .* are those of r-1/,
  )
  const forced = await house.ended('p', { noCache: true })
  assert.deepEqual(states(forced), { a: 'succeeded', b: 'succeeded' })
})

test('a changed parameter runs again and is named', async () => {
  const definition = `pipelines:\n  p:\n    params: { depth: { type: number, default: 3 } }\n    steps: { a: { run: /bin/true } }\n`
  await using house = await opened({ definition })
  await house.ended('p')
  const second = await house.ended('p', { params: { depth: 4 } })
  assert.match(
    (await house.pipelines.why({ run: second.id, step: 'a' }, house.caller)).sentence,
    /since r-1 these changed: params/,
  )
})

test('a step that fails says how, skips what follows, and a retry goes on from it', async () => {
  await using house = await opened({
    definition: line({
      a: '{ run: "/bin/true" }',
      b: '{ run: "sh b.sh", after: [a] }',
      c: '{ run: "/bin/true", after: [b] }',
    }),
    code: { 'b.sh': `f=$HOME/once; if [ -e $f ]; then exit 0; fi; touch $f; echo "no such luck"; exit 3\n` },
  })
  const run = await house.ended('p')
  assert.equal(run.state, 'failed')
  assert.deepEqual(states(run), { a: 'succeeded', b: 'failed', c: 'skipped' })
  assert.match(run.steps[1]?.summary ?? '', /exit code 3: no such luck/)
  await house.pipelines.retry({ run: run.id }, house.caller)
  await house.pipelines.settled('test')
  const again = await house.pipelines.getRun({ run: run.id }, house.caller)
  assert.deepEqual([again.state, again.steps.map((s) => s.attempt)], ['succeeded', [1, 2, 1]])
})

test('a step tries again by its policy', async () => {
  await using house = await opened({
    definition: line({ a: '{ run: "sh a.sh", retry: { times: 2, backoff: 10ms, on: [exit_75] } }' }),
    code: {
      'a.sh': 'n=$(cat $HOME/n 2>/dev/null || echo 0); echo $((n+1)) > $HOME/n; [ $n -ge 2 ] || exit 75\n',
    },
  })
  const { id } = await house.pipelines.startRun({ pipeline: 'p' }, house.caller)
  let run = await house.pipelines.getRun({ run: id }, house.caller)
  for (let i = 0; i < 300 && run.state === 'running'; i++) {
    await new Promise((resolve) => setTimeout(resolve, 10))
    run = await house.pipelines.getRun({ run: id }, house.caller)
  }
  assert.deepEqual([run.state, run.steps[0]?.attempt], ['succeeded', 3])
})

test('a refused gate ends the run failed and the step refused', async () => {
  const refuse = fake('check', async () => ({ state: 'refused', outputs: {}, summary: 'too many nulls' }))
  await using house = await opened({
    definition: `datasets: { d: {} }\n${line({ gate: '{ check: d }', next: '{ run: "/bin/true", after: [gate] }' })}`,
    kinds: [refuse],
  })
  const run = await house.ended('p')
  assert.deepEqual([run.state, states(run)], ['failed', { gate: 'refused', next: 'skipped' }])
})

test('a step waits for a review and goes on when it is decided', async () => {
  let asked = 0
  const deploy = fake('deploy', async () =>
    ++asked === 1
      ? { state: 'waiting', on: 'review:7', summary: 'asked' }
      : { state: 'succeeded', outputs: {}, summary: 'deployed' },
  )
  await using house = await opened({
    definition: `models: { m: {} }\nendpoints: { e: {} }\n${line({ go: '{ deploy: m, to: e }' })}`,
    kinds: [deploy],
  })
  const run = await house.ended('p')
  assert.equal(run.state, 'waiting')
  await house.pipelines.decided('review:8', 'test')
  await house.pipelines.decided('review:7', 'test')
  await house.pipelines.settled('test')
  const after = await house.pipelines.getRun({ run: run.id }, house.caller)
  assert.deepEqual([after.state, after.steps[0]?.summary], ['succeeded', 'deployed'])
})

test('cancel kills the program and ends the run', async () => {
  await using house = await opened({
    definition: line({ a: '{ run: "sleep 60" }', b: '{ run: "/bin/true", after: [a] }' }),
  })
  const { id } = await house.pipelines.startRun({ pipeline: 'p' }, house.caller)
  const run = await house.pipelines.cancel({ run: id }, house.caller)
  assert.deepEqual([run.state, states(run)], ['cancelled', { a: 'cancelled', b: 'cancelled' }])
  await assert.rejects(house.pipelines.cancel({ run: id }, house.caller), (t) => isFault(t))
})

test('runs of one group wait for each other', async () => {
  const definition = `pipelines:\n  p:\n    concurrency: { group: g, limit: 1 }\n    steps: { a: { run: "sleep 0.2", cache: never } }\n`
  await using house = await opened({ definition })
  const [a, b] = await Promise.all(
    [1, 2].map(() => house.pipelines.startRun({ pipeline: 'p' }, house.caller)),
  )
  const both = await Promise.all(
    [a, b].map((r) => house.pipelines.getRun({ run: r?.id ?? '' }, house.caller)),
  )
  assert.deepEqual(both.map((r) => r.state).sort(), ['queued', 'running'])
  for (let i = 0; i < 100; i++) {
    await house.pipelines.settled('test')
    if ((await house.pipelines.getRun({ run: 'r-2' }, house.caller)).state === 'succeeded') break
  }
  assert.equal((await house.pipelines.getRun({ run: 'r-2' }, house.caller)).state, 'succeeded')
})

test('a new version starts a run once, even when its event is told twice', async () => {
  const definition = `datasets: { d: {} }\npipelines:\n  p:\n    triggers: [{ new_version: d }]\n    steps: { a: { run: "/bin/true" } }\n`
  await using house = await opened({ definition })
  pipelinesSubscriptions(house.pipelines, house.events)
  house.events.start()
  const file = path.join(house.directory, 'x.parquet')
  await house.columnar.writeParquet('select 1 as x', { to: file })
  await house.datasets.commitVersion(
    {
      dataset: 'd',
      files: [{ path: 'x.parquet', source: file }],
      mode: 'append',
      producedBy: { kind: 'upload' },
    },
    house.caller,
  )
  await house.events.settled()
  const [event] = await house.events.list({ types: ['datasets.version.committed'], limit: 1 })
  if (event !== undefined) await house.pipelines.onVersion(event)
  const { pipelineRuns } = await house.pipelines.listRuns({ limit: 10 }, house.caller)
  assert.deepEqual(
    pipelineRuns.map((r) => [r.trigger.kind, r.trigger.cause.version]),
    [['new_version', 1]],
  )
})

test('an error beyond its bound for two windows starts a run, and then not again before the cool-down', async () => {
  const definition = `monitors: { m: {} }\npipelines:\n  p:\n    triggers: [{ metric: m/wape, above: 0.28, for: 2 windows, cooldown: 28d }]\n    steps: { a: { run: "/bin/true" } }\n`
  const series = [0.29, 0.3]
  await using house = await opened({ definition, series })
  const day = 86_400_000
  const window = (seq: number, n: number) =>
    house.pipelines.onWindow({
      seq,
      project: 'test',
      type: '',
      subject: '',
      actor: '',
      actorKind: '',
      requestId: '',
      recordedAt: 0,
      happenedAt: house.clock.now() + n * day,
      payload: { monitor: 'm', window: { from: 0, to: 0 } },
    })
  const count = async () => (await house.pipelines.listRuns({ limit: 10 }, house.caller)).pipelineRuns.length
  await window(1, 0)
  assert.equal(await count(), 1)
  await window(2, 27)
  assert.equal(await count(), 1)
  await window(3, 28)
  assert.equal(await count(), 2)
  series[1] = 0.27
  await window(4, 90)
  assert.equal(await count(), 2)
})

test('after a crash a running attempt begins anew and is committed once', async () => {
  await using house = await opened({
    definition: line({
      a: '{ run: "/bin/true", cache: never }',
      b: '{ run: "sleep 5", cache: never, after: [a] }',
    }),
  })
  await house.pipelines.startRun({ pipeline: 'p' }, house.caller)
  for (let i = 0; i < 200; i++) {
    if (states(await house.pipelines.getRun({ run: 'r-1' }, house.caller)).b === 'running') break
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  await house.pipelines.stop()
  const next = house.make()
  await next.start()
  const run = await next.getRun({ run: 'r-1' }, house.caller)
  assert.deepEqual(
    run.steps.map((s) => [s.name, s.state, s.attempt]),
    [
      ['a', 'succeeded', 1],
      ['b', 'running', 2],
    ],
  )
  await next.cancel({ run: 'r-1' }, house.caller)
  await next.stop()
})

for (const [what, definition, message] of [
  ['a cycle', line({ a: '{ run: x, after: [b] }', b: '{ run: x, after: [a] }' }), /wait for each other/],
  ['a need that is no step', line({ a: '{ run: x, after: [c] }' }), /no step/],
  [
    'an output that no step makes',
    line({ a: '{ run: x, out: { y: file } }', b: '{ run: x, in: { z: "step:a.q" } }' }),
    /no output `q`/,
  ],
  ['a dataset that is not defined', line({ a: '{ run: x, in: { z: "dataset:q" } }' }), /no dataset `q`/],
  [
    'a trigger that the pipeline itself would pull',
    `datasets: { d: { from: "step:p/a.d" } }\npipelines: { p: { triggers: [{ new_version: d }], steps: { a: { run: x, out: { d: dataset } } } } }\n`,
    /start the next/,
  ],
] as const)
  test(`${what} is refused before anything runs`, async () => {
    await assert.rejects(opened({ definition }), (t) => t instanceof Fault && message.test(t.message))
  })

for (const [what, command, code] of [
  ['an unknown pipeline', { pipeline: 'q' }, 'pipelines.not_found'],
  ['an unknown parameter', { pipeline: 'p', params: { x: 1 } }, 'pipelines.param_unknown'],
] as const)
  test(`${what} is refused by name`, async () => {
    await using house = await opened({ definition: line({ a: '{ run: /bin/true }' }) })
    await assert.rejects(house.pipelines.startRun(command, house.caller), (t) => isFault(t, code))
  })
