/**
 * Closing windows: labels of a dataset version meet the predictions for their day. A day closes once its labels are due;
 * labels that come later or change revise it. Read next: rules.ts (sums and metrics).
 */
import type { Caller } from '#base/caller.ts'
import { type Clock, dayMs } from '#base/clock.ts'
import { digestOf } from '#base/digest.ts'
import { isFault } from '#base/errors.ts'
import type { Db, Statement } from '#platform/db/index.ts'
import { durationMs } from '#platform/definitions/index.ts'
import type { Events } from '#platform/events/index.ts'
import type { Logged } from '../serving/index.ts'
import { windowClosed, windowRevised } from './events.ts'
import { type InputDeps, inputMetrics } from './inputs.ts'
import type { MonitorDefinition, Sums } from './model.ts'
import { byRevision, byRole, errorMetrics, errorOf, latestByKey, type Pair, runsOf, sumsOf } from './rules.ts'
import type { MonitoringStore, WindowRow } from './store.ts'

export interface CloseDeps extends InputDeps {
  readonly db: Db
  readonly events: Events
  readonly store: MonitoringStore
  readonly clockOf: (project: string) => Promise<Clock>
}
export interface Closing {
  readonly monitor: string
  readonly definition: MonitorDefinition
  /** Of the dataset that has the labels. */
  readonly version: number
}
/** Labels of one day by key. */
type DayLabels = Map<string, number>
interface Labels {
  readonly keys: readonly string[]
  readonly days: ReadonlyMap<string, DayLabels>
}
/** How long after its day a label may still come or change and be seen. */
export const revisedForMs = 28 * dayMs
const rowsMax = 5_000_000
const endOfTime = '9999-12-31'
export const dayOf = (ms: number) => new Date(ms).toISOString().slice(0, 10)
const startOf = (day: string) => Date.parse(`${day}T00:00:00Z`)
const q = (name: string) => `"${name.replaceAll('"', '""')}"`

/** Closes and revises what this version of the labels says. @returns how many windows */
export async function closeDays(deps: CloseDeps, closing: Closing, caller: Caller): Promise<number> {
  const { monitor, definition } = closing
  const now = (await deps.clockOf(caller.project)).now()
  const from = await firstDay(deps, closing, caller)
  if (from === undefined) return 0
  const labels = await labelsOf(deps, closing, from, caller)
  const windows = new Map((await deps.store.since(caller.project, monitor, from)).map((w) => [w.day, w]))
  const due = [...labels.days.keys()].sort().filter((day) => {
    const isOver = now >= startOf(day) + durationMs(definition.labels.delay)
    return isOver && isNews(windows.get(day), labels.days.get(day), closing.version)
  })
  let closed = 0
  for (const run of runsOf(due)) {
    const span = { from: run[0] ?? '', to: run.at(-1) ?? '' }
    const predictions = await deps.serving().predictionsOf({ endpoint: definition.endpoint, ...span }, caller)
    for (const day of run) {
      const ofDay = predictions.filter((p) => p.for_day === day)
      if (ofDay.length === 0) continue
      const about = { day, predictions: ofDay, labels, before: windows.get(day), now }
      if (await closeDay(deps, closing, about, caller)) closed++
    }
  }
  return closed
}

/** A day without a window is news; one with a window is where newer labels differ from those that it was closed with. */
const isNews = (window: WindowRow | undefined, labels: DayLabels | undefined, version: number): boolean =>
  window === undefined ||
  (window.labels !== null && version > window.label_version && window.labels !== labelsDigest(labels))
const labelsDigest = (labels: DayLabels | undefined): string =>
  digestOf([...(labels ?? [])].sort(([a], [b]) => (a < b ? -1 : 1)))

/** Where to look from: some way back from the last window, or from the first prediction. */
async function firstDay(
  deps: CloseDeps,
  { monitor, definition }: Closing,
  caller: Caller,
): Promise<string | undefined> {
  const [last] = await deps.store.last(caller.project, monitor, 1)
  if (last !== undefined) return dayOf(startOf(last.day) - revisedForMs)
  const range = { endpoint: definition.endpoint, from: '0001-01-01', to: endOfTime }
  const predictions = await deps.serving().predictionsOf(range, caller)
  return predictions.map((p) => p.for_day).sort()[0]
}

async function labelsOf(
  deps: CloseDeps,
  { definition, version }: Closing,
  from: string,
  caller: Caller,
): Promise<Labels> {
  const { from: dataset, join, column } = definition.labels
  const { version: source, paths } = await deps.datasets.acceptedFiles({ dataset, version }, caller)
  const time = source.time ?? join.at(-1) ?? 'date'
  const keys = join.filter((j) => j !== time)
  const chosen = keys.map((k) => `${q(k)}, `).join('')
  const sql = `select ${chosen}${q(time)}::date as day, ${q(column)}::double as label from l where ${q(time)}::date >= $from::date and ${q(column)} is not null`
  const rows = await deps.columnar.query<Record<string, string | number>>(sql, {
    files: { l: paths },
    params: { from },
    rowsMax,
  })
  const days = new Map<string, DayLabels>()
  for (const row of rows) {
    const day = days.get(String(row.day)) ?? new Map<string, number>()
    days.set(String(row.day), day)
    day.set(keyOf(keys, row), Number(row.label))
  }
  return { keys, days }
}
const keyOf = (keys: readonly string[], row: Readonly<Record<string, unknown>>) =>
  keys.map((k) => String(row[k])).join('\u0000')

