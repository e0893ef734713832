/** Runs test files on the pinned Node and counts them; stages are named, and a stage that fails does not hide the rest. */
import { spawn } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { nodeFlags, pinnedNode, root } from './prepare.mjs'

const skipped = new Set(['node_modules', 'dist', '.peers', '.headrace'])

/** All `*.test.ts` below a directory, sorted. */
export async function testFiles(directory) {
  const found = []
  const entries = await readdir(path.join(root, directory), { withFileTypes: true }).catch(() => [])
  for (const entry of entries) {
    const name = path.join(directory, entry.name)
    if (entry.isDirectory() && !skipped.has(entry.name)) found.push(...(await testFiles(name)))
    else if (entry.name.endsWith('.test.ts')) found.push(name)
  }
  return found.sort()
}

/** One `node --test` over the files; resolves to its counts. Prints only failures and a line of counts. */
export function runTests(files, { concurrency = 2, env = {} } = {}) {
  if (files.length === 0) return Promise.resolve({ passed: 0, failed: 0, skipped: 0 })
  const args = [
    ...nodeFlags,
    '--test',
    `--test-concurrency=${concurrency}`,
    '--test-reporter=tap',
    '--test-timeout=600000',
    ...files,
  ]
  return new Promise((resolve, reject) => {
    const child = spawn(pinnedNode, args, {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let tap = ''
    child.stdout.on('data', (chunk) => (tap += chunk))
    child.on('error', reject)
    child.on('close', (code) => resolve(report(tap, code)))
  })
}

function report(tap, code) {
  const count = (word) => Number(tap.match(new RegExp(`^# ${word} (\\d+)$`, 'm'))?.[1] ?? 0)
  const counts = {
    passed: count('pass'),
    failed: count('fail') + count('cancelled'),
    skipped: count('skipped'),
  }
  if (code !== 0) {
    process.stdout.write(`${failuresOf(tap)}\n`)
    if (counts.failed === 0) counts.failed = 1
  }
  for (const line of tap.split('\n'))
    if (/^\s*ok .* # SKIP/.test(line)) process.stdout.write(`  skipped: ${line.trim()}\n`)
  return counts
}

/** The failing points of a TAP stream with their diagnostics, without the passing ones. */
function failuresOf(tap) {
  const kept = []
  let within = false
  for (const line of tap.split('\n')) {
    if (/^\s*not ok /.test(line)) within = true
    else if (/^\s*(ok |# Subtest|1\.\.)/.test(line)) within = false
    if (within) kept.push(line)
  }
  return kept.slice(0, 600).join('\n')
}
