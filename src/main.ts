/** argv → the CLI, handing it what needs a server of its own. Heavy rooms load only where a verb needs them. */
import { enableCompileCache } from 'node:module'
import path from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

const sweepAfterMs = 500
const idleLookMs = 15_000
/** An event loop that works less than this is idle. */
const idleShare = 0.05
const grownBy = 1.1

enableCompileCache()
const { runCli } = await import('./cli/index.ts')

const code = await runCli(process.argv.slice(2), {
  async serve(flags) {
    const [{ readSettings }, { startSqliteThreads }] = await Promise.all([
      import('#platform/config/index.ts'),
      import('#platform/db/threads.ts'),
    ])
    const settings = readSettings(flags)
    // The database opens on its threads while the rest of the server loads on this one.
    const file = path.join(path.resolve(settings.dataDir), 'headrace.db')
    const threads =
      settings.databaseUrl === undefined ? startSqliteThreads(file, settings.durability) : undefined
    const { openApp } = await import('./app.ts')
    const app = await openApp(settings, threads)
    setTimeout(sweepMemory, sweepAfterMs).unref()
    sweepWhenIdle()
    return app
  },
  async check(text, file, secrets) {
    const [{ blocks }, { checkText }, { secretObjections }] = await Promise.all([
      import('./app.ts'),
      import('#platform/definitions/index.ts'),
      import('./domains/pipelines/index.ts'),
    ])
    return checkText(text, file, blocks, async (whole) =>
      secrets === undefined ? [] : secretObjections(whole, secrets),
    )
  },
  offline: () => import('./offline.ts'),
})
process.exitCode = code

/** What a busy hour left is given back when nobody is served: the pause of some 50 ms then hurts no one. */
function sweepWhenIdle(): void {
  let before = performance.eventLoopUtilization()
  let sweptTo = 0
  setInterval(() => {
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, before)
    before = now
    if (utilization > idleShare || process.memoryUsage.rss() < sweptTo * grownBy) return
    sweepMemory()
    sweptTo = process.memoryUsage.rss()
  }, idleLookMs).unref()
}

/**
 * Loading leaves some 40 MB of garbage and of code that ran once, which an idle server would carry for hours; this kind
 * of collection gives both back (measured: 155 MB to 131 MB).
 */
function sweepMemory(): void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as (how: object) => void
  collect({ type: 'major', execution: 'sync', flavor: 'last-resort' })
}
