/** Verbs of monitoring: join labels to predictions, close windows, answer for quality. Read next: rules.ts. */
import type { Caller } from '#base/caller.ts'
import { type Clock, dayMs } from '#base/clock.ts'
import { Fault, isFault } from '#base/errors.ts'
import type { Columnar } from '#platform/columnar/index.ts'
import type { Db } from '#platform/db/index.ts'
import type { Definitions } from '#platform/definitions/index.ts'
import type { Events } from '#platform/events/index.ts'
import { countByEdges, psi, quantileEdges } from '#stats/drift.ts'
import type { Datasets } from '../datasets/index.ts'
import type { Registry } from '../registry/index.ts'
import type { Logged, Serving } from '../serving/index.ts'
import { windowClosed } from './events.ts'
import { type MonitorDefinition, monitorsBlock, type Sums, type Window } from './model.ts'
import { add, errorMetrics, errorOf, noSums, sumsOf } from './rules.ts'
import { monitoringStore, type WindowRow } from './store.ts'

export interface MonitoringDeps {
  readonly db: Db
  readonly events: Events
  readonly columnar: Columnar
  readonly definitions: Definitions
  readonly datasets: Datasets
  readonly registry: Registry
  readonly serving: () => Pick<Serving, 'predictionsOf' | 'statusOf'>
  readonly clockOf: (project: string) => Promise<Clock>
}
const psiBins = 10
const rollingMax = 366
const dayOf = (ms: number) => new Date(ms).toISOString().slice(0, 10)
const startOf = (day: string) => Date.parse(`${day}T00:00:00Z`)

export function openMonitoring(deps: MonitoringDeps) {
  const store = monitoringStore(deps.db)
  const house: House = { ...deps, store, references: new Map() }
  const definitionOf = async (monitor: string, caller: Caller): Promise<MonitorDefinition> => {
    const found = (await deps.definitions.blockOf(caller.project, monitorsBlock))?.[monitor]
    if (found !== undefined) return found
    throw new Fault('not_found', 'monitoring.monitor_not_found', `there is no monitor ${monitor}`)
  }
  return {
    /** A new version of a label dataset closes the days that it completes. */
    async onLabels(
      { dataset, version }: { dataset: string; version: number },
      caller: Caller,
    ): Promise<number> {
      let closed = 0
      for (const [monitor, definition] of Object.entries(
        (await deps.definitions.blockOf(caller.project, monitorsBlock)) ?? {},
      )) {
        if (definition.labels.from === dataset)
          closed += await closeDays(house, { monitor, definition, version }, caller)
      }
      return closed
    },
    async windows(
      { monitor, from }: { monitor: string; from?: string },
      caller: Caller,
    ): Promise<{ windows: Window[] }> {
      await definitionOf(monitor, caller)
      return { windows: (await store.since(caller.project, monitor, from ?? '')).map(windowOf) }
    },
    async listMonitors(_: object, caller: Caller) {
      const block = (await deps.definitions.blockOf(caller.project, monitorsBlock)) ?? {}
      const monitors = await Promise.all(
        Object.entries(block).map(async ([name, definition]) => {
          const [last] = await store.last(caller.project, name, 1)
          return last === undefined
            ? { name, endpoint: definition.endpoint }
            : { name, endpoint: definition.endpoint, last: windowOf(last) }
        }),
      )
      return { monitors }
    },
    async series(
      { monitor, metric, windows }: { monitor: string; metric: string; windows: number },
      caller: Caller,
    ): Promise<(number | null)[]> {
      return (await store.last(caller.project, monitor, windows)).map(
        (row) => (JSON.parse(row.metrics) as Record<string, number | null>)[metric] ?? null,
      )
    },
    /** Labelled error of a revision, served or beside, since a time. */
    async qualityOf(
      { endpoint, revision, sinceMs }: { endpoint: string; revision: number; sinceMs: number },
      caller: Caller,
    ): Promise<{ labels: number; wape: number | null }> {
      const block = (await deps.definitions.blockOf(caller.project, monitorsBlock)) ?? {}
      const monitor = Object.entries(block).find(([, d]) => d.endpoint === endpoint)?.[0]
      if (monitor === undefined) return { labels: 0, wape: null }
      const rows = await store.since(caller.project, monitor, dayOf(sinceMs))
      const sums = rows
        .map((row) => (JSON.parse(row.by_revision) as Record<string, Sums>)[String(revision)] ?? noSums)
        .reduce(add, noSums)
      return { labels: sums.rows, wape: errorOf('wape', sums) }
    },
  }
}
export type Monitoring = ReturnType<typeof openMonitoring>
interface House extends MonitoringDeps {
  readonly store: ReturnType<typeof monitoringStore>
  readonly references: Map<string, Promise<number[]>>
}
interface Closing {
  readonly monitor: string
  readonly definition: MonitorDefinition
  readonly version: number
}

