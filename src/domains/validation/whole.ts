/** Rules about a whole version: what it adds, against the accepted version before it. */
import { type Clock, dayMs } from '#base/clock.ts'
import type { Blobs } from '#platform/blobs/index.ts'
import type { Columnar } from '#platform/columnar/index.ts'
import { durationMs } from '#platform/definitions/index.ts'
import { psi } from '#stats/drift.ts'
import type { DatasetVersion } from '../datasets/index.ts'
import { binsSql, decilesSql, duplicatesSql, perDaySql } from './columnar.ts'
import { type Check, type CheckResult, columnsOf } from './model.ts'
import { type Decile, referenceBins, schemaChanges } from './rules.ts'
import type { Finding } from './scan.ts'

type VersionFile = DatasetVersion['files'][number]
export interface WholeDeps {
  readonly blobs: Blobs
  readonly columnar: Columnar
}
export interface Judged {
  readonly version: DatasetVersion
  /** The newest accepted version before it: a refused one is no measure of anything. */
  readonly previous: DatasetVersion | undefined
  /** Files that the previous one has not. */
  readonly added: readonly VersionFile[]
  readonly findings: ReadonlyMap<string, Finding>
  readonly clock: Clock
}
export type Judgement = Pick<CheckResult, 'passed' | 'observed' | 'expected' | 'sentence'> & {
  readonly failing?: number
  readonly sample?: Record<string, unknown>[]
}
type Of<R extends Check['rule']> = Extract<Check, { rule: R }>
const referenceMs = 28 * dayMs
const dayOf = (ms: number) => new Date(ms).toISOString().slice(0, 10)

export async function judgeWhole(deps: WholeDeps, judged: Judged, check: Check): Promise<Judgement> {
  switch (check.rule) {
    case 'schema':
      return judgeSchema(judged)
    case 'fresh':
      return judgeFresh(judged, check)
    case 'row_count':
      return check.per === 'day' ? judgeDays(deps, judged, check) : judgeCount(judged, check)
    case 'unique':
      return judgeUnique(deps, judged, check)
    case 'drift':
      return judgeDrift(deps, judged, check)
    default:
      return { passed: true, observed: '', expected: '', sentence: '' }
  }
}

const pathsOf = (deps: WholeDeps, files: readonly VersionFile[]) =>
  Promise.all(files.map((f) => deps.blobs.localPath(f.digest)))
/** Names the file where a reader could not know which one is meant. */
const inFile = ({ added }: Judged, file: VersionFile | undefined) =>
  added.length > 1 && file !== undefined ? ` (${file.path})` : ''

function judgeSchema(judged: Judged): Judgement {
  const { previous, added, findings } = judged
  const columns = (file: VersionFile | undefined) => findings.get(file?.digest ?? '')?.columns ?? []
  const [first, ...others] = added
  const isAlone = previous === undefined && others.length === 0
  if (first === undefined || isAlone) {
    const sentence = first === undefined ? 'no file is new' : 'there is no version before it'
    return { passed: true, observed: 'nothing to compare', expected: 'as before', sentence }
  }
  const before = previous?.schema ?? columns(first)
  const name = previous === undefined ? first.path : `v${previous.version}`
  const changed = added.flatMap((file) => {
    const changes = schemaChanges(before, columns(file))
    return changes.length === 0 ? [] : [`${changes.join(', ')}${inFile(judged, file)}`]
  })
  const shown = changed.slice(0, 3).join('; ')
  return {
    passed: changed.length === 0,
    observed: shown || 'same',
    expected: `as in ${name}`,
    failing: changed.length,
    sentence: shown === '' ? 'the schema is as before' : `since ${name}: ${shown}`,
  }
}

function judgeFresh({ version, findings, clock }: Judged, check: Of<'fresh'>): Judgement {
  const expected = `at most ${check.max}`
  const times = version.files.map((f) => Date.parse(findings.get(f.digest)?.high ?? ''))
  const newest = Math.max(...times.filter(Number.isFinite))
  if (!Number.isFinite(newest))
    return { passed: false, observed: 'no times', expected, sentence: 'no row has a time' }
  const ageMs = clock.now() - newest
  const hours = (ageMs / 3_600_000).toFixed(1)
  const passed = ageMs <= durationMs(check.max)
  const sentence = `the newest row is ${hours} h old${passed ? '' : `, more than ${check.max}`}`
  return { passed, observed: `${hours} h old`, expected, sentence }
}

const isOutside = (check: Of<'row_count'>, n: number) =>
  (check.min !== undefined && n < check.min) || (check.max !== undefined && n > check.max)
const countExpected = (check: Of<'row_count'>) => `${check.min ?? 0} to ${check.max ?? 'any number of'} rows`

function judgeCount({ version }: Judged, check: Of<'row_count'>): Judgement {
  const expected = countExpected(check)
  const passed = !isOutside(check, version.rows)
  const sentence = passed ? expected : `there are ${version.rows} rows; expected ${expected}`
  return { passed, observed: `${version.rows} rows`, expected, sentence }
}

