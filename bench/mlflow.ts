/**
 * Tracking over HTTP: Headrace, FastTrackML and `mlflow server` (one worker, SQLite each) under the same load from wrk.
 * Headrace acknowledges after fsync. A peer that cannot be installed is left out and named.
 */
import { execFile, spawn } from 'node:child_process'
import { access, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { mlflowClient } from '../src/testing/mlflow.ts'
import { peerPython } from '../src/testing/peers.ts'
import { startServer } from '../src/testing/server.ts'
import type { Figure } from './run.ts'

const seconds = 6
const runs = 3
const upMs = 60_000
const batch = 1_000

interface Peer {
  readonly name: string
  readonly url: string
  end(): Promise<unknown>
}
interface Load {
  readonly what: string
  readonly connections: number
  /** Metrics of one request, for rates of metrics. */
  readonly metrics: number
  /** Lua that makes the body of request `n`. */
  readonly lua: (run: string) => string
  readonly address: string
}

const loads: Load[] = [
  {
    what: 'create run, 32 connections',
    connections: 32,
    metrics: 1,
    address: 'runs/create',
    lua: () => `return string.format('{"experiment_id":"0","run_name":"r%d","start_time":1700000000000}', n)`,
  },
  ...[32, 4].map((connections) => ({
    what: `log-metric, ${connections} connections`,
    connections,
    metrics: 1,
    address: 'runs/log-metric',
    lua: (run: string) =>
      `return string.format('{"run_id":"${run}","key":"loss%d","value":%d.5,"timestamp":%d,"step":%d}', n %% 10, n, 1700000000000 + n, n)`,
  })),
  {
    what: `log-batch of ${batch}, 4 connections, metrics per second`,
    connections: 4,
    metrics: batch,
    address: 'runs/log-batch',
    lua: (run) => `local parts = {}
  for i = 1, ${batch} do
    parts[i] = string.format('{"key":"m%d","value":%d.25,"timestamp":%d,"step":%d}', i % 20, i, 1700000000000 + n, n * ${batch} + i)
  end
  return '{"run_id":"${run}","metrics":[' .. table.concat(parts, ",") .. ']}'`,
  },
]

export async function mlflow(): Promise<Figure[]> {
  const directory = await mkdtemp(path.join(tmpdir(), 'headrace-bench-mlflow-'))
  const rates = new Map<string, Map<string, Measured>>()
  try {
    for (const start of [headracePeer, fastTrackPeer, mlflowPeer]) {
      const peer = await start(directory).catch((error: Error) => {
        process.stderr.write(`left out: ${error.message.split('\n')[0]}\n`)
      })
      if (peer === undefined) continue
      try {
        for (const load of loads) {
          const all: Measured[] = []
          for (let i = 0; i < runs; i++) all.push(await measure(directory, peer, load))
          const median = all.sort((a, b) => a.rate - b.rate)[Math.floor(runs / 2)] as Measured
          const of = rates.get(load.what) ?? new Map<string, Measured>()
          rates.set(load.what, of.set(peer.name, median))
        }
      } finally {
        await peer.end()
      }
    }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
  return [...rates].flatMap(([what, of]) => figuresOf(what, of))
}

function figuresOf(what: string, of: ReadonlyMap<string, Measured>): Figure[] {
  const ours = of.get('Headrace')
  return [...of].flatMap(([name, { rate, p99Ms }]): Figure[] => [
    { what: `${what}: ${name}`, value: rate, unit: '/s' },
    { what: `${what}: ${name}, p99`, value: p99Ms, unit: 'ms' },
    ...(ours === undefined || name === 'Headrace'
      ? []
      : [{ what: `${what}: Headrace over ${name}`, value: ours.rate / rate, unit: 'times' }]),
  ])
}

interface Measured {
  readonly rate: number
  readonly p99Ms: number
}
async function measure(directory: string, { url, name }: Peer, load: Load): Promise<Measured> {
  const api = `${url}/api/2.0/mlflow`
  const made = await fetch(`${api}/runs/create`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ experiment_id: '0', start_time: 1 }),
  })
  if (!made.ok) throw new Error(`${name} makes no run: ${await made.text()}`)
  const { run } = (await made.json()) as { run: { info: { run_id: string } } }
  const script = path.join(directory, 'load.lua')
  const address = `${new URL(api).pathname}/${load.address}`
  await writeFile(
    script,
    `local n = 0
local headers = { ["content-type"] = "application/json" }
local function body()
  ${load.lua(run.info.run_id)}
end
function request()
  n = n + 1
  return wrk.format("POST", "${address}", headers, body())
end
`,
  )
  const words = [
    '-t1',
    `-c${load.connections}`,
    `-d${seconds}s`,
    '--timeout',
    '20s',
    '--latency',
    '-s',
    script,
    url,
  ]
  const { stdout } = await promisify(execFile)('wrk', words, { maxBuffer: 2 ** 24 })
  const refused = /Non-2xx or 3xx responses: (\d+)/.exec(stdout)
  if (refused !== null) throw new Error(`${name} refused ${refused[1]} requests of ${load.what}`)
  const rate = Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1] ?? Number.NaN)
  const [, value = 'NaN', unit = 'ms'] = /99%\s+([\d.]+)(us|ms|s)/.exec(stdout) ?? []
  const scale: Record<string, number> = { us: 0.001, ms: 1, s: 1_000 }
  return { rate: rate * load.metrics, p99Ms: Number(value) * (scale[unit] ?? 1) }
}

async function headracePeer(directory: string): Promise<Peer> {
  const server = await startServer(path.join(directory, 'headrace'))
  return { name: 'Headrace', url: server.url, end: () => server.stop() }
}

async function mlflowPeer(directory: string): Promise<Peer> {
  const python = await peerPython([mlflowClient])
  const port = 20_000 + Math.floor(Math.random() * 20_000)
  const store = `sqlite:///${path.join(directory, 'mlflow.db')}`
  const where = ['--host', '127.0.0.1', '--port', String(port), '--workers', '1']
  return started('mlflow', path.join(path.dirname(python), 'mlflow'), {
    args: ['server', '--backend-store-uri', store, '--artifacts-destination', directory, ...where],
    url: `http://127.0.0.1:${port}`,
  })
}

async function fastTrackPeer(directory: string): Promise<Peer> {
  const python = await peerPython(['fasttrackml==0.6.0'])
  const port = 20_000 + Math.floor(Math.random() * 20_000)
  return started('FastTrackML', path.join(path.dirname(python), 'fml'), {
    args: [
      'server',
      '--listen-address',
      `127.0.0.1:${port}`,
      '--database-uri',
      `sqlite://${path.join(directory, 'fml.db')}`,
    ],
    url: `http://127.0.0.1:${port}`,
  })
}

/** A server of a peer, once it answers. */
async function started(
  name: string,
  program: string,
  { args, url }: { args: readonly string[]; url: string },
): Promise<Peer> {
  await access(program)
  const child = spawn(program, args, { stdio: 'ignore', detached: true })
  const ended = new Promise((resolve) => child.once('exit', resolve))
  const end = async () => {
    // The peer starts children of its own; they are one group.
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGTERM')
    await ended
  }
  const until = performance.now() + upMs
  while (performance.now() < until && child.exitCode === null) {
    const reply = await fetch(`${url}/health`).catch(() => undefined)
    if (reply?.ok) return { name, url, end }
    await new Promise((resolve) => setTimeout(resolve, 250))
  }
  await end()
  throw new Error(`${name} did not start`)
}