interface Day {
  readonly day: string
  readonly predictions: readonly Logged[]
  readonly labels: Labels
  /** The window that is revised. */
  readonly before: WindowRow | undefined
  readonly now: number
}

/** False where another delivery of the same fact was faster. */
async function closeDay(deps: CloseDeps, closing: Closing, about: Day, caller: Caller): Promise<boolean> {
  const row = await windowOfDay(deps, closing, about, caller)
  const { monitor, definition, version } = closing
  const { day, before } = about
  const payload = {
    monitor,
    endpoint: definition.endpoint,
    window: { from: startOf(day), to: startOf(day) + dayMs },
    metrics: JSON.parse(row.metrics) as Record<string, number | null>,
    labelVersion: { dataset: definition.labels.from, version },
  }
  const fact = { subject: `monitor:${monitor}`, atMs: about.now }
  const unit: Statement[] =
    before === undefined
      ? [
          deps.store.insert(row),
          deps.events.record(caller, {
            ...fact,
            type: windowClosed,
            payload: { ...payload, byRevision: wapeOf(row.by_revision) },
          }),
        ]
      : [
          deps.store.revise(before, row),
          deps.events.record(caller, {
            ...fact,
            type: windowRevised,
            payload: { ...payload, before: JSON.parse(before.metrics) },
          }),
        ]
  try {
    await deps.db.commit([...unit, ...(await pooledAgain(deps, definition, row))])
    return true
  } catch (error) {
    if (isFault(error, 'db.duplicate') || isFault(error, 'db.guard_failed')) return false
    throw error
  }
}

const wapeOf = (text: string): Record<string, number | null> =>
  Object.fromEntries(
    Object.entries(JSON.parse(text) as Record<string, Sums>).map(([r, sums]) => [r, errorOf('wape', sums)]),
  )

async function windowOfDay(
  deps: CloseDeps,
  { monitor, definition, version }: Closing,
  { day, predictions, labels, before, now }: Day,
  caller: Caller,
): Promise<WindowRow> {
  const known = labels.days.get(day)
  const pairs = predictions.flatMap((p): Pair[] => {
    const key = keyOf(labels.keys, p.key)
    const actual = known?.get(key)
    return actual === undefined
      ? []
      : [{ key, predicted: p.value, actual, role: p.role, revision: p.revision }]
  })
  const served = sumsOf(latestByKey(pairs.filter((p) => p.role === 'served')))
  const earlier = await deps.store.before(caller.project, monitor, day, longest(definition) - 1)
  const errors = errorMetrics(definition, served, earlier.map(servedOf))
  // Labels change errors alone: what the served rows held is as it was.
  const inputs =
    before === undefined
      ? await inputMetrics(deps, definition, predictions, caller)
      : (JSON.parse(before.metrics) as Record<string, number | null>)
  return {
    project: caller.project,
    monitor,
    day,
    metrics: JSON.stringify({ ...inputs, ...errors }),
    served: JSON.stringify(served),
    by_revision: JSON.stringify(byRevision(pairs)),
    by_role: JSON.stringify(byRole(pairs)),
    label_version: version,
    labels: labelsDigest(known),
    closed_at: before?.closed_at ?? now,
    revised_at: before === undefined ? null : now,
  }
}

const servedOf = (row: WindowRow): Sums => JSON.parse(row.served)
const longest = (definition: MonitorDefinition): number =>
  Math.max(1, ...Object.values(definition.metrics).map((m) => ('rolling' in m ? m.rolling : 1)))

/** Later windows whose rolling metrics pool this one. */
async function pooledAgain(
  deps: CloseDeps,
  definition: MonitorDefinition,
  changed: WindowRow,
): Promise<Statement[]> {
  const { project, monitor, day } = changed
  const later = (await deps.store.since(project, monitor, day)).filter((w) => w.day > day)
  if (later.length === 0) return []
  const count = longest(definition)
  const all = [...(await deps.store.before(project, monitor, day, count)), changed, ...later]
  return all.flatMap((window, i) => {
    if (window.day <= day) return []
    const earlier = all.slice(Math.max(0, i - count + 1), i).map(servedOf)
    const errors = errorMetrics(definition, servedOf(window), earlier)
    const metrics = JSON.stringify({ ...JSON.parse(window.metrics), ...errors })
    return metrics === window.metrics ? [] : [deps.store.revise(window, { ...window, metrics })]
  })
}
