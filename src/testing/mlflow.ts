/** The unmodified mlflow client against a server of ours. */
import { spawn } from 'node:child_process'
import path from 'node:path'
import { peerPython } from './peers.ts'
import { packageRoot } from './server.ts'

/** The newest that has been tried. */
export const mlflowClient = 'mlflow==3.17.2'

/** Runs a script of test/conformance with the client. @throws where there is no Python or no network */
export async function runMlflow(
  script: string,
  trackingUri: string,
): Promise<{ code: number | null; said: string }> {
  const python = await peerPython([mlflowClient])
  const child = spawn(python, [path.join(packageRoot, 'test', 'conformance', script)], {
    env: { ...process.env, MLFLOW_TRACKING_URI: trackingUri },
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      said += chunk
    })
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, said })))
}
