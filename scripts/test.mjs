/** `npm test`: the fast gate, then journeys, real clients, databases and the browser; one summary at the end. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { ensurePackages, execute, root } from './prepare.mjs'

await ensurePackages()
const { check } = await import('./check.mjs')
const { runTests, testFiles } = await import('./run-tests.mjs')

const totals = await check()
if (!existsSync(path.join(root, 'web', 'dist', 'index.html')))
  await execute('npm', ['run', '--silent', 'build'], { quiet: true })
for (const stage of ['test/conformance', 'test/journeys', 'test/browser']) {
  const files = await testFiles(stage)
  if (files.length === 0) continue
  const counts = await runTests(files, { concurrency: 1 })
  process.stdout.write(
    `${counts.failed === 0 ? 'ok    ' : 'FAILED'} ${stage}: ${counts.passed} passed, ${counts.failed} failed\n`,
  )
  for (const key of Object.keys(totals)) totals[key] += counts[key]
}
process.stdout.write(`\n${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped\n`)
process.exit(totals.failed === 0 ? 0 : 1)