async function closeDays(house: House, closing: Closing, caller: Caller): Promise<number> {
  const { monitor, definition, version } = closing
  const [last] = await house.store.last(caller.project, monitor, 1)
  const from = last === undefined ? '0001-01-01' : dayOf(startOf(last.day) + dayMs)
  const predictions = await house
    .serving()
    .predictionsOf({ endpoint: definition.endpoint, from, to: '9999-12-31' }, caller)
  if (predictions.length === 0) return 0
  const labels = await labelsOf(house, closing, predictions, caller)
  const days = [...new Set(predictions.map((p) => p.for_day))].sort().filter((day) => labels.days.has(day))
  for (const day of days) {
    const ofDay = predictions.filter((p) => p.for_day === day)
    try {
      await closeWindow(
        house,
        { ...closing, version },
        { day, predictions: ofDay, labels: labels.values },
        caller,
      )
    } catch (error) {
      // Closed already by an event that was told twice.
      if (!isFault(error, 'db.duplicate')) throw error
    }
  }
  return days.length
}

/** Labels by key and day; a day counts once it is in the version at all. */
async function labelsOf(
  house: House,
  { definition, version }: Closing,
  predictions: readonly Logged[],
  caller: Caller,
) {
  const { from: dataset, join, column } = definition.labels
  const { version: source, paths } = await house.datasets.acceptedFiles({ dataset, version }, caller)
  const time = source.time ?? join.at(-1) ?? 'date'
  const keys = join.filter((j) => j !== time)
  const q = (name: string) => `"${name.replaceAll('"', '""')}"`
  const from = predictions.map((p) => p.for_day).sort()[0] ?? '9999-12-31'
  const sql = `select ${keys.map(q).join(', ')}, ${q(time)}::date as day, ${q(column)}::double as label from l where ${q(time)}::date >= $from::date and ${q(column)} is not null`
  const rows = await house.columnar.query<Record<string, string | number>>(sql, {
    files: { l: paths },
    params: { from },
  })
  const values = new Map(rows.map((row) => [labelKey(keys, row, String(row.day)), Number(row.label)]))
  return { days: new Set(rows.map((row) => String(row.day))), values: { keys, values } }
}
const labelKey = (keys: readonly string[], row: Readonly<Record<string, unknown>>, day: string) =>
  [...keys.map((k) => String(row[k])), day].join('\u0000')

interface Day {
  readonly day: string
  readonly predictions: readonly Logged[]
  readonly labels: { readonly keys: readonly string[]; readonly values: ReadonlyMap<string, number> }
}

