/** Faults that the demonstration injects and says so: a corrupted night, a worse model. */
import { rm } from 'node:fs/promises'
import path from 'node:path'
import { CliError } from '../client.ts'
import { night, nextDay, type Replay } from './replay.ts'

const dayMs = 86_400_000

/** A night whose prices are in cents: the checks must stop it, and the champion goes on with the nights before. */
export async function breakPrices(replay: Replay): Promise<void> {
  const { client, nights, root, say } = replay
  const day = await nextDay(client)
  if (day === undefined) throw new CliError(1, 'there is no replay to break', 'npm start first')
  say(`injecting a fault: the prices of ${day} are in cents`)
  await nights.writeNight(root, day, { inCents: true })
  await client.call('PUT', '/api/v1/clock', { nowMs: Date.parse(`${day}T00:00:00Z`) + dayMs + 10 * 60_000 })
  await client.call('POST', '/api/v1/sources/tills/poll')
  await client.call('GET', '/api/v1/settled')
  const { pipelineRuns } = await client.call('GET', '/api/v1/pipeline-runs?pipeline=nightly&limit=1')
  const run = pipelineRuns[0]
  for (const step of run.steps) say(`  ${step.state.padEnd(9)} ${step.name.padEnd(10)} ${step.summary}`)
  say(
    `stopped: ${run.id} ${run.state}; the champion serves on. Look: ${client.server}/p/${client.project}/app/pipeline-runs/${run.id}`,
  )
  say('repairing: the same night with the right prices')
  await rm(path.join(root, 'data', 'in', `transactions_${day}.parquet`), { force: true })
  await night(replay, day)
}

/** A model that knows one number, deployed past its gates: the rollout's analysis must take it back. */
export async function breakBadModel(replay: Replay): Promise<void> {
  const { client, say } = replay
  const day = await nextDay(client)
  if (day === undefined) throw new CliError(1, 'there is no replay to break', 'npm start first')
  say('injecting a fault: a model that always answers the mean, deployed past its gates')
  await client.call('POST', '/api/v1/pipelines/bad-model/runs', {})
  await client.call('GET', '/api/v1/settled')
  const { versions } = await client.call('GET', '/api/v1/models/demand')
  const bad = versions[0]
  const { sentence } = await client.call('POST', '/api/v1/endpoints/demand/deploy', {
    model: 'demand',
    version: bad.version,
    force: true,
  })
  say(`  demand@${bad.version} ${bad.kind}: ${sentence}`)
  for (let i = 0; i < 6; i++) {
    const next = await nextDay(client)
    if (next === undefined || next > '2017-12-31') break
    await night(replay, next)
    const { rollout, stable } = await client.call('GET', '/api/v1/endpoints/demand')
    if (rollout.state !== 'rolled_back') continue
    say(
      `taken back: ${rollout.reason}; revision ${stable.number} (demand@${stable.version}) answers as before`,
    )
    return
  }
  throw new CliError(1, 'the bad model was not taken back within six nights')
}
