/** What the clock starts in a real server: cron triggers and polled sources, also over a restart. */
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { headrace, startServer } from '../../src/testing/server.ts'

const definition = (cron: string) => `version: 1
project: { name: mill, timezone: Europe/Berlin }
sources:
  grain: { kind: files, path: "in/*.csv", poll: 200ms }
datasets:
  deliveries: { from: grain }
pipelines:
  grind:
    triggers: [{ cron: "${cron}" }]
    steps:
      turn: { run: "echo turned", cache: never }
`

test('a cron trigger starts runs and a polled source makes versions, by themselves and over a restart', async () => {
  const home = await mkdtemp(path.join(tmpdir(), 'headrace-clock-'))
  const project = path.join(home, 'project')
  await mkdir(path.join(project, 'in'), { recursive: true })
  let server = await startServer(path.join(home, 'data'))
  const run = (...args: string[]) => headrace(args, { cwd: project, env: { HEADRACE_SERVER: server.url } })
  const get = async (address: string) => (await fetch(`${server.url}/p/mill/api/v1/${address}`)).json()
  const until = async <T>(what: () => Promise<T | undefined>): Promise<T> => {
    for (let i = 0; i < 200; i++) {
      const found = await what()
      if (found !== undefined) return found
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    throw new Error(`did not come about; jobs: ${JSON.stringify(await get('jobs'))}`)
  }
  try {
    await writeFile(path.join(project, 'headrace.yaml'), definition('61 * * * *'))
    const refused = await run('check')
    assert.equal(refused.code, 2)
    assert.match(refused.stdout, /headrace\.yaml:9:\d+[\s\S]*61 \* \* \* \*[\s\S]*minute, hour/)

    await writeFile(path.join(project, 'headrace.yaml'), definition('* * * * * *'))
    assert.equal((await run('apply')).code, 0)
    const runs = () =>
      get('pipeline-runs') as Promise<{ pipelineRuns: { trigger: { kind: string }; state: string }[] }>
    await until(async () => ((await runs()).pipelineRuns.length >= 2 ? true : undefined))
    for (const one of (await runs()).pipelineRuns) assert.equal(one.trigger.kind, 'cron')

    await writeFile(path.join(project, 'in', 'monday.csv'), 'day,sacks\n2026-01-05,12\n')
    const versions = async () =>
      ((await get('datasets/deliveries/versions')) as { versions?: { version: number }[] }).versions ?? []
    await until(async () => ((await versions()).length === 1 ? true : undefined))

    // Slower from here on, so that what follows is countable; unchanged schedules keep their turn over a restart.
    await writeFile(path.join(project, 'headrace.yaml'), definition('0 4 1 1 *'))
    assert.equal((await run('apply')).code, 0)
    type Schedules = { schedules: { name: string; rule: { zone?: string }; nextAt: number }[] }
    const yearly = await until(async () =>
      ((await get('schedules')) as Schedules).schedules.find((one) => one.name.includes('0 4 1 1 *')),
    )
    assert.equal(yearly.rule.zone, 'Europe/Berlin')
    assert.equal(new Date(yearly.nextAt).toISOString().slice(5, 16), '01-01T03:00')
    await server.stop()
    await writeFile(path.join(project, 'in', 'tuesday.csv'), 'day,sacks\n2026-01-06,9\n')
    server = await startServer(path.join(home, 'data'))
    await until(async () => ((await versions()).length === 2 ? true : undefined))
    const after = ((await get('schedules')) as Schedules).schedules
    assert.equal(after.find((one) => one.name === yearly.name)?.nextAt, yearly.nextAt)

    // A file that cannot be read ends its poll, visibly, and nothing else.
    await writeFile(path.join(project, 'in', 'cut.parquet'), 'PAR1')
    await writeFile(path.join(project, 'headrace.yaml'), definition('0 4 1 1 *').replace('*.csv', '*'))
    assert.equal((await run('apply')).code, 0)
    const dead = await until(
      async () => ((await get('jobs?state=dead')) as { jobs: { kind: string; why: string }[] }).jobs[0],
    )
    assert.equal(dead.kind, 'datasets.poll')
    assert.match(dead.why, /cut\.parquet/)
    assert.equal((await fetch(`${server.url}/health`)).status, 200)
  } finally {
    await server.kill()
  }
})
