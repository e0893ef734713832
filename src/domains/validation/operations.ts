/**
 * Holds a version against the checks of its dataset. Row rules scan only files that were not scanned before; rules about
 * the whole look at what this version adds. Read next: rules.ts (verdict), columnar.ts (SQL).
 */
import type { Caller } from '#base/caller.ts'
import type { Clock } from '#base/clock.ts'
import { digestOf } from '#base/digest.ts'
import type { Blobs } from '#platform/blobs/index.ts'
import type { Columnar } from '#platform/columnar/index.ts'
import type { Db } from '#platform/db/index.ts'
import { type Definitions, durationMs } from '#platform/definitions/index.ts'
import { psi } from '#stats/drift.ts'
import { type Datasets, type DatasetVersion, datasetsBlock } from '../datasets/index.ts'
import {
  binsSql,
  columnsOf,
  failingRowsSql,
  failsSql,
  perDaySql,
  quantilesSql,
  sampleSql,
  timesSql,
  whereFrom,
} from './columnar.ts'
import { type Check, type CheckResult, checksSchema, type Report } from './model.ts'
import { type OnFail, passes, rowRules, severityOf, summaryOf } from './rules.ts'
import { validationStore } from './store.ts'

export interface ValidationDeps {
  readonly db: Db
  readonly blobs: Blobs
  readonly columnar: Columnar
  readonly definitions: Definitions
  readonly datasets: Datasets
  readonly clockOf: (project: string) => Promise<Clock>
}
/** What the row rules found in one file. */
interface Finding {
  readonly low: string | null
  readonly high: string | null
  /** Failing row numbers with the indexes of the checks that they fail. */
  readonly rows: readonly (readonly [number, readonly number[]])[]
  readonly samples: readonly (readonly Record<string, unknown>[])[]
}
interface Judged {
  readonly version: DatasetVersion
  readonly previous: DatasetVersion | undefined
  readonly added: DatasetVersion['files']
  readonly checks: readonly Check[]
  readonly onFail: OnFail
  readonly findings: ReadonlyMap<string, Finding>
  readonly caller: Caller
}
const rowsMax = 5_000_000
const monthMs = 28 * 86_400_000

export function openValidation(deps: ValidationDeps) {
  const house = { ...deps, store: validationStore(deps.db) }
  return {
    checkVersion: (command: { dataset: string; version: number | 'latest' }, caller: Caller) =>
      checkVersion(house, command, caller),
  }
}
export type Validation = ReturnType<typeof openValidation>
type House = ValidationDeps & { store: ReturnType<typeof validationStore> }

async function checkVersion(
  house: House,
  command: { dataset: string; version: number | 'latest' },
  caller: Caller,
): Promise<Report & { version: number }> {
  const version = await house.datasets.versionOf(command, caller)
  const definition = (await house.definitions.blockOf(caller.project, datasetsBlock))?.[command.dataset]
  const checks = checksSchema.parse(definition?.checks ?? [])
  const previous =
    version.version === 1
      ? undefined
      : await house.datasets.versionOf({ dataset: command.dataset, version: version.version - 1 }, caller)
  const before = new Set((previous?.files ?? []).map((f) => f.digest))
  const added = version.files.filter((f) => !before.has(f.digest))
  const findings = await scan(house, { version, checks, caller })
  const judged: Judged = {
    version,
    previous,
    added,
    checks,
    onFail: definition?.on_fail ?? 'quarantine',
    findings,
    caller,
  }
  const results: CheckResult[] = []
  for (const [index, check] of checks.entries()) results.push(await judge(house, judged, check, index))
  const kept = checks.map((c, i) => (rowRules.has(c.rule) && results[i]?.severity === 'quarantine' ? i : -1))
  const quarantine = version.files.flatMap((file) =>
    quarantineOf(file.digest, findings.get(file.digest), new Set(kept), checks),
  )
  const quarantinedRows = quarantine.reduce((n, f) => n + f.rows.length, 0)
  const report = {
    passed: passes(results),
    checks: results,
    quarantinedRows,
    summary: summaryOf(results, quarantinedRows),
  }
  await house.datasets.setVerdict(
    { dataset: version.dataset, version: version.version, passed: report.passed, report, quarantine },
    caller,
  )
  return { ...report, version: version.version }
}

