/** `npm start`: installs what is missing, builds the page when it is missing, and shows the loop on real data. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { ensurePackages, execute, nodeFlags, pinnedNode, root } from './prepare.mjs'

await ensurePackages()
if (
  !existsSync(path.join(root, 'web', 'dist', 'index.html')) &&
  existsSync(path.join(root, 'web', 'index.html'))
) {
  process.stderr.write('building the page (once) …\n')
  const code = await execute('npm', ['run', '--silent', 'build'], { quiet: true })
  if (code !== 0) process.stderr.write('the page could not be built; the loop runs without it\n')
}
process.exitCode = await execute(pinnedNode, [
  ...nodeFlags,
  path.join(root, 'src', 'main.ts'),
  'demo',
  'start',
  ...process.argv.slice(2),
])
