/** argv → the CLI, handing it what needs a server of its own. Heavy rooms load only where a verb needs them. */
import { enableCompileCache } from 'node:module'

enableCompileCache()
const { runCli } = await import('./cli/index.ts')

const code = await runCli(process.argv.slice(2), {
  async serve(flags) {
    const [{ openApp }, { readSettings }] = await Promise.all([
      import('./app.ts'),
      import('#platform/config/index.ts'),
    ])
    return openApp(readSettings(flags))
  },
  async check(text, file) {
    const [{ blocks }, { checkText }] = await Promise.all([
      import('./app.ts'),
      import('#platform/definitions/index.ts'),
    ])
    return checkText(text, file, blocks)
  },
})
process.exitCode = code
