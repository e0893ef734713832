/** What the served rows held: missing values, and distance from what the model was trained on. */
import type { Caller } from '#base/caller.ts'
import type { Columnar } from '#platform/columnar/index.ts'
import { countByEdges, psi, quantileEdges } from '#stats/drift.ts'
import type { Datasets } from '../datasets/index.ts'
import type { Registry } from '../registry/index.ts'
import type { Logged, Serving } from '../serving/index.ts'
import type { MonitorDefinition } from './model.ts'

export interface InputDeps {
  readonly columnar: Columnar
  readonly datasets: Pick<Datasets, 'acceptedFiles'>
  readonly registry: Pick<Registry, 'getVersion'>
  readonly serving: () => Pick<Serving, 'predictionsOf' | 'statusOf'>
  readonly references: References
}
interface Bins {
  readonly edges: readonly number[]
  readonly counts: readonly number[]
}
/** Bins of training sets that were asked for, by project, content and feature. */
export type References = Map<string, Promise<Bins>>

const psiBins = 10
const referencesMax = 50

export async function inputMetrics(
  deps: InputDeps,
  definition: MonitorDefinition,
  predictions: readonly Logged[],
  caller: Caller,
): Promise<Record<string, number | null>> {
  const served = predictions.filter((p) => p.role === 'served')
  const cells = served.flatMap((p) => p.features)
  const metrics: Record<string, number | null> = {}
  for (const [name, metric] of Object.entries(definition.metrics)) {
    if (name === 'null_rate')
      metrics[name] = cells.length === 0 ? null : cells.filter((c) => c === null).length / cells.length
    if ('psi' in metric) metrics[name] = await driftOf(deps, definition, metric.psi, served, caller)
  }
  return metrics
}

/** PSI of a feature of the served rows against the training rows of the model that answers. */
async function driftOf(
  deps: InputDeps,
  definition: MonitorDefinition,
  feature: string,
  served: readonly Logged[],
  caller: Caller,
): Promise<number | null> {
  const { stable } = await deps.serving().statusOf({ endpoint: definition.endpoint }, caller)
  const at = stable?.features.indexOf(feature) ?? -1
  if (stable === undefined || at === -1) return null
  const version = await deps.registry.getVersion({ model: stable.model, version: stable.version }, caller)
  const training = version.datasets[0]
  if (training === undefined) return null
  const { edges, counts } = await referenceOf(deps, training, feature, caller)
  const current = served.map((p) => p.features[at]).filter((v): v is number => typeof v === 'number')
  return psi(counts, countByEdges(current, edges))
}

function referenceOf(
  deps: InputDeps,
  training: { dataset: string; version: number; id: string },
  feature: string,
  caller: Caller,
): Promise<Bins> {
  const name = `${caller.project}/${training.id}/${feature}`
  const known = deps.references.get(name)
  if (known !== undefined) return known
  const reading = (async () => {
    const { paths } = await deps.datasets.acceptedFiles(training, caller)
    const column = `"${feature.replaceAll('"', '""')}"`
    const rows = await deps.columnar.query<{ v: number }>(
      `select ${column}::double as v from t where ${column} is not null`,
      { files: { t: paths }, rowsMax: 5_000_000 },
    )
    const values = rows.map((r) => r.v)
    const edges = quantileEdges(values, psiBins)
    return { edges, counts: countByEdges(values, edges) }
  })()
  if (deps.references.size >= referencesMax) deps.references.clear()
  deps.references.set(name, reading)
  reading.catch(() => deps.references.delete(name))
  return reading
}
