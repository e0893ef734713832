/** Ten starts of the server to its first 200 on /health, memory at rest, and the CLI's first byte against bare node. */
import { spawn } from 'node:child_process'
import { mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { packageRoot, startServer } from '../src/testing/server.ts'
import { median } from './fsync.ts'
import type { Figure } from './run.ts'

const starts = 10

export async function startup(): Promise<Figure[]> {
  const dataDir = path.join(await mkdtemp(path.join(tmpdir(), 'headrace-startup-')), 'data')
  const times: number[] = []
  let memoryMb = 0
  for (let i = 0; i <= starts; i++) {
    const started = performance.now()
    const server = await startServer(dataDir)
    while ((await fetch(`${server.url}/health`)).status !== 200) await pause(2)
    // The first start fills the compile cache.
    if (i > 0) times.push(performance.now() - started)
    if (i === starts) {
      await pause(1_000)
      memoryMb = await residentMb(server.child.pid ?? 0)
    }
    await server.stop()
  }
  const server = await startServer(dataDir)
  const cli = await firstBytes([path.join(packageRoot, 'src', 'main.ts'), 'status', '--server', server.url])
  const bare = await firstBytes(['-e', 'process.stdout.write("x")'])
  await server.stop()
  return [
    {
      what: 'server to the first 200 on /health, median of 10',
      value: median(times) / 1000,
      unit: 's',
      bar: 0.6,
    },
    { what: 'resident memory before any work', value: memoryMb, unit: 'MB', bar: 150 },
    {
      what: 'first byte of headrace status beyond bare node, median of 10',
      value: cli - bare,
      unit: 'ms',
      bar: 150,
    },
  ]
}

/** Resident set of the server and its children but Python's. */
export async function residentMb(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const children = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => ''))
    .trim()
    .split(' ')
    .filter((c) => c !== '')
  let total = Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1024
  for (const child of children) total += await residentMb(Number(child)).catch(() => 0)
  return total
}

async function firstBytes(args: readonly string[]): Promise<number> {
  const times: number[] = []
  for (let i = 0; i < 10; i++) {
    const started = performance.now()
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...args], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    await new Promise((resolve) => child.stdout.once('data', resolve))
    times.push(performance.now() - started)
    await new Promise((resolve) =>
      child.exitCode === null ? child.once('exit', resolve) : resolve(undefined),
    )
  }
  return median(times)
}
