/** Verbs of monitoring: close windows, tell of them, answer for quality. Read next: close.ts. */
import type { Caller } from '#base/caller.ts'
import type { Clock } from '#base/clock.ts'
import { Fault, isFault } from '#base/errors.ts'
import type { Columnar } from '#platform/columnar/index.ts'
import type { Db } from '#platform/db/index.ts'
import type { Definitions } from '#platform/definitions/index.ts'
import type { Events } from '#platform/events/index.ts'
import type { Datasets } from '../datasets/index.ts'
import type { Registry } from '../registry/index.ts'
import type { Serving } from '../serving/index.ts'
import { type CloseDeps, closeDays, dayOf } from './close.ts'
import { type MonitorDefinition, monitorsBlock, type Sums, type Window } from './model.ts'
import { add, errorOf, noSums, roleName } from './rules.ts'
import { monitoringStore, type WindowRow } from './store.ts'

export interface MonitoringDeps {
  readonly db: Db
  readonly events: Events
  readonly columnar: Columnar
  readonly definitions: Definitions
  readonly datasets: Pick<Datasets, 'acceptedFiles'>
  readonly registry: Pick<Registry, 'getVersion'>
  readonly serving: () => Pick<Serving, 'predictionsOf' | 'statusOf'>
  readonly clockOf: (project: string) => Promise<Clock>
}
export interface QualityQuery {
  readonly endpoint: string
  readonly revision: number
  readonly sinceMs: number
  /** Only where the revision answered, or ran beside; both without it. */
  readonly role?: 'served' | 'shadow'
}
export interface Quality {
  readonly labels: number
  readonly wape: number | null
  readonly rmse: number | null
  readonly bias: number | null
}

export function openMonitoring(deps: MonitoringDeps) {
  const store = monitoringStore(deps.db)
  const house: CloseDeps = { ...deps, store, references: new Map() }
  const definitionOf = async (monitor: string, caller: Caller): Promise<MonitorDefinition> => {
    const found = (await deps.definitions.blockOf(caller.project, monitorsBlock))?.[monitor]
    if (found !== undefined) return found
    throw new Fault('not_found', 'monitoring.monitor_not_found', `there is no monitor ${monitor}`)
  }
  return {
    /** A new version of a label dataset closes the days that it completes. A monitor that fails holds up no other. */
    async onLabels(
      { dataset, version }: { dataset: string; version: number },
      caller: Caller,
    ): Promise<number> {
      const block = (await deps.definitions.blockOf(caller.project, monitorsBlock)) ?? {}
      const concerned = Object.entries(block).filter(([, d]) => d.labels.from === dataset)
      const failures: unknown[] = []
      let closed = 0
      for (const [monitor, definition] of concerned) {
        try {
          closed += await closeDays(house, { monitor, definition, version }, caller)
        } catch (error) {
          // Refused since: the version that replaces it brings the labels.
          if (!isFault(error, 'datasets.not_accepted')) failures.push(error)
        }
      }
      if (failures.length > 0) throw failures[0]
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
    async qualityOf({ endpoint, revision, sinceMs, role }: QualityQuery, caller: Caller): Promise<Quality> {
      const block = (await deps.definitions.blockOf(caller.project, monitorsBlock)) ?? {}
      const monitor = Object.entries(block).find(([, d]) => d.endpoint === endpoint)?.[0]
      const rows = monitor === undefined ? [] : await store.since(caller.project, monitor, dayOf(sinceMs))
      const sums = rows
        .map((row) => {
          const kept = role === undefined ? row.by_revision : (row.by_role ?? '{}')
          const name = role === undefined ? String(revision) : roleName(revision, role)
          return (JSON.parse(kept) as Record<string, Sums>)[name] ?? noSums
        })
        .reduce(add, noSums)
      return {
        labels: sums.rows,
        wape: errorOf('wape', sums),
        rmse: errorOf('rmse', sums),
        bias: errorOf('bias', sums),
      }
    },
  }
}
export type Monitoring = ReturnType<typeof openMonitoring>

const windowOf = (row: WindowRow): Window => ({
  monitor: row.monitor,
  day: row.day,
  metrics: JSON.parse(row.metrics),
  served: JSON.parse(row.served),
  byRevision: JSON.parse(row.by_revision),
  labelVersion: row.label_version,
  closedAt: row.closed_at,
})