function quarantineOf(
  fileDigest: string,
  finding: Finding | undefined,
  kept: ReadonlySet<number>,
  checks: readonly Check[],
) {
  const rows = (finding?.rows ?? []).filter(([, failed]) => failed.some((i) => kept.has(i)))
  if (rows.length === 0) return []
  const reasonOf = (failed: readonly number[]) =>
    failed
      .filter((i) => kept.has(i))
      .map((i) => `${checks[i]?.rule} ${columnsOf(checks[i] as Check).join(',')}`)
      .join('; ')
  return [{ fileDigest, rows: rows.map(([n]) => n), reasons: rows.map(([, failed]) => reasonOf(failed)) }]
}

/** Findings of every file of the version; only unknown files are read. */
async function scan(
  house: House,
  { version, checks, caller }: { version: DatasetVersion; checks: readonly Check[]; caller: Caller },
): Promise<Map<string, Finding>> {
  const references = new Map<string, { paths: string[]; column: string; id: string }>()
  for (const check of checks) {
    if (check.rule !== 'in_dataset') continue
    const { paths, version: v } = await house.datasets.acceptedFiles(
      { dataset: check.dataset, version: 'accepted' },
      caller,
    )
    references.set(check.dataset, { paths, column: v.key[0] ?? check.column, id: v.id })
  }
  const identity = digestOf({
    checks: checks.filter((c) => rowRules.has(c.rule)),
    references: [...references].map(([n, r]) => [n, r.id]),
    time: version.time,
  })
  const known = await house.store.findings(caller.project, version.dataset, identity)
  const findings = new Map<string, Finding>()
  for (const file of version.files) {
    const kept = known.get(file.digest)
    const finding: Finding =
      kept === undefined ? await scanFile(house, version, file.digest, checks, references) : JSON.parse(kept)
    if (kept === undefined)
      await house.db.commit([
        house.store.insert(caller.project, version.dataset, identity, file.digest, JSON.stringify(finding)),
      ])
    findings.set(file.digest, finding)
  }
  return findings
}

async function scanFile(
  house: House,
  version: DatasetVersion,
  digest: string,
  checks: readonly Check[],
  references: ReadonlyMap<string, { paths: string[]; column: string }>,
): Promise<Finding> {
  const names = new Set(version.schema.map((c) => c.name))
  const usable = checks.map((c, i) => ({
    i,
    sql: columnsOf(c).every((n) => names.has(n))
      ? failsSql(c, c.rule === 'in_dataset' ? (references.get(c.dataset)?.column ?? '') : '')
      : undefined,
  }))
  const active = usable.filter((u): u is { i: number; sql: string } => u.sql !== undefined && u.sql !== '')
  const file = await house.blobs.localPath(digest)
  const views = Object.fromEntries(
    [...references].map(([name, r]) => [`reference_${name.replaceAll(/\W/g, '_')}`, r.paths]),
  )
  const found =
    active.length === 0
      ? []
      : await house.columnar.query<Record<string, number | boolean>>(
          failingRowsSql(active.map((a) => a.sql)),
          { files: { ...views, f: file }, provenance: true, rowsMax },
        )
  const rows = found.map(
    (row) => [Number(row.n), active.filter((_, k) => row[`c${k}`] === true).map((a) => a.i)] as const,
  )
  const samples: Record<string, unknown>[][] = checks.map(() => [])
  for (const { i, sql } of active) {
    if (!rows.some(([, failed]) => failed.includes(i))) continue
    samples[i] = await house.columnar.query(sampleSql(sql), {
      files: { ...views, f: file },
      provenance: true,
    })
  }
  const [times] =
    version.time !== undefined && names.has(version.time)
      ? await house.columnar.query<{ low: string | null; high: string | null }>(timesSql(version.time), {
          files: { f: file },
        })
      : []
  return { low: times?.low ?? null, high: times?.high ?? null, rows, samples }
}

