/** The file: positions, what was meant, and the truth as applied. */
import assert from 'node:assert/strict'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { z } from 'zod'
import { systemCaller } from '#base/caller.ts'
import { isFault } from '#base/errors.ts'
import { openDb } from '#platform/db/index.ts'
import { eventsMigrations, openEvents } from '#platform/events/index.ts'
import {
  checkText,
  conditionText,
  defineBlock,
  definitionsMigrations,
  durationMs,
  evaluateCondition,
  jsonSchemaOf,
  openDefinitions,
  parseCondition,
  parseReference,
} from './index.ts'

const rivers = defineBlock({
  name: 'rivers',
  summary: 'Rivers by name',
  schema: z.record(
    z.string(),
    z.strictObject({ length: z.number(), kind: z.enum(['slow', 'quick']), into: z.string().optional() }),
  ),
  objections: (block) =>
    Object.entries(block)
      .filter(([, r]) => r.into !== undefined && !(r.into in block))
      .map(([name, r]) => ({ path: ['rivers', name, 'into'], message: `there is no river \`${r.into}\`` })),
})
const check = (text: string) => checkText(text, 'headrace.yaml', [rivers])
const head = 'version: 1\nproject: { name: water }\n'

test('a file without fault gives its blocks', async () => {
  const { whole, problems } = await check(`${head}rivers:\n  aare: { length: 288, kind: quick }\n`)
  assert.deepEqual(problems, [])
  assert.deepEqual(whole, {
    version: 1,
    project: { name: 'water', timezone: 'UTC' },
    rivers: { aare: { length: 288, kind: 'quick' } },
  })
})

for (const [what, text, line, column, message, fix] of [
  ['broken YAML', 'version: 1\nproject: {', 2, 11, /./, undefined],
  ['an unknown block', `${head}river: {}\n`, 3, 1, /`river` is not a block/, /did you mean `rivers`/],
  ['a block of a later part', `${head}sweeps: {}\n`, 3, 1, /no `sweeps` yet/, /leave/],
  [
    'a word of a closed set',
    `${head}rivers:\n  aare: { length: 288, kind: quik }\n`,
    4,
    24,
    /`quik` is not allowed/,
    /did you mean `quick`/,
  ],
  [
    'an unknown key',
    `${head}rivers:\n  aare: { length: 288, kind: quick, depth: 3 }\n`,
    4,
    37,
    /`depth` is not known/,
    undefined,
  ],
  ['a missing key', `${head}rivers:\n  aare: { kind: quick }\n`, 4, 3, /`length` is missing/, /a number/],
  [
    'a reference into nothing',
    `${head}rivers:\n  aare: { length: 288, kind: quick, into: rhein }\n`,
    4,
    37,
    /no river `rhein`/,
    undefined,
  ],
  ['a missing project', 'version: 1\n', 1, 1, /`project` is missing/, undefined],
] as const)
  test(`${what} is reported with its place`, async () => {
    const { problems } = await check(text)
    assert.equal(problems.length, 1, JSON.stringify(problems))
    assert.deepEqual([problems[0]?.line, problems[0]?.column], [line, column])
    assert.match(problems[0]?.message ?? '', message)
    if (fix !== undefined) assert.match(problems[0]?.fix ?? '', fix)
  })

test('yes, no and times stay what they are: the file is YAML 1.2', async () => {
  const { problems } = await check(`${head}rivers:\n  no: { length: 1, kind: slow, into: no }\n`)
  assert.deepEqual(problems, [])
})

test('durations have units, and nothing else passes', () => {
  assert.equal(durationMs('28d'), 28 * 86_400_000)
  assert.equal(durationMs('20ms'), 20)
  for (const text of ['28', 'd', '-1d', '1 month', ''])
    assert.throws(
      () => durationMs(text),
      (t) => isFault(t, 'definitions.duration_invalid'),
    )
})

