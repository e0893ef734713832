/** A real server in a process of its own, and the CLI against it: what journeys and benches drive. */
import { type ChildProcess, spawn } from 'node:child_process'
import path from 'node:path'

export const packageRoot = path.resolve(import.meta.dirname, '..', '..')
const flags = ['--disable-warning=ExperimentalWarning']
const main = path.join(packageRoot, 'src', 'main.ts')
/** Environments that several test runs share, so that they are built once. */
export const sharedEnvironments = path.join(packageRoot, '.peers', 'environments')

export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs one CLI command to its end. */
export function headrace(
  args: readonly string[],
  options: { env?: Record<string, string>; cwd?: string; onLine?: (line: string) => void } = {},
): Promise<Ran> {
  const env = { ...process.env, HEADRACE_ENVIRONMENTS: sharedEnvironments, ...options.env }
  const child = spawn(process.execPath, [...flags, main, ...args], {
    env,
    cwd: options.cwd ?? packageRoot,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk
    options.onLine?.(String(chunk))
  })
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk
  })
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, stdout, stderr })))
}

export interface RunningServer {
  readonly url: string
  readonly child: ChildProcess
  readonly startedMs: number
  /** What it wrote on stderr until now. */
  said(): string
  /** Ends it in order; its exit code. */
  stop(): Promise<number | null>
  /** Ends it as a power cut would. */
  kill(): Promise<void>
}

export async function startServer(
  dataDir: string,
  env: Record<string, string> = {},
  more: readonly string[] = [],
): Promise<RunningServer> {
  const started = performance.now()
  const child = spawn(
    process.execPath,
    [...flags, main, 'server', '--json', '--port', '0', '--data-dir', dataDir, ...more],
    {
      env: { ...process.env, HEADRACE_ENVIRONMENTS: sharedEnvironments, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
  let said = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    said += chunk
  })
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout?.once('data', (chunk: Buffer) => {
      const first = String(chunk).split('\n')[0] ?? ''
      const found = (JSON.parse(first) as { url?: string }).url
      found === undefined ? reject(new Error(`the server did not start: ${first}`)) : resolve(found)
    })
    void exited.then((code) => reject(new Error(`the server ended with ${code}: ${said}`)))
  })
  return {
    url,
    child,
    startedMs: performance.now() - started,
    said: () => said,
    async stop() {
      child.kill('SIGTERM')
      return exited
    },
    async kill() {
      child.kill('SIGKILL')
      await exited
    },
  }
}
