/** Power cuts: kills on a disk that keeps only what was fsynced. Read next: undo.c (the disk), ../crash.ts (the kills). */
import { execFile } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import type { CrashFindings } from '../chain.ts'
import { crashRepeatedly, seeded } from '../crash.ts'
import { settle } from './settle.ts'

const run = promisify(execFile)

/** Compiles the layer into `folder`; its path. The C compiler comes from Debian's package where it is missing. */
export async function compileFaultLayer(folder: string): Promise<string> {
  const isThere = await run('cc', ['--version']).then(
    () => true,
    () => false,
  )
  if (!isThere && process.getuid?.() === 0)
    await run('apt-get', ['install', '-y', '--no-install-recommends', 'gcc', 'libc6-dev'], {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    })
  const shim = path.join(folder, 'undo.so')
  const source = path.join(import.meta.dirname, 'undo.c')
  await run('cc', ['-O2', '-shared', '-fPIC', '-o', shim, source, '-ldl', '-lpthread'])
  return shim
}

/** Runs the crash scenario with a power cut at each kill; `undone` counts the writes that were taken back. */
export async function powerCuts(
  folder: string,
  times: number,
  options: { readonly shim: string; readonly env?: Record<string, string> },
): Promise<CrashFindings & { readonly undone: number }> {
  const dataDir = path.join(folder, 'data')
  await mkdir(dataDir, { recursive: true })
  const journal = path.join(folder, 'journal')
  let undone = 0
  const found = await crashRepeatedly(dataDir, times, seeded(2), {
    env: { ...options.env, LD_PRELOAD: options.shim, FAULT_ROOT: dataDir, FAULT_JOURNAL: journal },
    async onKilled() {
      undone += await settle(dataDir, journal)
    },
  })
  return { ...found, undone }
}
