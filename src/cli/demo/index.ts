/** `headrace demo`: start (with a server of its own), replay, break. Read next: replay.ts. */
import { rm } from 'node:fs/promises'
import path from 'node:path'
import { type Client, CliError, openClient } from '../client.ts'
import type { Hands, Serving } from '../index.ts'
import { breakBadModel, breakPrices } from './faults.ts'
import { openNights } from './data.ts'
import { begin, nextDay, prepare, type Replay, replayNights, summary, turnIsDone } from './replay.ts'

const projectName = 'retail-demand'
const packageRoot = path.resolve(import.meta.dirname, '..', '..', '..')
const example = path.join(packageRoot, 'examples', projectName)
const approveMs = { watched: 20_000, alone: 5_000 }

const say = (line: string) => void process.stdout.write(`${line}\n`)

async function openReplay(client: Client, root: string, isAlone: boolean): Promise<Replay> {
  const nights = await openNights(path.join(example, 'data'), say)
  return { client, nights, root, say, approveAfterMs: isAlone ? approveMs.alone : approveMs.watched }
}

/** `npm start`. */
export async function demoStart(flags: Readonly<Record<string, unknown>>, hands: Hands): Promise<number> {
  const dataDir = String(flags['data-dir'] ?? flags.dataDirDefault ?? '.headrace')
  if (flags.fresh === true) await rm(dataDir, { recursive: true, force: true })
  const started = Date.now()
  const app = await hands.serve({ dataDir, ...(flags.port === undefined ? {} : { port: flags.port }) })
  say(`headrace  ${app.url}  data ${app.dataDirectory}${app.isNew ? ' (new)' : ''}`)
  say(`  page ${app.url}/p/${projectName}/app    mlflow, curl and others: ${app.url}/p/${projectName}`)
  const stop = untilStopped()
  try {
    const work = drive(app, flags, started)
    const first = await Promise.race([work, stop.then(() => 'stopped' as const)])
    if (first === 'stopped' || flags.exit === true) return 0
    await stop
    return 0
  } finally {
    await app.close()
  }
}

async function drive(app: Serving, flags: Readonly<Record<string, unknown>>, started: number): Promise<void> {
  const client = openClient({ server: app.url, project: projectName })
  const root = path.join(app.dataDirectory, 'demo', projectName)
  const replay = await openReplay(client, root, flags.exit === true || !process.stdout.isTTY)
  try {
    await prepare(replay, example, root)
    const done = await turnIsDone(client)
    if ((await nextDay(client)) === undefined) await begin(replay)
    else say(`everything is where it was; the project lives on ${await nextDay(client)}`)
    if (!done || flags.all === true) await replayNights(replay, { all: flags.all === true })
    say(`loop complete: ${await summary(replay)}; ${((Date.now() - started) / 1000).toFixed(0)} s`)
  } finally {
    await replay.nights.close()
  }
}

/** `headrace demo replay [--all]`, `headrace demo break WHAT`: against a server that runs. */
export async function demoWith(
  client: Client,
  what: string,
  flags: Readonly<Record<string, unknown>>,
): Promise<number> {
  const { root } = await client.call('GET', '/api/v1/definition')
  const replay = await openReplay(client, root, !process.stdout.isTTY)
  try {
    if (what === 'replay') {
      await replayNights(replay, { all: flags.all === true })
      say(`loop complete: ${await summary(replay)}`)
    } else if (what === 'price-in-cents') await breakPrices(replay)
    else if (what === 'bad-model') await breakBadModel(replay)
    else
      throw new CliError(
        2,
        `\`${what}\` is no part of the demonstration`,
        'headrace demo replay [--all] | break price-in-cents | break bad-model',
      )
    return 0
  } finally {
    await replay.nights.close()
  }
}

function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve())
  })
}
