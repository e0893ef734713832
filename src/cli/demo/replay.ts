/** The demonstration: one virtual night after another against a real server, telling what happens and where to look. */
import { cp, mkdir } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Client } from '../client.ts'
import { applyProject } from '../project.ts'
import { historyEnds, type Nights, yearEnds } from './data.ts'

const dayMs = 86_400_000
const text = (ms: number) => new Date(ms).toISOString().slice(0, 10)
const at = (day: string) => Date.parse(`${day}T00:00:00Z`)
const demoActor = { 'x-headrace-actor': 'demo' }

export interface Replay {
  readonly client: Client
  readonly nights: Nights
  /** The project's folder on this machine. */
  readonly root: string
  readonly approveAfterMs: number
  readonly say: (line: string) => void
}

/** Lays the example out beside the data and applies it. */
export async function prepare({ client, say }: Replay, example: string, root: string): Promise<void> {
  await mkdir(root, { recursive: true })
  await cp(example, root, {
    recursive: true,
    filter: (source) => !source.startsWith(path.join(example, 'data')),
  })
  const { number, applied } = await client
    .call('POST', '/api/v1/projects', { name: client.project })
    .then(() => applyProject(client, root, { codeFrom: example }))
  say(`project ${client.project}: definition ${number}${applied ? ' applied' : ' unchanged'}`)
}

/** History, first training, first deployment. */
export async function begin(replay: Replay): Promise<void> {
  const { client, nights, root, say } = replay
  say('ingesting 1 January to 14 March 2017 …')
  await nights.writeHistory(root)
  await client.call('PUT', '/api/v1/clock', { nowMs: at(historyEnds) + 30 * 60_000 })
  await client.call('POST', '/api/v1/sources/products/poll')
  await client.call('POST', '/api/v1/sources/tills/poll')
  await settle(replay)
  await tellRun(replay, 'nightly')
  await client.call('POST', '/api/v1/pipelines/opponents/runs', {})
  await settle(replay)
  await client.call('POST', '/api/v1/pipelines/retrain/runs', {})
  await settle(replay)
  await tellRun(replay, 'retrain')
  await ask(replay)
}

/** One night: the day's transactions arrive, everything that follows from them happens, the shop asks for tomorrow. */
export async function night(replay: Replay, day: string): Promise<void> {
  const { client, nights, root } = replay
  const rows = await nights.writeNight(root, day)
  await client.call('PUT', '/api/v1/clock', { nowMs: at(day) + dayMs + 30 * 60_000 })
  const seen = await lastSeq(client)
  if (rows > 0) await client.call('POST', '/api/v1/sources/tills/poll')
  await settle(replay)
  await ask(replay)
  await tellNight(replay, day, rows, seen)
}

/** Waits until nothing is under way, approving as `demo` what nobody else approves in time. */
async function settle(replay: Replay): Promise<void> {
  const { client, say, approveAfterMs } = replay
  for (;;) {
    const done = client.call('GET', '/api/v1/settled').then(() => true)
    const progress = watchProgress(replay)
    await done.finally(() => progress.abort())
    const { reviews } = await client.call('GET', '/api/v1/reviews?state=open')
    const review = reviews[0]
    if (review === undefined) return
    say(
      `  ${review.question} waits for you: ${client.server}/p/${client.project}/app (the actor demo approves in ${Math.round(approveAfterMs / 1000)} s)`,
    )
    const until = Date.now() + approveAfterMs
    let state = 'open'
    while (Date.now() < until && state === 'open') {
      await pause(250)
      state = (await client.call('GET', `/api/v1/reviews/${review.id}`)).state
    }
    if (state === 'open') {
      await client.call(
        'POST',
        `/api/v1/reviews/${review.id}/approve`,
        { comment: 'nobody answered; approved by the demonstration' },
        demoActor,
      )
      say(`  approved by demo: ${review.subject}`)
    } else say(`  ${state} by you: ${review.subject}`)
  }
}

/** Says what a long step is doing, at most every five seconds. */
function watchProgress({ client, say }: Replay): AbortController {
  const stop = new AbortController()
  void (async () => {
    let told = ''
    while (!stop.signal.aborted) {
      await pause(5_000, undefined, { signal: stop.signal })
      const { pipelineRuns } = await client.call('GET', '/api/v1/pipeline-runs?limit=3')
      for (const run of pipelineRuns) {
        for (const step of run.steps) {
          const line = `  ${run.id} ${run.pipeline}/${step.name}: ${step.summary || step.state}`
          if (step.state === 'running' && line !== told) {
            told = line
            say(line)
          }
        }
      }
    }
  })().catch(() => undefined)
  return stop
}

/** The shop's own question: tomorrow's units of each category. */
async function ask({ client }: Replay): Promise<void> {
  const { rows } = await client.call('GET', '/api/v1/features/demand_v1/online')
  await client.call('POST', '/endpoints/demand/predict', { rows: rows.map((r: { key: object }) => r.key) })
}

async function lastSeq(client: Client): Promise<number> {
  const { events } = await client.call('GET', '/api/v1/events?limit=1')
  return events[0]?.seq ?? 0
}

async function tellRun({ client, say }: Replay, pipeline: string): Promise<void> {
  const { pipelineRuns } = await client.call('GET', `/api/v1/pipeline-runs?limit=1&pipeline=${pipeline}`)
  const run = pipelineRuns[0]
  if (run === undefined) return
  say(`${run.id} ${pipeline}  ${run.state}  ${client.server}/p/${client.project}/app/pipeline-runs/${run.id}`)
  for (const step of run.steps) say(`  ${step.state.padEnd(9)} ${step.name.padEnd(10)} ${step.summary}`)
}

