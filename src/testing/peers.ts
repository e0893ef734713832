/** Real clients and peers for conformance tests: Python packages of PyPI in shared environments, built once under `.peers/`. */
import { openEnvironments } from '#platform/environments/index.ts'
import { openProcesses } from '#platform/process/index.ts'
import { sharedEnvironments } from './server.ts'

/**
 * The interpreter of an environment that holds `requirements` (pinned, one per element).
 * @throws Fault unavailable where there is no Python or no network: with CI=true a missing peer is a failure
 */
export async function peerPython(requirements: readonly string[]): Promise<string> {
  const processes = openProcesses()
  try {
    const baseEnv = Object.fromEntries(
      Object.entries(process.env).filter((pair): pair is [string, string] => pair[1] !== undefined),
    )
    const environments = openEnvironments({ directory: sharedEnvironments, processes, baseEnv })
    return (await environments.ensure({ requirements: requirements.join('\n') })).python
  } finally {
    await processes.close()
  }
}