type Judgement = Pick<CheckResult, 'passed' | 'observed' | 'expected' | 'sentence'> & {
  failing?: number
  sample?: Record<string, unknown>[]
}

async function judge(house: House, judged: Judged, check: Check, index: number): Promise<CheckResult> {
  const column = columnsOf(check).join(', ')
  const missing = columnsOf(check).filter((n) => !judged.version.schema.some((c) => c.name === n))
  const severity = missing.length > 0 ? 'block' : severityOf(check, judged.onFail)
  const found: Judgement =
    missing.length > 0
      ? {
          passed: false,
          observed: 'no such column',
          expected: missing.join(', '),
          sentence: `there is no column ${missing.join(', ')}`,
        }
      : rowRules.has(check.rule)
        ? judgeRows(judged, check, index, column)
        : await judgeWhole(house, judged, check)
  return {
    rule: check.rule,
    ...(column === '' ? {} : { column }),
    severity,
    failing: 0,
    sample: [],
    ...found,
  }
}

function judgeRows(judged: Judged, check: Check, index: number, column: string): Judgement {
  const all = [...judged.findings.values()]
  const failing = all.reduce((n, f) => n + f.rows.filter(([, failed]) => failed.includes(index)).length, 0)
  const sample = all.flatMap((f) => f.samples[index] ?? []).slice(0, 3) as Record<string, unknown>[]
  const expected = expectationOf(check)
  return {
    passed: failing === 0,
    observed: `${failing} rows`,
    expected,
    failing,
    sample,
    sentence: failing === 0 ? `${column} ${expected}` : `${column}: ${failing} rows are not ${expected}`,
  }
}

function expectationOf(check: Check): string {
  if (check.rule === 'between') return `between ${check.min ?? '−∞'} and ${check.max ?? '∞'}`
  if (check.rule === 'in_dataset') return `in ${check.dataset}`
  if (check.rule === 'in_set') return `one of ${check.values.length} values`
  return check.rule === 'matches' ? `like ${check.pattern}` : 'present'
}

async function judgeWhole(house: House, judged: Judged, check: Check): Promise<Judgement> {
  if (check.rule === 'schema') return judgeSchema(judged)
  if (check.rule === 'fresh') return judgeFresh(house, judged, check)
  if (check.rule === 'row_count') return judgeCounts(house, judged, check)
  return check.rule === 'drift'
    ? judgeDrift(house, judged, check)
    : { passed: true, observed: '', expected: '', sentence: '' }
}

function judgeSchema({ version, previous, added }: Judged): Judgement {
  if (previous === undefined || added.length === 0)
    return {
      passed: true,
      observed: 'first version',
      expected: 'as before',
      sentence: 'there is no version before it',
    }
  const before = new Map(previous.schema.map((c) => [c.name, c.type]))
  const after = new Map(version.schema.map((c) => [c.name, c.type]))
  const changes = [
    ...[...before.keys()].filter((n) => !after.has(n)).map((n) => `${n} is gone`),
    ...[...after.keys()].filter((n) => !before.has(n)).map((n) => `${n} is new`),
    ...[...after]
      .filter(([n, t]) => before.has(n) && before.get(n) !== t)
      .map(([n, t]) => `${n} was ${before.get(n)} and is ${t}`),
  ]
  const said = changes.join(', ')
  return {
    passed: changes.length === 0,
    observed: said || 'same',
    expected: `as in v${previous.version}`,
    sentence: said === '' ? 'the schema is as before' : `since v${previous.version}: ${said}`,
  }
}

