/** A step gets its secrets as variables and files; nobody else sees them. */
import assert from 'node:assert/strict'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { isFault } from '#base/errors.ts'
import { putTree } from '#platform/blobs/index.ts'
import { checkText } from '#platform/definitions/index.ts'
import { openEnvironments } from '#platform/environments/index.ts'
import { openProcesses } from '#platform/process/index.ts'
import { openKeys, openSecrets, secretsMigrations } from '#platform/secrets/index.ts'
import { openRooms } from '../../testing/rooms.ts'
import { datasetsBlock, datasetsMigrations, openDatasets, sourcesBlock } from '../datasets/index.ts'
import { experimentsMigrations, openExperiments } from '../experiments/index.ts'
import { openPipelines, pipelinesBlock, pipelinesMigrations, runStepKind, secretObjections } from './index.ts'

const canary = 'canary-8Wk2-secret'
const blocks = [sourcesBlock, datasetsBlock, pipelinesBlock]
const header = 'version: 1\nproject: { name: test }\n'
const definition = `${header}pipelines:
  p:
    params: { level: { type: string, default: high } }
    steps:
      use:
        run: "sh use.sh"
        env: { API_KEY: "secret:API_KEY", LEVEL: "param:level", MODE: plain }
        in: { key: "secret:API_KEY" }
        out: { facts: file }
`
const program = `
printf 'mode %s level %s\\n' "$MODE" "$LEVEL"
printf 'key is canary-8W'; sleep 0.2; printf 'k2-secret.\\n'
printf '%s' "$API_KEY" | base64 >&2
file="$(dirname "$HEADRACE_STEP")/secrets/key"
cmp -s "$file" - <<END && echo same
END
stat -c %a "$file"
cat "$file"
[ "$API_KEY" = "$(cat "$file")" ] && echo equal
echo done > "$(dirname "$HEADRACE_STEP")/out/facts/facts.txt"
`

async function opened(code: string) {
  const rooms = await openRooms({
    migrations: [
      ...secretsMigrations,
      ...datasetsMigrations,
      ...experimentsMigrations,
      ...pipelinesMigrations,
    ],
    blocks,
  })
  const secrets = openSecrets({
    ...rooms,
    keys: openKeys({ file: path.join(rooms.directory, 'secret.key'), given: undefined }),
  })
  await secrets.set({ name: 'API_KEY', value: canary }, rooms.caller)
  const source = path.join(rooms.directory, 'source')
  await mkdir(source)
  await writeFile(path.join(source, 'use.sh'), code)
  const tree = await putTree(rooms.blobs, source)
  await rooms.definitions.apply(
    {
      text: definition,
      file: 'headrace.yaml',
      root: rooms.directory,
      code: { tree: tree.digest, dirty: false },
    },
    rooms.caller,
  )
  const processes = openProcesses()
  const baseEnv = { PATH: process.env.PATH ?? '' }
  const run = runStepKind({
    ...rooms,
    secrets,
    datasets: openDatasets(rooms),
    experiments: openExperiments(rooms),
    processes,
    environments: openEnvironments({ directory: rooms.directory, processes, baseEnv }),
    baseEnv,
    trainingSet: async () => Promise.reject(new Error('no features here')),
    mintToken: async () => 'token',
    serverUrl: () => undefined,
    pythonClient: '',
  })
  const pipelines = openPipelines({
    ...rooms,
    kinds: [run],
    logsDirectory: path.join(rooms.directory, 'logs'),
    metricSeries: async () => [],
  })
  const ended = async () => {
    const { id } = await pipelines.startRun({ pipeline: 'p' }, rooms.caller)
    await pipelines.settled('test')
    const log = await pipelines.logOf({ run: id, step: 'use', from: 0 }, rooms.caller)
    return { run: await pipelines.getRun({ run: id }, rooms.caller), log: log.text }
  }
  const close = async () => {
    await pipelines.stop()
    await processes.close()
    await rooms.close()
  }
  return { ...rooms, secrets, pipelines, ended, [Symbol.asyncDispose]: close }
}

test('a step reads its secret as a variable and as a file of its own, and its log shows neither', async () => {
  await using house = await opened(program)
  const { run, log } = await house.ended()
  assert.equal(run.state, 'succeeded', `${JSON.stringify(run.steps)} ${log}`)
  assert.match(log, /mode plain level high/)
  assert.match(log, /key is \*\*\*\./)
  assert.match(log, /600/)
  assert.match(log, /equal/)
  assert.ok(!log.includes(canary) && !log.includes(Buffer.from(canary).toString('base64').slice(2, 20)), log)
  const left = await readdir(house.workDirectory, { recursive: true }).catch(() => [])
  assert.ok(!left.some((f) => f.includes('secrets')), 'the file is gone')
  const events = await house.events.list({ project: 'test', limit: 100 })
  assert.ok(events.some((e) => e.type === 'secrets.secret.used'))
  assert.ok(!JSON.stringify([events, run]).includes(canary))
})

test('a failing step does not tell its secret in the error', async () => {
  await using house = await opened('echo "refused: $API_KEY" >&2; exit 3\n')
  const { run, log } = await house.ended()
  assert.equal(run.state, 'failed')
  const why = await house.pipelines.why({ run: run.id, step: 'use' }, house.caller)
  assert.match(JSON.stringify(why), /refused: \*\*\*/)
  assert.ok(
    !JSON.stringify([why, run, log, await house.events.list({ project: 'test', limit: 100 })]).includes(
      canary,
    ),
  )
})

test('another value of a secret runs the step again, the same value does not, and no key holds the value', async () => {
  await using house = await opened(program)
  await house.ended()
  assert.equal((await house.ended()).run.steps[0]?.state, 'cached')
  await house.secrets.set({ name: 'API_KEY', value: canary }, house.caller)
  assert.equal((await house.ended()).run.steps[0]?.state, 'cached')
  await house.secrets.set({ name: 'API_KEY', value: `${canary}-2` }, house.caller)
  assert.equal((await house.ended()).run.steps[0]?.state, 'succeeded')
})

test('a reference to no secret is named with its place and its fix; a removed one fails the step by name', async () => {
  const { problems } = await checkText(definition, 'headrace.yaml', blocks as never, async (whole) =>
    secretObjections(whole, []),
  )
  assert.deepEqual(
    problems.map((p) => [p.line, p.path, p.message, p.fix]),
    [
      [
        9,
        'pipelines.p.steps.use.env.API_KEY',
        'there is no secret `API_KEY`',
        'headrace admin secret set API_KEY',
      ],
      [
        10,
        'pipelines.p.steps.use.in.key',
        'there is no secret `API_KEY`',
        'headrace admin secret set API_KEY',
      ],
    ],
  )
  await using house = await opened(program)
  await house.secrets.remove({ name: 'API_KEY' }, house.caller)
  const { run, log } = await house.ended()
  assert.equal(run.state, 'failed')
  assert.match(log, /there is no secret `API_KEY`/)
})

test('variables that are ours cannot be taken', async () => {
  const text = definition.replace('MODE:', 'HEADRACE_TOKEN:')
  assert.match((await checkText(text, 'headrace.yaml', blocks as never)).problems[0]?.message ?? '', /./)
  await using house = await opened(program)
  const apply = house.definitions.apply(
    { text, file: 'headrace.yaml', root: house.directory, code: { tree: '0'.repeat(64), dirty: false } },
    house.caller,
  )
  await assert.rejects(apply, (t) => isFault(t, 'definitions.invalid'))
})
