/** Row rules over the files of a version. A file is read once for the same rules and references. */
import type { Caller } from '#base/caller.ts'
import { digestOf } from '#base/digest.ts'
import { isFault } from '#base/errors.ts'
import type { Blobs } from '#platform/blobs/index.ts'
import type { Column, Columnar } from '#platform/columnar/index.ts'
import type { Db } from '#platform/db/index.ts'
import type { Datasets, DatasetVersion } from '../datasets/index.ts'
import {
  failingRowsSql,
  failsSql,
  type ReferenceColumn,
  referenceView,
  rowsSql,
  timesSql,
} from './columnar.ts'
import { type Check, columnsOf } from './model.ts'
import { rowRules } from './rules.ts'
import type { ValidationStore } from './store.ts'

export interface ScanDeps {
  readonly db: Db
  readonly blobs: Blobs
  readonly columnar: Columnar
  readonly datasets: Pick<Datasets, 'acceptedFiles'>
  readonly store: ValidationStore
}
/** What was found in one file. */
export interface Finding {
  readonly columns: readonly Column[]
  readonly low: string | null
  readonly high: string | null
  /** Failing row numbers with the indexes of the checks that they fail. */
  readonly rows: readonly (readonly [number, readonly number[]])[]
  readonly samples: readonly (readonly Record<string, unknown>[])[]
}
export interface Scanned {
  readonly findings: ReadonlyMap<string, Finding>
  /** Datasets that checks look into and that cannot be looked into, with the reason. */
  readonly unusable: ReadonlyMap<string, string>
}
interface Reference {
  readonly paths: string[]
  readonly version: DatasetVersion
}
/** Raised where a finding says something new, so that earlier ones are not taken for it. */
const findingFormat = 2
const rowsMax = 5_000_000
const samplesMax = 3

export async function scan(
  deps: ScanDeps,
  version: DatasetVersion,
  checks: readonly Check[],
  caller: Caller,
): Promise<Scanned> {
  const { references, unusable } = await referencesOf(deps, checks, caller)
  const identity = digestOf({
    format: findingFormat,
    checks: checks.map((c) => (rowRules.has(c.rule) ? c : null)),
    references: [...references].map(([name, r]) => [name, r.version.id]),
    time: version.time ?? null,
  })
  const known = await deps.store.findings(caller.project, version.dataset, identity)
  const findings = new Map<string, Finding>()
  for (const file of version.files) {
    const kept = known.get(file.digest)
    const finding: Finding =
      kept === undefined
        ? await scanFile(deps, { digest: file.digest, time: version.time, checks, references })
        : JSON.parse(kept)
    if (kept === undefined) {
      const text = JSON.stringify(finding)
      await deps.db.commit([deps.store.insert(caller.project, version.dataset, identity, file.digest, text)])
    }
    findings.set(file.digest, finding)
  }
  return { findings, unusable }
}

async function referencesOf(deps: ScanDeps, checks: readonly Check[], caller: Caller) {
  const references = new Map<string, Reference>()
  const unusable = new Map<string, string>()
  for (const check of checks) {
    if (check.rule !== 'in_dataset' || references.has(check.dataset)) continue
    try {
      const found = await deps.datasets.acceptedFiles({ dataset: check.dataset, version: 'accepted' }, caller)
      references.set(check.dataset, found)
      if (columnIn(found.version, check.column) === undefined)
        unusable.set(check.dataset, `${check.dataset} has neither a key of one column nor ${check.column}`)
    } catch (error) {
      if (!isFault(error, 'datasets.dataset_version_not_found')) throw error
      unusable.set(check.dataset, `${check.dataset} has no accepted version`)
    }
  }
  return { references, unusable }
}

/** The key of the other dataset where it is one column, else the column of the same name. */
function columnIn(version: DatasetVersion, column: string): ReferenceColumn | undefined {
  const name = version.key.length === 1 ? version.key[0] : column
  return version.schema.find((c) => c.name === name)
}

interface FileScan {
  readonly digest: string
  readonly time: string | undefined
  readonly checks: readonly Check[]
  readonly references: ReadonlyMap<string, Reference>
}

async function scanFile(deps: ScanDeps, { digest, time, checks, references }: FileScan): Promise<Finding> {
  const file = await deps.blobs.localPath(digest)
  const columns = await deps.columnar.schemaOf(file)
  const names = new Set(columns.map((c) => c.name))
  const active = checks.flatMap((check, i) => {
    const version = check.rule === 'in_dataset' ? references.get(check.dataset)?.version : undefined
    const reference =
      check.rule === 'in_dataset' && version !== undefined ? columnIn(version, check.column) : undefined
    const sql = columnsOf(check).every((n) => names.has(n)) ? failsSql(check, reference) : undefined
    return sql === undefined ? [] : [{ i, sql }]
  })
  const views = Object.fromEntries([...references].map(([name, r]) => [referenceView(name), r.paths]))
  const options = { files: { ...views, f: file }, provenance: true, rowsMax }
  const found =
    active.length === 0
      ? []
      : await deps.columnar.query<Record<string, number | boolean>>(
          failingRowsSql(active.map((a) => a.sql)),
          options,
        )
  const rows = found.map(
    (row) => [Number(row.n), active.filter((_, k) => row[`c${k}`] === true).map((a) => a.i)] as const,
  )
  const samples = await samplesOf(deps, file, rows, checks.length)
  const [times] =
    time !== undefined && names.has(time)
      ? await deps.columnar.query<{ low: string | null; high: string | null }>(timesSql(time), {
          files: { f: file },
        })
      : []
  return { columns, low: times?.low ?? null, high: times?.high ?? null, rows, samples }
}

/** A few of the failing rows of each check. */
async function samplesOf(
  deps: ScanDeps,
  file: string,
  rows: Finding['rows'],
  checks: number,
): Promise<Record<string, unknown>[][]> {
  const wanted = Array.from({ length: checks }, (_, i) =>
    rows
      .filter(([, failed]) => failed.includes(i))
      .slice(0, samplesMax)
      .map(([n]) => n),
  )
  const numbers = [...new Set(wanted.flat())]
  if (numbers.length === 0) return wanted.map(() => [])
  const found = await deps.columnar.query<Record<string, unknown>>(rowsSql(numbers), {
    files: { f: file },
    provenance: true,
  })
  const byNumber = new Map(found.map(({ file_row_number: n, ...row }) => [Number(n), row]))
  return wanted.map((list) => list.map((n) => byNumber.get(n) ?? {}))
}
