/** A project whose one pipeline is a chain of steps, on a real server: for the crash test and the bench. */
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { headrace } from './server.ts'

export interface ChainRun {
  readonly id: string
  readonly state: string
  readonly startedAt: number
  readonly finishedAt: number
  readonly steps: readonly { readonly name: string; readonly state: string; readonly attempt: number }[]
}

export async function applyChain(url: string, steps: number, command: string): Promise<void> {
  const root = await mkdtemp(path.join(tmpdir(), 'headrace-chain-'))
  const lines = Array.from(
    { length: steps },
    (_, i) => `      s${i}: { run: "${command}", cache: never${i === 0 ? '' : `, after: [s${i - 1}]`} }`,
  )
  await writeFile(
    path.join(root, 'headrace.yaml'),
    `version: 1\nproject: { name: chain }\npipelines:\n  chain:\n    steps:\n${lines.join('\n')}\n`,
  )
  const { code, stderr } = await headrace(['apply', root, '--server', url, '--project', 'chain'])
  if (code !== 0) throw new Error(stderr)
}

export async function startChain(url: string): Promise<string> {
  const reply = await fetch(`${url}/p/chain/api/v1/pipelines/chain/runs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{}',
  })
  return ((await reply.json()) as ChainRun).id
}
export const chainRun = async (url: string, id: string): Promise<ChainRun> =>
  (await fetch(`${url}/p/chain/api/v1/pipeline-runs/${id}`)).json() as Promise<ChainRun>

const endsWithinMs = 300_000

/** The run when it has ended; `lost` where the server does not know it, `stuck` where it does not end in five minutes. */
export async function chainEnded(
  url: string,
  id: string,
): Promise<Pick<ChainRun, 'state'> & Partial<ChainRun>> {
  for (const until = Date.now() + endsWithinMs; Date.now() < until; ) {
    const settled = await fetch(`${url}/p/chain/api/v1/settled`)
    if (!settled.ok) return { state: 'lost' }
    const run = await chainRun(url, id)
    if (run.state === undefined) return { state: 'lost' }
    if (/succeeded|failed|cancelled/.test(run.state)) return run
  }
  return { state: 'stuck' }
}

/** Kills a server at random moments while a chain runs and a client writes; what was lost, doubled or left behind. */
export interface CrashFindings {
  readonly kills: number
  readonly acknowledged: number
  readonly lost: number
  readonly committedTwice: number
  readonly orphans: number
  readonly state: string
}