async function judgeFresh(
  house: House,
  { version, findings, caller }: Judged,
  check: Extract<Check, { rule: 'fresh' }>,
): Promise<Judgement> {
  const newest = Math.max(
    ...version.files.map((f) => Date.parse(findings.get(f.digest)?.high ?? '')).filter(Number.isFinite),
  )
  const ageMs = (await house.clockOf(caller.project)).now() - newest
  const hours = (ageMs / 3_600_000).toFixed(1)
  const passed = ageMs <= durationMs(check.max)
  return {
    passed,
    observed: `${hours} h old`,
    expected: `at most ${check.max}`,
    sentence: `the newest row is ${hours} h old${passed ? '' : `, more than ${check.max}`}`,
  }
}

async function judgeCounts(
  house: House,
  { version, added }: Judged,
  check: Extract<Check, { rule: 'row_count' }>,
): Promise<Judgement> {
  if (added.length === 0)
    return { passed: true, observed: 'nothing new', expected: '', sentence: 'no file is new' }
  const paths = await Promise.all(added.map((f) => house.blobs.localPath(f.digest)))
  const days = await house.columnar.query<{ day: string; n: number }>(perDaySql(version.time ?? ''), {
    files: { f: paths },
  })
  const bad = days.filter(
    (d) =>
      !check.except.includes(d.day) &&
      ((check.min !== undefined && d.n < check.min) || (check.max !== undefined && d.n > check.max)),
  )
  const expected = `${check.min ?? 0} to ${check.max ?? 'any number of'} rows a day`
  const said = bad
    .slice(0, 3)
    .map((d) => `${d.day} has ${d.n}`)
    .join(', ')
  return {
    passed: bad.length === 0,
    observed: said || `${days.length} days`,
    expected,
    failing: bad.length,
    sentence: said === '' ? `${expected}` : `${said}; expected ${expected}`,
  }
}

/** The new rows' distribution against that of the 28 days before them. */
async function judgeDrift(
  house: House,
  judged: Judged,
  check: Extract<Check, { rule: 'drift' }>,
): Promise<Judgement> {
  const { version, previous, added, findings } = judged
  const expected = `PSI at most ${check.max}`
  const firstNew = Math.min(
    ...added.map((f) => Date.parse(findings.get(f.digest)?.low ?? '')).filter(Number.isFinite),
  )
  const fromMs = firstNew - monthMs
  const old = (previous?.files ?? []).filter((f) => Date.parse(findings.get(f.digest)?.high ?? '') >= fromMs)
  if (old.length === 0 || added.length === 0)
    return {
      passed: true,
      observed: 'no reference yet',
      expected,
      sentence: `${check.column} has no 28 days before it to compare with`,
    }
  const time = version.time ?? ''
  const params = { from: new Date(fromMs).toISOString().replace('Z', '') }
  const [r, n] = await Promise.all(
    [old, added].map((files) => Promise.all(files.map((f) => house.blobs.localPath(f.digest)))),
  )
  const [quantiles] = await house.columnar.query<{ edges: number[] | null }>(
    quantilesSql(check.column, time),
    { files: { r: r ?? [] }, params },
  )
  const edges = [...new Set(quantiles?.edges ?? [])]
  const counts = async (view: string, paths: string[]) =>
    (
      await house.columnar.query<Record<string, number>>(
        binsSql(check.column, edges, view, whereFrom(time)),
        { files: { [view]: paths }, params },
      )
    )[0] ?? {}
  const [before, now] = [await counts('r', r ?? []), await counts('n', n ?? [])]
  const bins = (row: Record<string, number>) =>
    Array.from({ length: edges.length + 1 }, (_, i) => row[`b${i}`] ?? 0)
  const value = psi(bins(before), bins(now)) ?? 0
  const shown = value.toFixed(2)
  const passed = value <= check.max
  const sentence = `${check.column}: PSI ${shown} against the 28 days before, bound ${check.max}${passed ? '' : `; its median went from ${round(before.middle)} to ${round(now.middle)}`}`
  return { passed, observed: `PSI ${shown}`, expected, sentence }
}

const round = (n: number | undefined) => (n === undefined ? '?' : String(Number(n.toPrecision(4))))
