/**
 * Holds a version against the checks of its dataset: row rules on files that were not scanned before, rules about the
 * whole on what it adds to the newest accepted version. Read next: scan.ts, whole.ts, rules.ts (verdict).
 */
import type { Caller } from '#base/caller.ts'
import type { Clock } from '#base/clock.ts'
import { isFault } from '#base/errors.ts'
import type { Blobs } from '#platform/blobs/index.ts'
import type { Columnar } from '#platform/columnar/index.ts'
import type { Db } from '#platform/db/index.ts'
import type { Definitions } from '#platform/definitions/index.ts'
import { type Datasets, type DatasetVersion, datasetsBlock } from '../datasets/index.ts'
import { type Check, type CheckResult, checksSchema, columnsOf, needsTime, type Report } from './model.ts'
import { type OnFail, passes, rowRules, severityOf, summaryOf } from './rules.ts'
import { type Finding, type Scanned, scan } from './scan.ts'
import { validationStore } from './store.ts'
import { type Judged, type Judgement, judgeWhole } from './whole.ts'

export interface ValidationDeps {
  readonly db: Db
  readonly blobs: Blobs
  readonly columnar: Columnar
  readonly definitions: Definitions
  readonly datasets: Pick<Datasets, 'versionOf' | 'listVersions' | 'acceptedFiles' | 'setVerdict'>
  readonly clockOf: (project: string) => Promise<Clock>
}
type Wanted = { readonly dataset: string; readonly version: number | 'latest' }

const versionsAtOnce = 20

export function openValidation(deps: ValidationDeps) {
  const house = { ...deps, store: validationStore(deps.db) }
  return {
    checkVersion: (command: Wanted, caller: Caller) => checkVersion(house, command, caller),
  }
}
export type Validation = ReturnType<typeof openValidation>
type House = ValidationDeps & { store: ReturnType<typeof validationStore> }

async function checkVersion(
  house: House,
  command: Wanted,
  caller: Caller,
): Promise<Report & { version: number }> {
  const version = await house.datasets.versionOf(command, caller)
  const definition = (await house.definitions.blockOf(caller.project, datasetsBlock))?.[command.dataset]
  const checks = checksSchema.parse(definition?.checks ?? [])
  const onFail = definition?.on_fail ?? 'quarantine'
  const previous = await acceptedBefore(house, version, caller)
  const before = new Set((previous?.files ?? []).map((f) => f.digest))
  const added = version.files.filter((f) => !before.has(f.digest))
  const scanned = await scan(house, version, checks, caller)
  const clock = await house.clockOf(caller.project)
  const judged: Judged = { version, previous, added, findings: scanned.findings, clock }
  const results: CheckResult[] = []
  for (const [index, check] of checks.entries())
    results.push(await judge(house, { judged, scanned, onFail }, check, index))
  const report = await pronounce(house, { version, checks, results, findings: scanned.findings }, caller)
  return { ...report, version: version.version }
}

/** The newest accepted version below this one, whatever became of those in between. */
async function acceptedBefore(
  house: House,
  { dataset, version }: DatasetVersion,
  caller: Caller,
): Promise<DatasetVersion | undefined> {
  const newest = await house.datasets.versionOf({ dataset, version: 'accepted' }, caller).catch((error) => {
    if (isFault(error, 'datasets.dataset_version_not_found')) return undefined
    throw error
  })
  if (newest === undefined || newest.version < version) return newest
  let pageToken: string | undefined
  do {
    const page = await house.datasets.listVersions(
      { dataset, limit: versionsAtOnce, ...(pageToken === undefined ? {} : { pageToken }) },
      caller,
    )
    const found = page.versions.find((v) => v.state === 'accepted' && v.version < version)
    if (found !== undefined) return house.datasets.versionOf({ dataset, version: found.version }, caller)
    pageToken = page.next
  } while (pageToken !== undefined)
  return undefined
}

