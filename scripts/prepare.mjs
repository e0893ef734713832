/**
 * What every npm script needs first: the packages, and the pinned Node. Plain JavaScript, since it must run on
 * whatever Node (>= 20) the machine has, before anything is installed.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { createHash } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import path from 'node:path'

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')
export const pinnedNode = path.join(root, 'node_modules', 'node', 'bin', 'node')
const stamp = path.join(root, 'node_modules', '.headrace-installed')

/** Runs a program with our stdio; its exit code. `quiet` keeps its output unless it fails. */
export function execute(program, args, { quiet = false, env = {}, cwd = root } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: quiet ? 'pipe' : 'inherit',
    })
    let kept = ''
    for (const stream of quiet ? [child.stdout, child.stderr] : [])
      stream.on('data', (chunk) => (kept = (kept + chunk).slice(-20_000)))
    child.on('error', reject)
    child.on('close', (code, signal) => {
      if (quiet && code !== 0) process.stderr.write(kept)
      resolve(signal === null ? (code ?? 1) : 130)
    })
  })
}

/** Installs the packages when the lock file is not the one they were installed from. Needs the network only then. */
export async function ensurePackages() {
  const lock = createHash('sha256')
    .update(await readFile(path.join(root, 'package-lock.json')))
    .digest('hex')
  const installed = existsSync(pinnedNode) && existsSync(stamp) && (await readFile(stamp, 'utf8')) === lock
  if (installed) return
  process.stderr.write('installing packages (once, one to three minutes) …\n')
  const code = await execute('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    quiet: true,
    env: { ONNXRUNTIME_NODE_INSTALL: 'skip', ONNXRUNTIME_NODE_INSTALL_CUDA: 'skip' },
  })
  if (code !== 0) {
    process.stderr.write(
      'the packages could not be installed.\nfix: check the network and the npm registry, then run the command again\n',
    )
    process.exit(code)
  }
  await writeFile(stamp, lock)
}

/** Flags every child Node of ours gets. */
export const nodeFlags = ['--disable-warning=ExperimentalWarning']