async function closeWindow(
  house: House,
  { monitor, definition, version }: Closing,
  { day, predictions, labels }: Day,
  caller: Caller,
): Promise<void> {
  const pairs = latestByKey(predictions, labels.keys).flatMap((p) => {
    const actual = labels.values.get(labelKey(labels.keys, p.key, day))
    return actual === undefined ? [] : [{ predicted: p.value, actual, role: p.role, revision: p.revision }]
  })
  const served = sumsOf(pairs.filter((p) => p.role === 'served'))
  const byRevision = Object.fromEntries(
    [...new Set(pairs.map((p) => p.revision))].map((r) => [
      String(r),
      sumsOf(pairs.filter((p) => p.revision === r)),
    ]),
  )
  const earlier = (await house.store.last(caller.project, monitor, rollingMax)).map(
    (row) => JSON.parse(row.served) as Sums,
  )
  const metrics = {
    ...errorMetrics(definition, served, earlier),
    ...(await inputMetrics(house, definition, predictions, caller)),
  }
  const at = (await house.clockOf(caller.project)).now()
  const row: WindowRow = {
    project: caller.project,
    monitor,
    day,
    metrics: JSON.stringify(metrics),
    served: JSON.stringify(served),
    by_revision: JSON.stringify(byRevision),
    label_version: version,
    closed_at: at,
  }
  const window = { from: startOf(day), to: startOf(day) + dayMs }
  const payload = {
    monitor,
    endpoint: definition.endpoint,
    window,
    metrics,
    labelVersion: { dataset: definition.labels.from, version },
  }
  await house.db.commit([
    house.store.insert(row),
    house.events.record(caller, { type: windowClosed, subject: `monitor:${monitor}`, payload, atMs: at }),
  ])
}

/** Of several predictions of a key by a revision for a day the last one counts: it is what was known when the day began. */
function latestByKey(predictions: readonly Logged[], keys: readonly string[]): Logged[] {
  const latest = new Map<string, Logged>()
  for (const p of predictions) latest.set(`${labelKey(keys, p.key, p.for_day)}\u0000${p.revision}`, p)
  return [...latest.values()]
}

async function inputMetrics(
  house: House,
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
    if ('psi' in metric) metrics[name] = await driftOf(house, definition, metric.psi, served, caller)
  }
  return metrics
}

/** PSI of a feature of the served rows against the training rows of the model that answers. */
async function driftOf(
  house: House,
  definition: MonitorDefinition,
  feature: string,
  served: readonly Logged[],
  caller: Caller,
): Promise<number | null> {
  const { stable } = await house.serving().statusOf({ endpoint: definition.endpoint }, caller)
  const at = stable?.features.indexOf(feature) ?? -1
  if (stable === undefined || at === -1) return null
  const version = await house.registry.getVersion({ model: stable.model, version: stable.version }, caller)
  const training = version.datasets[0]
  if (training === undefined) return null
  const reference = await referenceOf(house, training, feature, caller)
  const current = served.map((p) => p.features[at]).filter((v): v is number => typeof v === 'number')
  const edges = quantileEdges(reference, psiBins)
  return psi(countByEdges(reference, edges), countByEdges(current, edges))
}

function referenceOf(
  house: House,
  training: { dataset: string; version: number; id: string },
  feature: string,
  caller: Caller,
): Promise<number[]> {
  const name = `${caller.project}/${training.id}/${feature}`
  const known = house.references.get(name)
  if (known !== undefined) return known
  const reading = (async () => {
    const { paths } = await house.datasets.acceptedFiles(training, caller)
    const column = `"${feature.replaceAll('"', '""')}"`
    const rows = await house.columnar.query<{ v: number }>(
      `select ${column}::double as v from t where ${column} is not null`,
      { files: { t: paths } },
    )
    return rows.map((r) => r.v)
  })()
  if (house.references.size > 50) house.references.clear()
  house.references.set(name, reading)
  reading.catch(() => house.references.delete(name))
  return reading
}

const windowOf = (row: WindowRow): Window => ({
  monitor: row.monitor,
  day: row.day,
  metrics: JSON.parse(row.metrics),
  served: JSON.parse(row.served),
  byRevision: JSON.parse(row.by_revision),
  labelVersion: row.label_version,
  closedAt: row.closed_at,
})
