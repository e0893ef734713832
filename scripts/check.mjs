/** `npm run check`: the fast gate. Types, lint, boundaries, tidiness, unit and door tests; no network once installed. */
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { ensurePackages, execute, root } from './prepare.mjs'
import { runTests, testFiles } from './run-tests.mjs'

const bin = (name) => path.join(root, 'node_modules', '.bin', name)

/** Runs the gate; the counts of everything that it ran. A type or lint failure counts as one failure. */
export async function check() {
  const totals = { passed: 0, failed: 0, skipped: 0 }
  const add = (counts) => {
    for (const key of Object.keys(totals)) totals[key] += counts[key]
  }
  for (const [name, program, args] of [
    ['types', bin('tsc'), ['-p', '.']],
    ['lint', bin('biome'), ['check', '--error-on-warnings', '.']],
  ]) {
    const code = await execute(program, args, { quiet: true })
    process.stdout.write(`${code === 0 ? 'ok    ' : 'FAILED'} ${name}\n`)
    add({ passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 })
  }
  const files = [
    ...(await testFiles('src')),
    ...(await testFiles('scripts')),
    'test/architecture.test.ts',
    'test/tidy.test.ts',
  ]
  const counts = await runTests(files)
  process.stdout.write(
    `${counts.failed === 0 ? 'ok    ' : 'FAILED'} unit and door tests: ${counts.passed} passed, ${counts.failed} failed\n`,
  )
  add(counts)
  return totals
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  await ensurePackages()
  const { passed, failed, skipped } = await check()
  process.stdout.write(`\n${passed} passed, ${failed} failed, ${skipped} skipped\n`)
  process.exit(failed === 0 ? 0 : 1)
}
