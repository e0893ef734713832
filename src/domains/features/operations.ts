/** Verbs of features: materialise, training sets, labelled rows, online rows. Read next: columnar.ts (the query). */
import { mkdir, rm } from 'node:fs/promises'
import path from 'node:path'
import type { Caller } from '#base/caller.ts'
import { type Clock, dayMs } from '#base/clock.ts'
import { digestOf } from '#base/digest.ts'
import { Fault, isFault } from '#base/errors.ts'
import { newId } from '#base/ids.ts'
import type { Blobs } from '#platform/blobs/index.ts'
import type { Columnar } from '#platform/columnar/index.ts'
import type { Db } from '#platform/db/index.ts'
import { type Definitions, durationMs } from '#platform/definitions/index.ts'
import type { Events } from '#platform/events/index.ts'
import type { Datasets, DatasetVersion } from '../datasets/index.ts'
import { type Codes, distinctSql, labelledSql, trainingSql, viewSql } from './columnar.ts'
import { viewMaterialised } from './events.ts'
import { type FeatureView, featuresBlock, type Key, type LabelledRows, type OnlineRow } from './model.ts'
import { featuresStore } from './store.ts'

export interface FeaturesDeps {
  readonly db: Db
  readonly events: Events
  readonly blobs: Blobs
  readonly columnar: Columnar
  readonly definitions: Definitions
  readonly datasets: Datasets
  readonly clockOf: (project: string) => Promise<Clock>
  readonly workDirectory: string
}
interface Labels {
  readonly dataset: string
  readonly version: number
}
export interface RowsQuery {
  readonly view: string
  readonly lastMs?: number
  readonly untilMs?: number
  readonly fromDay?: string
  readonly toDay?: string
  readonly labels?: Labels
}
interface Materialised {
  readonly definition: FeatureView
  readonly version: DatasetVersion
  readonly digest: string
  readonly rows: number
  /** The last day that has labels. */
  readonly lastDay: string
}
interface Online {
  readonly at: string
  readonly names: readonly string[]
  readonly rows: ReadonlyMap<string, OnlineRow>
  readonly expiresAt: number
}

const viewColumn = '__label'
const rowsMax = 2_000_000
const codeAttemptsMax = 5
export const keyText = (entity: readonly string[], key: Key) =>
  entity.map((e) => String(key[e])).join('\u0000')

export function openFeatures(deps: FeaturesDeps) {
  const store = featuresStore(deps.db)
  const online = new Map<string, Promise<Online | undefined>>()
  const house = { ...deps, store, online }
  return {
    viewOf: (view: string, caller: Caller) => viewOf(house, view, caller),
    async listViews(_: object, caller: Caller) {
      const block = (await deps.definitions.blockOf(caller.project, featuresBlock)) ?? {}
      return { views: Object.entries(block).map(([name, definition]) => ({ name, definition })) }
    },
    /** Brings the view up to a dataset version, and the day after its last online. */
    async materialize({ view, version }: { view: string; version?: number }, caller: Caller) {
      const definition = await viewOf(house, view, caller)
      const labels = version === undefined ? undefined : { dataset: definition.from, version }
      const made = await materialised(house, view, labels, caller)
      const rows = await putOnline(house, view, made, caller)
      return {
        view,
        dataset: made.version.dataset,
        version: made.version.version,
        rows: made.rows,
        at: dayAfter(made.lastDay),
        online: rows,
      }
    },
    async trainingSet(
      query: RowsQuery,
      caller: Caller,
    ): Promise<{ version: DatasetVersion; paths: string[] }> {
      const made = await materialised(house, query.view, query.labels, caller)
      const { from, to } = range(query, made.lastDay)
      await mkdir(deps.workDirectory, { recursive: true })
      const target = path.join(deps.workDirectory, `${newId()}.parquet`)
      try {
        const files = { view: await deps.blobs.localPath(made.digest) }
        const { rows } = await deps.columnar.writeParquet(trainingSql(made.definition), {
          files,
          params: { from, to },
          to: target,
        })
        const { dataset, version, id } = made.version
        if (rows === 0)
          throw new Fault(
            'precondition_failed',
            'features.no_rows',
            `${query.view} has no labelled rows from ${from} to ${to} in ${dataset}@v${version}`,
            { remedy: 'name a longer window, or wait for more days' },
          )
        const command = {
          dataset: `${query.view}.training`,
          files: [{ path: 'rows.parquet', source: target }],
          mode: 'replace' as const,
          parents: [{ dataset, version, id }],
          producedBy: { kind: 'features' as const },
          message: `${query.view} from ${from} to ${to}, of ${dataset}@v${version}`,
        }
        const committed = await deps.datasets.commitVersion(command, caller)
        return await deps.datasets.acceptedFiles(
          { dataset: command.dataset, version: committed.version.version },
          caller,
        )
      } finally {
        await rm(target, { force: true })
      }
    },
    async labelledRows(query: RowsQuery, caller: Caller): Promise<LabelledRows> {
      const made = await materialised(house, query.view, query.labels, caller)
      const names = Object.keys(made.definition.columns)
      const files = { view: await deps.blobs.localPath(made.digest) }
      const rows = await deps.columnar.query<Record<string, string | number | null>>(
        labelledSql(made.definition),
        { files, params: range(query, made.lastDay), rowsMax },
      )
      const { dataset, version, id } = made.version
      return {
        view: query.view,
        names,
        dataset: { dataset, version, id },
        rows: rows.map((row) => ({
          key: keyOf(made.definition, row),
          at: String(row[made.definition.time]),
          values: names.map((n) => (row[n] === null ? Number.NaN : Number(row[n]))),
          label: Number(row[viewColumn]),
        })),
      }
    },
    /** What serving asks: from memory after the first time. */
    async onlineRows(
      { view, keys }: { view: string; keys?: readonly Key[] },
      caller: Caller,
    ): Promise<{ at: string; names: readonly string[]; rows: (OnlineRow | undefined)[] }> {
      const definition = await viewOf(house, view, caller)
      const found = await onlineOf(house, view, caller)
      if (found === undefined)
        throw new Fault('precondition_failed', 'features.not_online', `${view} has no online rows yet`, {
          remedy: 'run the pipeline that materialises it',
        })
      const now = (await deps.clockOf(caller.project)).now()
      if (now > found.expiresAt)
        throw new Fault(
          'precondition_failed',
          'features.stale',
          `the online rows of ${view} are for ${found.at} and too old`,
          { remedy: 'materialise the view' },
        )
      const rows =
        keys === undefined
          ? [...found.rows.values()]
          : keys.map((key) => found.rows.get(keyText(definition.entity, key)))
      return { at: found.at, names: found.names, rows }
    },
    async sampleRows(view: string, caller: Caller): Promise<number[][]> {
      const made = await materialised(house, view, undefined, caller)
      const names = Object.keys(made.definition.columns)
      const files = { view: await deps.blobs.localPath(made.digest) }
      const params = range({ view, lastMs: 14 * dayMs }, made.lastDay)
      const rows = await deps.columnar.query<Record<string, number | null>>(
        `${labelledSql(made.definition)} limit 1000`,
        { files, params },
      )
      return rows
        .map((row) => names.map((n) => row[n] ?? Number.NaN))
        .filter((values) => values.every(Number.isFinite))
    },
  }
}
export type Features = ReturnType<typeof openFeatures>
type House = FeaturesDeps & {
  store: ReturnType<typeof featuresStore>
  online: Map<string, Promise<Online | undefined>>
}