async function judgeDays(
  deps: WholeDeps,
  { version, added, clock }: Judged,
  check: Of<'row_count'>,
): Promise<Judgement> {
  const expected = `${countExpected(check)} a day`
  if (added.length === 0)
    return { passed: true, observed: 'nothing new', expected, sentence: 'no file is new' }
  const paths = await pathsOf(deps, added)
  const days = await deps.columnar.query<{ day: string; n: number }>(perDaySql(version.time ?? ''), {
    files: { f: paths },
  })
  const bad = days.filter((d) => !check.except.includes(d.day) && isOutside(check, d.n))
  const said = bad.slice(0, 3).map((d) => `${d.day} has ${d.n}`)
  // Files without a row name no day; what the clock says the data is of may be excepted.
  const isExcepted = [0, dayMs].some((ago) => check.except.includes(dayOf(clock.now() - ago)))
  if (days.length === 0 && isOutside(check, 0) && !isExcepted) said.push('what is new has no rows')
  return {
    passed: said.length === 0,
    observed: said.join(', ') || `${days.length} days`,
    expected,
    failing: bad.length,
    sentence: said.length === 0 ? expected : `${said.join(', ')}; expected ${expected}`,
  }
}

async function judgeUnique(
  deps: WholeDeps,
  { version, added }: Judged,
  check: Of<'unique'>,
): Promise<Judgement> {
  const expected = 'once each'
  if (added.length === 0)
    return { passed: true, observed: 'nothing new', expected, sentence: 'no file is new' }
  const [v, a] = await Promise.all([pathsOf(deps, version.files), pathsOf(deps, added)])
  const sample = await deps.columnar.query<Record<string, unknown>>(duplicatesSql(check), { files: { v, a } })
  const failing = Number(sample[0]?.failing ?? 0)
  const name = columnsOf(check).join(', ')
  const passed = failing === 0
  const observed = `${failing} keys in several rows`
  const sentence = passed ? `${name} is ${expected}` : `${name}: ${observed}`
  return {
    passed,
    observed,
    expected,
    failing,
    sentence,
    sample: sample.map(({ failing: _, ...row }) => row),
  }
}

type Bins = Record<string, number> & { file: string; middle: number | null }
interface Compared {
  readonly file: VersionFile
  readonly middle: number | null
  /** Infinite where the file has no numbers at all. */
  readonly value: number
}

/** Each new file's distribution against that before it: a bad night does not hide among good ones. */
async function judgeDrift(deps: WholeDeps, judged: Judged, check: Of<'drift'>): Promise<Judgement> {
  const { column } = check
  const expected = `PSI at most ${check.max}`
  const words = check.against === 'previous' ? 'accepted version before' : '28 days before'
  const added = judged.added.filter((f) => f.rows > 0)
  const deciles = added.length === 0 ? [] : await decilesOf(deps, judged, check)
  if (deciles.length === 0) {
    const sentence = `${column} has no ${words} to compare with`
    return { passed: true, observed: 'nothing to compare', expected, sentence }
  }
  const compared = await compare(deps, added, column, deciles)
  const worst = compared.reduce((a, b) => (b.value > a.value ? b : a))
  const failing = compared.filter((c) => c.value > check.max).length
  const where = failing === 0 ? '' : inFile(judged, worst.file)
  if (worst.value === Number.POSITIVE_INFINITY) {
    const sentence = `${column} has no numbers any more${where}`
    return { passed: false, observed: 'no numbers', expected, failing, sentence }
  }
  const shown = `PSI ${worst.value.toFixed(2)}`
  const medians = `; its median went from ${round(deciles[4]?.x)} to ${round(worst.middle)}${where}`
  const sentence = `${column}: ${shown} against the ${words}, bound ${check.max}${failing === 0 ? '' : medians}`
  return { passed: failing === 0, observed: shown, expected, failing, sentence }
}

async function compare(
  deps: WholeDeps,
  added: readonly VersionFile[],
  column: string,
  deciles: readonly Decile[],
): Promise<Compared[]> {
  const { edges, counts } = referenceBins(deciles)
  const paths = await pathsOf(deps, added)
  const rows = await deps.columnar.query<Bins>(binsSql(column, edges), {
    files: { n: paths },
    provenance: true,
  })
  return rows.map((row) => {
    const current = counts.map((_, i) => row[`b${i}`] ?? 0)
    return {
      file: added[paths.indexOf(row.file)] as VersionFile,
      middle: row.middle,
      value: psi(counts, current) ?? Number.POSITIVE_INFINITY,
    }
  })
}

/** Deciles of the reference; none where there is nothing to compare with. */
async function decilesOf(deps: WholeDeps, judged: Judged, check: Of<'drift'>): Promise<Decile[]> {
  const { old, from } = referenceOf(judged, check)
  if (old.length === 0) return []
  const time = from === undefined ? undefined : judged.version.time
  return deps.columnar.query<Decile>(decilesSql(check.column, time), {
    files: { r: await pathsOf(deps, old) },
    ...(from === undefined ? {} : { params: { from } }),
  })
}

/** The files that hold the reference, and the time it begins. */
function referenceOf(
  { previous, added, findings }: Judged,
  check: Of<'drift'>,
): { old: readonly VersionFile[]; from?: string } {
  const files = previous?.files ?? []
  if (check.against === 'previous') return { old: files }
  const edge = (file: VersionFile, side: 'low' | 'high') =>
    Date.parse(findings.get(file.digest)?.[side] ?? '')
  const firstNew = Math.min(...added.map((f) => edge(f, 'low')).filter(Number.isFinite))
  if (!Number.isFinite(firstNew)) return { old: [] }
  const fromMs = firstNew - referenceMs
  return {
    old: files.filter((f) => edge(f, 'high') >= fromMs),
    from: new Date(fromMs).toISOString().replace('Z', ''),
  }
}

const round = (n: number | null | undefined) =>
  typeof n === 'number' ? String(Number(n.toPrecision(4))) : '?'
