/** The server's side of the spawner: one call runs one program to its end, its time, or its cancellation. */
import { type ChildProcess, spawn } from 'node:child_process'
import { Fault } from '#base/errors.ts'

export interface RunProcess {
  readonly argv: readonly string[]
  readonly cwd: string
  /** The whole environment of the child; nothing is inherited. */
  readonly env: Readonly<Record<string, string>>
  /** Each line of stdout and stderr, in order of arrival. */
  readonly onLine?: (line: string) => void
  /** A filter for each of its streams, that sees the text before it is cut into lines. */
  readonly filter?: (() => TextFilter) | undefined
  readonly onStarted?: (pid: number) => void
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}
export interface TextFilter {
  push(text: string): string
  end(): string
}
export interface Finished {
  readonly exitCode: number | null
  readonly signal: string | null
  readonly timedOut: boolean
}
export interface Processes {
  /** @throws Fault invalid `process.not_found`, `process.failed`; the signal's reason when cancelled */
  run(command: RunProcess): Promise<Finished>
  close(): Promise<void>
}

const spawnerFlags = [
  '--disable-warning=ExperimentalWarning',
  '--max-old-space-size=64',
  '--max-semi-space-size=1',
]
const graceMs = 2_000
/** A spawner that starts nothing for so long ends: it holds some 50 MB and is there again in 40 ms. */
const idleMs = 20_000
const lineCharsMax = 16_384

type Told = {
  id: number
  pid?: number
  text?: string
  errorText?: string
  failed?: string
  exitCode?: number | null
  signal?: string | null
}
interface Running {
  readonly command: RunProcess
  resolve(finished: { exitCode: number | null; signal: string | null }): void
  reject(reason: unknown): void
  /** The unfinished last lines of stdout and stderr. */
  readonly rest: { text: string; errorText: string }
  readonly filters: { text: TextFilter; errorText: TextFilter } | undefined
}

export function openProcesses(): Processes {
  return new Spawner()
}

class Spawner implements Processes {
  readonly #running = new Map<number, Running>()
  #child: ChildProcess | undefined
  #idle: NodeJS.Timeout | undefined
  #next = 1

  async run(command: RunProcess): Promise<Finished> {
    command.signal?.throwIfAborted()
    const id = this.#next++
    const child = this.#spawner()
    let timedOut = false
    const kill = () => {
      this.#tell(child, { kill: id, signal: 'SIGTERM' })
      setTimeout(
        () => this.#running.has(id) && this.#tell(child, { kill: id, signal: 'SIGKILL' }),
        graceMs,
      ).unref()
    }
    const timer =
      command.timeoutMs === undefined
        ? undefined
        : setTimeout(() => {
            timedOut = true
            kill()
          }, command.timeoutMs)
    command.signal?.addEventListener('abort', kill, { once: true })
    try {
      const ended = await new Promise<{ exitCode: number | null; signal: string | null }>(
        (resolve, reject) => {
          const { filter } = command
          const filters = filter === undefined ? undefined : { text: filter(), errorText: filter() }
          this.#running.set(id, { command, resolve, reject, rest: { text: '', errorText: '' }, filters })
          this.#tell(child, { start: id, argv: command.argv, cwd: command.cwd, env: command.env })
        },
      )
      command.signal?.throwIfAborted()
      return { ...ended, timedOut }
    } finally {
      clearTimeout(timer)
      command.signal?.removeEventListener('abort', kill)
      this.#running.delete(id)
      if (this.#running.size === 0) this.#rest()
    }
  }

  async close(): Promise<void> {
    clearTimeout(this.#idle)
    const child = this.#child
    this.#child = undefined
    if (child === undefined || child.exitCode !== null) return
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.ref()
    child.disconnect()
    await gone
  }

  #spawner(): ChildProcess {
    if (this.#child === undefined) {
      // A line of plain JavaScript, so that the stripped text comes from the compile cache and no stripper is loaded.
      const module = JSON.stringify(new URL('./spawner.child.ts', import.meta.url).href)
      const entry = `require('node:module').enableCompileCache(); import(${module})`
      const child = spawn(process.execPath, [...spawnerFlags, '--eval', entry], {
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
        // Out of the terminal's group, so that Ctrl-C reaches the server first, which then ends its children in order.
        detached: true,
        env: {},
      })
      child.on('message', (told: Told) => this.#hear(told))
      child.on('exit', () => this.#lost(child))
      this.#child = child
    }
    this.#child.ref()
    this.#child.channel?.ref()
    return this.#child
  }

  #rest(): void {
    this.#child?.unref()
    this.#child?.channel?.unref()
    clearTimeout(this.#idle)
    this.#idle = setTimeout(() => {
      if (this.#running.size === 0) void this.close()
    }, idleMs).unref()
  }

  #tell(child: ChildProcess, message: object): void {
    if (child.connected) child.send(message)
  }

  #hear(told: Told): void {
    const running = this.#running.get(told.id)
    if (running === undefined) return
    if (told.pid !== undefined) running.command.onStarted?.(told.pid)
    else if (told.text !== undefined) this.#lines(running, 'text', told.text)
    else if (told.errorText !== undefined) this.#lines(running, 'errorText', told.errorText)
    else if (told.failed !== undefined) running.reject(notStarted(running.command, told.failed))
    else {
      for (const stream of ['text', 'errorText'] as const) {
        this.#split(running, stream, running.filters?.[stream].end() ?? '')
        if (running.rest[stream] !== '') running.command.onLine?.(running.rest[stream])
      }
      running.resolve({ exitCode: told.exitCode ?? null, signal: told.signal ?? null })
    }
  }

  #lines(running: Running, stream: 'text' | 'errorText', text: string): void {
    this.#split(running, stream, running.filters?.[stream].push(text) ?? text)
  }

  #split(running: Running, stream: 'text' | 'errorText', text: string): void {
    const lines = (running.rest[stream] + text).split('\n')
    running.rest[stream] = (lines.pop() ?? '').slice(0, lineCharsMax)
    for (const line of lines) running.command.onLine?.(line.slice(0, lineCharsMax))
  }

  #lost(child: ChildProcess): void {
    if (this.#child === child) this.#child = undefined
    const fault = new Fault(
      'unavailable',
      'process.lost',
      'the process that starts programs ended; its children were killed',
      {
        remedy: 'retry the step',
      },
    )
    for (const running of this.#running.values()) running.reject(fault)
  }
}

const notStarted = ({ argv, cwd }: RunProcess, why: string) =>
  why === 'ENOENT'
    ? new Fault('invalid', 'process.not_found', `\`${argv[0]}\` was not found`, {
        remedy: `install it, or give its path; the folder is ${cwd}`,
      })
    : new Fault('invalid', 'process.failed', `\`${argv[0]}\` could not be started: ${why}`)