async function viewOf(house: House, view: string, caller: Caller): Promise<FeatureView> {
  const found = (await house.definitions.blockOf(caller.project, featuresBlock))?.[view]
  if (found !== undefined) return found
  throw new Fault('not_found', 'features.view_not_found', `there is no feature view ${view}`)
}

/** The view over a dataset version, made once for the same definition and version. */
async function materialised(
  house: House,
  view: string,
  labels: Labels | undefined,
  caller: Caller,
): Promise<Materialised> {
  const definition = await viewOf(house, view, caller)
  const version = labels?.dataset === definition.from ? labels.version : ('accepted' as const)
  const source = await house.datasets.acceptedFiles({ dataset: definition.from, version }, caller)
  const codes = await codesFor(house, view, definition, source.paths, caller)
  const identity = digestOf({ definition, codes })
  const known = await house.store.materialised(caller.project, view, identity, source.version.id)
  if (known !== undefined)
    return {
      definition,
      version: source.version,
      digest: known.digest,
      rows: known.rows,
      lastDay: known.last_day,
    }
  const { digest, rows, lastDay } = await make(house, view, definition, { source, codes })
  const row = { view, definition: identity, dataset_id: source.version.id, digest, rows, last_day: lastDay }
  await house.db.commit([house.store.insertMaterialised({ project: caller.project, ...row })])
  return { definition, version: source.version, digest, rows, lastDay }
}

/** The view's rows as a blob. @throws Fault where the dataset has no rows, or not the columns that the view names */
async function make(
  house: House,
  view: string,
  definition: FeatureView,
  { source, codes }: { source: { version: DatasetVersion; paths: string[] }; codes: Codes },
): Promise<{ digest: string; rows: number; lastDay: string }> {
  const name = `${source.version.dataset}@v${source.version.version}`
  await mkdir(house.workDirectory, { recursive: true })
  const to = path.join(house.workDirectory, `${newId()}.parquet`)
  try {
    const { rows } = await house.columnar.writeParquet(viewSql(definition, codes), {
      files: { source: source.paths },
      to,
    })
    const [last] = await house.columnar.query<{ day: string | null }>(
      `select max("${definition.time}")::date - 1 as day from v`,
      { files: { v: to } },
    )
    if (typeof last?.day !== 'string')
      throw new Fault('precondition_failed', 'features.no_rows', `${name} has no rows to make ${view} of`, {
        remedy: 'what was online before stays; look at the step that writes the dataset',
      })
    const { digest } = await house.blobs.putFile(to)
    return { digest, rows, lastDay: last.day.slice(0, 10) }
  } catch (error) {
    if (!isFault(error, 'columnar.failed')) throw error
    throw new Fault('invalid', 'features.view_failed', `${view} of ${name}: ${error.message}`, {
      remedy: 'compare the columns of the view with those of the dataset',
      cause: error,
    })
  } finally {
    await rm(to, { force: true })
  }
}

