/**
 * The small process that starts all others: forking it is cheap whatever the server's size, and when the server is gone
 * (its channel closes, however it ended) it kills every tree that it started. Speaks JSON over Node's channel.
 */
import { type ChildProcess, spawn } from 'node:child_process'

interface Start {
  readonly start: number
  readonly argv: readonly string[]
  readonly cwd: string
  readonly env: Record<string, string>
}
type Message = Start | { readonly kill: number; readonly signal: NodeJS.Signals }

const children = new Map<number, ChildProcess>()
// A message that finds the server gone must not end us before we have ended its children: hence the callback.
const tell = (message: object) => process.connected && process.send?.(message, () => undefined)

process.on('message', (message: Message) => {
  if ('start' in message) begin(message)
  else killTree(children.get(message.kill), message.signal)
})
process.on('disconnect', () => process.exit(0))
// However we end, no tree of ours lives on.
process.on('exit', () => {
  for (const child of children.values()) killTree(child, 'SIGKILL')
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)

function begin({ start: id, argv, cwd, env }: Start): void {
  const [program = '', ...args] = argv
  const child = spawn(program, args, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  children.set(id, child)
  let settled = false
  const settle = (message: object) => {
    if (settled) return
    settled = true
    children.delete(id)
    tell(message)
  }
  child.on('spawn', () => tell({ id, pid: child.pid }))
  child.on('error', (error: NodeJS.ErrnoException) => settle({ id, failed: error.code ?? error.message }))
  child.stdout?.setEncoding('utf8').on('data', (text: string) => tell({ id, text }))
  child.stderr?.setEncoding('utf8').on('data', (errorText: string) => tell({ id, errorText }))
  // `exit` and not `close`: a grandchild that keeps our pipe open must not hold the step; the tree is killed then.
  child.on('exit', (exitCode, signal) => {
    setImmediate(() => {
      killTree(child, 'SIGKILL')
      const end = () => settle({ id, exitCode, signal })
      child.stdout?.readableEnded ? end() : child.once('close', end)
    })
  })
}

function killTree(child: ChildProcess | undefined, signal: NodeJS.Signals): void {
  if (child?.pid === undefined) return
  try {
    process.kill(-child.pid, signal)
  } catch {
    // The whole group is gone already.
  }
}