test('references are typed, alone or as a window', () => {
  assert.deepEqual(parseReference('dataset:sales'), { kind: 'dataset', name: 'sales' })
  assert.deepEqual(parseReference('step:nightly/aggregate.daily'), {
    kind: 'step',
    name: 'aggregate',
    pipeline: 'nightly',
    output: 'daily',
  })
  assert.deepEqual(parseReference({ from: 'features:f', last: '28d' }), {
    kind: 'features',
    name: 'f',
    last: '28d',
  })
  assert.equal(parseReference('bucket:x'), undefined)
})

test('a condition over windows holds only when each of them does, and is open while there are too few', () => {
  const condition = parseCondition('demand/wape_7d > 0.28 for 2 windows')
  const holds = (values: (number | null)[]) => evaluateCondition(condition, () => ({ values }))
  assert.equal(conditionText(condition), 'demand/wape_7d > 0.28 for 2 windows')
  assert.equal(holds([0.3]), undefined)
  assert.equal(holds([0.3, null]), undefined)
  assert.equal(holds([0.2, 0.3]), false)
  assert.equal(holds([0.1, 0.29, 0.3]), true)
  assert.equal(
    evaluateCondition(parseCondition('a > 1 or b no data for 3d'), (r) =>
      r === 'a' ? { values: [0] } : { values: [], silentMs: 4 * 86_400_000 },
    ),
    true,
  )
  assert.throws(
    () => parseCondition('wape is large'),
    (t) => isFault(t, 'definitions.condition_invalid'),
  )
})

async function openWater() {
  const file = path.join(await mkdtemp(path.join(tmpdir(), 'headrace-definitions-')), 'a.db')
  const db = await openDb({
    url: `sqlite:${file}`,
    migrations: [...eventsMigrations, ...definitionsMigrations],
  })
  const events = openEvents({ db })
  const definitions = openDefinitions({ db, events, blocks: [rivers], ensureProject: async () => undefined })
  return { db, events, definitions }
}
const caller = systemCaller('water', 'test')
const command = (text: string) => ({
  text,
  file: 'headrace.yaml',
  root: '/tmp',
  code: { tree: 'a'.repeat(64), dirty: false },
})

test('apply makes the file the truth once, and says what changed', async () => {
  const { db, events, definitions } = await openWater()
  const first = await definitions.apply(
    command(`${head}rivers:\n  aare: { length: 288, kind: quick }\n`),
    caller,
  )
  assert.deepEqual([first.number, first.applied], [1, true])
  const same = await definitions.apply(
    command(`${head}# a remark\nrivers:\n  aare: { length: 288, kind: quick }\n`),
    caller,
  )
  assert.deepEqual([same.number, same.applied], [1, false])
  const longer = `${head}rivers:\n  aare: { length: 295, kind: quick }\n`
  assert.deepEqual(await definitions.plan(command(longer), caller), {
    changes: [{ path: 'rivers.aare.length', kind: 'changed', before: 288, after: 295 }],
  })
  assert.equal((await definitions.apply(command(longer), caller)).number, 2)
  assert.deepEqual(await definitions.blockOf('water', rivers), { aare: { length: 295, kind: 'quick' } })
  assert.equal((await events.list({ limit: 10 })).length, 2)
  await db.close()
})

test('a file with a fault, or of another project, changes nothing', async () => {
  const { db, definitions } = await openWater()
  await assert.rejects(definitions.apply(command(`${head}rivers: 3\n`), caller), (t) =>
    isFault(t, 'definitions.invalid'),
  )
  await assert.rejects(definitions.apply(command('version: 1\nproject: { name: wine }\n'), caller), (t) =>
    isFault(t, 'definitions.other_project'),
  )
  assert.equal(await definitions.applied('water'), undefined)
  await db.close()
})

test('editors get a JSON Schema of every block', () => {
  const schema = jsonSchemaOf([rivers]) as { properties: Record<string, { description?: string }> }
  assert.equal(schema.properties.rivers?.description, 'Rivers by name')
})
