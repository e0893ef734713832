/**
 * The typed twin: evaluates a `headrace.config.ts` in a process of its own and takes the JSON of its default export.
 * It is the user's code on the user's machine; the server sees the JSON alone. Read next: twin.child.ts.
 */
import { spawn } from 'node:child_process'
import path from 'node:path'
import { CliError } from './client.ts'

const evaluationMs = 30_000
const outputBytesMax = 16 * 1024 * 1024

/** The text that stands for a headrace.yaml: indented JSON, which is YAML too. @throws CliError 2 with the compiler's or the code's words */
export function evaluateTwin(file: string): Promise<string> {
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', path.join(import.meta.dirname, 'twin.child.ts'), file],
    { cwd: path.dirname(file), stdio: ['ignore', 'pipe', 'pipe'], timeout: evaluationMs },
  )
  let out = ''
  let said = ''
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk
    if (out.length > outputBytesMax) child.kill()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk).slice(-8_000)
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => {
      if (code === 0) resolve(out)
      else reject(new CliError(2, failureOf(file, said, code), `correct ${path.basename(file)}`))
    })
  })
}

const failureOf = (file: string, said: string, code: number | null) =>
  `${path.basename(file)} could not be evaluated: ${said.trim() || `it ended with ${code ?? 'a time-out'}`}`
