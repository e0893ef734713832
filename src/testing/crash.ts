/** Kill -9 at random moments: nothing acknowledged is lost, every step is committed once, no child lives on. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { setTimeout as pause } from 'node:timers/promises'
import { applyChain, type CrashFindings, chainEnded, startChain } from './chain.ts'
import { startServer } from './server.ts'

const headers = { 'content-type': 'application/json' }
// A length that no other program on the machine sleeps for, so that orphans can be counted.
const nap = '0.0517'

/** The disk under the server: what its processes get in their environment, and what happens to the files at a kill. */
export interface Disk {
  readonly env?: Record<string, string>
  onKilled?(): Promise<void>
}

/** @param random numbers in [0, 1): printed seeds make a failure repeatable */
export async function crashRepeatedly(
  dataDir: string,
  kills: number,
  random: () => number,
  disk: Disk = {},
): Promise<CrashFindings> {
  const steps = kills * 8
  let server = await startServer(dataDir, disk.env)
  await applyChain(server.url, steps, `sleep ${nap}`)
  const started = await fetch(`${server.url}/p/chain/api/v1/runs`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ experiment: 'writes' }),
  })
  const { id: run } = (await started.json()) as { id: string }
  const chain = await startChain(server.url)
  let acknowledged = 0
  let orphans = 0
  for (let kill = 0; kill < kills; kill++) {
    const until = performance.now() + 60 + random() * 400
    while (performance.now() < until) {
      const body = JSON.stringify({ metrics: [{ key: 'count', value: acknowledged, step: acknowledged }] })
      const reply = await fetch(`${server.url}/p/chain/api/v1/runs/${run}/log`, {
        method: 'POST',
        headers,
        body,
      })
      if (reply.ok) acknowledged++
    }
    const spawners = await childrenOf(server.child.pid ?? 0)
    await server.kill()
    // The spawner learns of the death by its closed channel and ends what it started; on a busy machine that takes a
    // moment. A nap that outlives its spawner is an orphan.
    for (let wait = 0; wait < 200 && spawners.some(isAlive); wait++) await pause(25)
    orphans += await napping()
    await disk.onKilled?.()
    server = await startServer(dataDir, disk.env)
  }
  const ended = await chainEnded(server.url, chain)
  const { points = [] } = (await (
    await fetch(`${server.url}/p/chain/api/v1/runs/${run}/metrics/count`)
  ).json()) as { points?: { step: number }[] }
  const { events = [] } = (await (
    await fetch(`${server.url}/p/chain/api/v1/events?type=pipelines.step.ended&limit=1000`)
  ).json()) as { events?: { payload: { step: string } }[] }
  const told = events.map((e) => e.payload.step)
  await server.stop()
  return {
    kills,
    acknowledged,
    lost: acknowledged - new Set(points.map((p) => p.step).filter((s) => s < acknowledged)).size,
    committedTwice: told.length - new Set(told).size,
    orphans,
    state: ended.state,
  }
}

/** The processes that a process started, as Linux tells. */
async function childrenOf(pid: number): Promise<number[]> {
  const { stdout } = await promisify(execFile)('ps', ['-o', 'pid=', '--ppid', String(pid)]).catch(() => ({
    stdout: '',
  }))
  return stdout
    .split('\n')
    .map(Number)
    .filter((child) => child > 0)
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

async function napping(): Promise<number> {
  const { stdout } = await promisify(execFile)('ps', ['-eo', 'args'])
  return stdout.split('\n').filter((line) => line.trim() === `sleep ${nap}`).length
}

/** Mulberry32: small, seeded. */
export function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}