const marks: Record<string, (p: Record<string, unknown>) => string> = {
  'registry.version.gated': (p) =>
    `${p.model}@${p.version} ${p.passed ? `passes ${p.passedCount} of ${p.count} gates` : `refused: ${(p.reasons as string[]).join('; ')}`}`,
  'serving.rollout.advanced': (p) => `rollout of ${p.model}@${p.version}: ${p.state}. ${p.sentence}`,
  'serving.rollout.promoted': (p) => `${p.model}@${p.version} answers all and is champion`,
  'serving.rollout.rolled_back': (p) => `${p.model}@${p.version} rolled back: ${p.reason}`,
}

async function tellNight({ client, say }: Replay, day: string, rows: number, seen: number): Promise<void> {
  const { monitors } = await client.call('GET', '/api/v1/monitors')
  const last = monitors[0]?.last
  const shown = (v: number | null | undefined) => (typeof v === 'number' ? v.toFixed(3) : '–')
  say(
    `${day}  ${String(rows).padStart(5)} rows  wape ${shown(last?.metrics.wape)}  wape_7d ${shown(last?.metrics.wape_7d)}`,
  )
  const { events } = await client.call('GET', `/api/v1/events?order=asc&limit=200&after=${seen}`)
  for (const event of events) {
    if (event.type === 'pipelines.run.queued' && event.payload.trigger === 'metric') {
      say(
        `  ${event.payload.cause.rule} (${event.payload.cause.values.map(shown).join(', ')}): ${event.payload.run} retrains`,
      )
      await tellRun({ client, say } as Replay, event.payload.pipeline)
    } else if (event.type === 'pipelines.step.ended' && event.payload.state === 'refused')
      say(`  ${event.payload.step} refused: ${event.payload.summary}`)
    else if (marks[event.type] !== undefined) say(`  ${marks[event.type]?.(event.payload)}`)
  }
}

/** The day that the next night brings, by the project's clock. */
export async function nextDay(client: Client): Promise<string | undefined> {
  const { clockMs } = await client.call('GET', `/api/v1/projects/${client.project}`)
  return typeof clockMs === 'number' ? text(clockMs) : undefined
}

/** True once a retrain that the error fired has become champion. */
export async function turnIsDone(client: Client): Promise<boolean> {
  const [queued, promoted] = await Promise.all([
    client.call('GET', '/api/v1/events?type=pipelines.run.queued&limit=1000'),
    client.call('GET', '/api/v1/events?type=serving.rollout.promoted&limit=100'),
  ])
  const fired = queued.events
    .filter((e: { payload: { trigger: string } }) => e.payload.trigger === 'metric')
    .at(-1)
  return (
    fired !== undefined &&
    promoted.events.some(
      (e: { seq: number; payload: { model: string; from: number | null } }) =>
        e.seq > fired.seq && e.payload.from !== null,
    )
  )
}

/** Nights until the turn is done, or to the end of the year. */
export async function replayNights(replay: Replay, options: { all: boolean }): Promise<void> {
  for (;;) {
    const day = await nextDay(replay.client)
    if (day === undefined || day > yearEnds) return
    await night(replay, day)
    if (!options.all && (await turnIsDone(replay.client))) return
  }
}

/** The figures, all on the same nights. */
export async function summary({ client }: Replay): Promise<string> {
  const { windows } = await client.call('GET', '/api/v1/monitors/demand/windows')
  const days = windows.map((w: { day: string }) => w.day)
  const [from, to] = [days[0], days.at(-1)]
  const sum = (key: 'absolute' | 'total') =>
    windows.reduce((n: number, w: { served: Record<string, number> }) => n + (w.served[key] ?? 0), 0)
  const loop = sum('absolute') / sum('total')
  const subjects = [
    { model: 'frozen-boosting', version: 1 },
    { model: 'frozen-ridge', version: 1 },
  ]
  const compared = await client.call('POST', '/api/v1/evaluations', {
    model: 'demand',
    subjects,
    view: 'demand_v1',
    fromDay: from,
    toDay: to,
  })
  const wape = (name: string) =>
    compared.subjects.find((s: { name: string }) => s.name === name)?.metrics.wape as number
  const { events } = await client.call('GET', '/api/v1/events?type=pipelines.run.queued&limit=1000')
  const fired = events.filter((e: { payload: { trigger: string } }) => e.payload.trigger === 'metric')
  const model = await client.call('GET', '/api/v1/models/demand')
  const refused = model.versions.filter((v: { state: string }) => v.state === 'refused').length
  const frozen = [
    ['boosting', wape('frozen-boosting@1')],
    ['ridge', wape('frozen-ridge@1')],
  ].sort((a, b) => (a[1] as number) - (b[1] as number)) as [string, number][]
  const best = frozen[0] as [string, number]
  const verdict =
    loop < best[1]
      ? `the loop is better than the best of them, ${best[0]}`
      : `the best of them, ${best[0]}, is not beaten on these nights`
  const shown = (n: number) => n.toFixed(4)
  return `${windows.length} nights, ${from} to ${to}: WAPE loop ${shown(loop)}, naive ${shown(wape('naive'))}, frozen on 15 March: ${frozen.map(([n, w]) => `${n} ${shown(w)}`).join(', ')} (${verdict}); the error fired ${fired.length} retrain${fired.length === 1 ? '' : 's'} (${fired
    .map((e: { happenedAt: number }) => text(e.happenedAt - dayMs))
    .reverse()
    .join(', ')}); ${model.versions.length} versions, ${refused} refused`
}
