/** The way back from a prediction to the exact bytes, code and environment that made it. A read model of ports only. */
import type { Caller } from '#base/caller.ts'
import { Fault } from '#base/errors.ts'
import type { VersionNode, Why } from './model.ts'

export interface LineageDeps {
  readonly resolvePrediction: (
    id: string,
    caller: Caller,
  ) => Promise<{ endpoint: string; revision: { number: number; model: string; version: number } } | undefined>
  readonly modelVersion: (
    command: { model: string; version: number },
    caller: Caller,
  ) => Promise<{
    onnx: string
    runId: string
    environmentLock: string
    code: Why['code']
    datasets: readonly { dataset: string; version: number }[]
  }>
  readonly datasetVersion: (
    command: { dataset: string; version: number },
    caller: Caller,
  ) => Promise<VersionNode>
}
const nodesMax = 1_000

export function openLineage(deps: LineageDeps) {
  return {
    async whyPrediction({ id }: { id: string }, caller: Caller): Promise<Why> {
      const found = await deps.resolvePrediction(id, caller)
      if (found === undefined)
        throw new Fault(
          'not_found',
          'lineage.prediction_unknown',
          `no revision of this project made prediction ${id}`,
          { remedy: 'copy the id from a prediction’s reply' },
        )
      const { endpoint, revision } = found
      const version = await deps.modelVersion(revision, caller)
      return {
        prediction: id,
        endpoint,
        revision: revision.number,
        model: revision.model,
        version: revision.version,
        onnx: version.onnx,
        run: version.runId,
        code: version.code,
        environment: { lock: version.environmentLock },
        datasets: await ancestry(deps, version.datasets, caller),
      }
    },
  }
}
export type Lineage = ReturnType<typeof openLineage>

async function ancestry(
  deps: LineageDeps,
  start: readonly { dataset: string; version: number }[],
  caller: Caller,
): Promise<VersionNode[]> {
  const found = new Map<string, VersionNode>()
  const open = [...start]
  for (let next = open.shift(); next !== undefined && found.size < nodesMax; next = open.shift()) {
    const name = `${next.dataset}@${next.version}`
    if (found.has(name)) continue
    const { dataset, version, id, files, parents } = await deps.datasetVersion(next, caller)
    found.set(name, {
      dataset,
      version,
      id,
      parents,
      files: files.map(({ path, digest, size }) => ({ path, digest, size })),
    })
    open.push(...parents)
  }
  return [...found.values()]
}