/** Numeric codes that never change once given: new values are appended, in order of their names. */
async function codesFor(
  house: House,
  view: string,
  definition: FeatureView,
  paths: readonly string[],
  caller: Caller,
): Promise<Codes> {
  const wanted = Object.values(definition.columns).flatMap((c) => ('code' in c ? [c.code] : []))
  const codes: Record<string, string[]> = {}
  for (const name of new Set(wanted)) {
    const seen = await house.columnar.query<{ value: string }>(distinctSql(name), {
      files: { source: paths },
    })
    const values = seen.map((s) => s.value)
    for (let attempt = 1; codes[name] === undefined; attempt++) {
      try {
        codes[name] = await giveCodes(house, { view, name, values }, caller)
      } catch (error) {
        // Somebody else gave codes in the same moment: theirs stand.
        if (attempt >= codeAttemptsMax || !isFault(error, 'db.duplicate')) throw error
      }
    }
  }
  return codes
}

async function giveCodes(
  house: House,
  { view, name, values }: { view: string; name: string; values: readonly string[] },
  caller: Caller,
): Promise<string[]> {
  const kept = await house.store.codes(caller.project, view)
  const known = kept.filter((k) => k.name === name).map((k) => k.value)
  const given = new Set(known)
  const fresh = values.filter((value) => !given.has(value))
  const rows = fresh.map((value, i) =>
    house.store.insertCode({ project: caller.project, view, name, value, code: known.length + i }),
  )
  if (rows.length > 0) await house.db.commit(rows)
  return [...known, ...fresh]
}

async function putOnline(house: House, view: string, made: Materialised, caller: Caller): Promise<number> {
  const { definition, version } = made
  const at = dayAfter(made.lastDay)
  const names = Object.keys(definition.columns)
  const files = { v: await house.blobs.localPath(made.digest) }
  const rows = await house.columnar.query<Record<string, string | number | null>>(
    `select * from v where "${definition.time}" = $at::date`,
    { files, params: { at } },
  )
  const online = rows.map(
    (row): OnlineRow => ({
      key: keyOf(definition, row),
      at,
      values: names.map((n) => row[n] as number | null),
    }),
  )
  const now = (await house.clockOf(caller.project)).now()
  const stored = {
    project: caller.project,
    view,
    at,
    names: JSON.stringify(names),
    rows: JSON.stringify(online),
    dataset_version: version.version,
    written_at: now,
  }
  const payload = {
    view,
    dataset: version.dataset,
    version: version.version,
    rows: made.rows,
    at,
    online: online.length,
  }
  await house.db.commit([
    house.store.putOnline(stored),
    house.events.record(caller, { type: viewMaterialised, subject: `features:${view}`, payload, atMs: now }),
  ])
  house.online.set(`${caller.project}/${view}`, Promise.resolve(onlineFrom(definition, stored)))
  return online.length
}

function onlineOf(house: House, view: string, caller: Caller): Promise<Online | undefined> {
  const name = `${caller.project}/${view}`
  const known = house.online.get(name)
  if (known !== undefined) return known
  const reading = (async () => {
    const stored = await house.store.online(caller.project, view)
    return stored === undefined ? undefined : onlineFrom(await viewOf(house, view, caller), stored)
  })()
  house.online.set(name, reading)
  reading
    .then((found) => found === undefined && house.online.delete(name))
    .catch(() => house.online.delete(name))
  return reading
}

function onlineFrom(
  definition: FeatureView,
  stored: { at: string; names: string; rows: string; written_at: number },
): Online {
  const rows = (JSON.parse(stored.rows) as OnlineRow[]).map(
    (row) => [keyText(definition.entity, row.key), row] as const,
  )
  const ttlMs = definition.online === undefined ? Number.POSITIVE_INFINITY : durationMs(definition.online.ttl)
  return {
    at: stored.at,
    names: JSON.parse(stored.names),
    rows: new Map(rows),
    expiresAt: stored.written_at + ttlMs,
  }
}

const keyOf = (definition: FeatureView, row: Record<string, string | number | null>): Key =>
  Object.fromEntries(definition.entity.map((e) => [e, row[e] as string | number]))

const dayText = (ms: number) => new Date(ms).toISOString().slice(0, 10)
const dayAfter = (day: string) => dayText(Date.parse(`${day}T00:00:00Z`) + dayMs)

/** The days that a window names: the last ones, without the very last `until`, or from and to as given. */
function range(query: RowsQuery, lastDay: string): { from: string; to: string } {
  const last = Date.parse(`${lastDay}T00:00:00Z`)
  const from =
    query.fromDay ?? (query.lastMs === undefined ? '0001-01-01' : dayText(last - query.lastMs + dayMs))
  return { from, to: query.toDay ?? dayText(last - (query.untilMs ?? 0)) }
}