interface Pronounced {
  readonly version: DatasetVersion
  readonly checks: readonly Check[]
  readonly results: readonly CheckResult[]
  readonly findings: ReadonlyMap<string, Finding>
}

/** The verdict, kept with the version; rows in quarantine are those of rules that say so. */
async function pronounce(
  house: House,
  { version, checks, results, findings }: Pronounced,
  caller: Caller,
): Promise<Report> {
  const out = checks.flatMap((c, i) =>
    rowRules.has(c.rule) && results[i]?.severity === 'quarantine' ? [i] : [],
  )
  const quarantine = version.files.flatMap((file) =>
    quarantineOf(file.digest, findings.get(file.digest), new Set(out), checks),
  )
  const quarantinedRows = quarantine.reduce((n, f) => n + f.rows.length, 0)
  const report: Report = {
    passed: passes(results),
    checks: results,
    quarantinedRows,
    summary: summaryOf(results, quarantinedRows),
  }
  const { dataset, version: number } = version
  await house.datasets.setVerdict(
    { dataset, version: number, passed: report.passed, report, quarantine },
    caller,
  )
  return report
}

function quarantineOf(
  fileDigest: string,
  finding: Finding | undefined,
  out: ReadonlySet<number>,
  checks: readonly Check[],
) {
  const rows = (finding?.rows ?? []).filter(([, failed]) => failed.some((i) => out.has(i)))
  if (rows.length === 0) return []
  const reasonOf = (failed: readonly number[]) =>
    failed
      .filter((i) => out.has(i))
      .map((i) => `${checks[i]?.rule} ${columnsOf(checks[i] as Check).join(',')}`)
      .join('; ')
  return [{ fileDigest, rows: rows.map(([n]) => n), reasons: rows.map(([, failed]) => reasonOf(failed)) }]
}

interface Bench {
  readonly judged: Judged
  readonly scanned: Scanned
  readonly onFail: OnFail
}

async function judge(house: House, bench: Bench, check: Check, index: number): Promise<CheckResult> {
  const { judged, onFail } = bench
  const column = columnsOf(check).join(', ')
  const impossible = cannotJudge(bench, check)
  const found =
    impossible ??
    (rowRules.has(check.rule) ? judgeRows(judged, check, index) : await judgeWhole(house, judged, check))
  return {
    rule: check.rule,
    ...(column === '' ? {} : { column }),
    severity: impossible === undefined ? severityOf(check, onFail) : 'block',
    failing: 0,
    sample: [],
    ...found,
  }
}

/** A rule that finds no column, or no dataset to look into, blocks: nothing is known of the rows then. */
function cannotJudge({ judged, scanned }: Bench, check: Check): Judgement | undefined {
  const { version, added, findings } = judged
  const reason = check.rule === 'in_dataset' ? scanned.unusable.get(check.dataset) : undefined
  if (reason !== undefined)
    return { passed: false, observed: 'no reference', expected: check.rule, sentence: reason }
  const time = needsTime(check) && version.time !== undefined ? [version.time] : []
  for (const file of added) {
    const names = new Set(findings.get(file.digest)?.columns.map((c) => c.name))
    const missing = [...columnsOf(check), ...time].filter((n) => !names.has(n)).join(', ')
    if (missing === '') continue
    const where = added.length > 1 ? ` (${file.path})` : ''
    const sentence = `there is no column ${missing}${where}`
    return { passed: false, observed: 'no such column', expected: missing, sentence }
  }
  return undefined
}

function judgeRows({ findings }: Judged, check: Check, index: number): Judgement {
  const all = [...findings.values()]
  const failing = all.reduce((n, f) => n + f.rows.filter(([, failed]) => failed.includes(index)).length, 0)
  const sample = all.flatMap((f) => f.samples[index] ?? []).slice(0, 3) as Record<string, unknown>[]
  const column = columnsOf(check).join(', ')
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
