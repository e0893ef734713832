/** Two files → which columns drifted. Categories are counted by the engine, numbers come sorted out of it. */
import { Fault } from '#base/errors.ts'
import type { Column, Columnar, QueryOptions } from '#platform/columnar/index.ts'
import {
  applies,
  type ColumnDrift,
  columnDrift,
  dataDrift,
  driftMethods,
  type Sample,
} from '#stats/column-drift.ts'
import { sortNumbers } from '#stats/sorted.ts'
import type { DriftReport } from '../cli/index.ts'

type Kind = 'float' | 'int' | 'text' | 'bool' | 'time' | 'other'
const kinds: [RegExp, Kind][] = [
  [/^BOOLEAN$/, 'bool'],
  [/INT(EGER)?$/, 'int'],
  [/^(FLOAT|DOUBLE)$|^DECIMAL/, 'float'],
  [/^(VARCHAR|ENUM|UUID)/, 'text'],
  [/^(TIMESTAMP|DATE|TIME)/, 'time'],
]
const kindOf = (type: string): Kind => kinds.find(([named]) => named.test(type))?.[1] ?? 'other'
const isNumber = (kind: Kind) => kind === 'float' || kind === 'int'
const invalid = (message: string) => new Fault('invalid', 'stats.drift', message)
const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`
/** Whole numbers of at most so many values are categories. */
const wholeValuesMax = 10
const categoriesMax = 5_000_000

export interface DriftWords {
  readonly reference: string
  readonly current: string
  readonly method?: string
}

export async function driftOf(columnar: Columnar, words: DriftWords): Promise<DriftReport> {
  const { method } = words
  if (method !== undefined && driftMethods[method] === undefined)
    throw invalid(`there is no method \`${method}\`: it is one of ${Object.keys(driftMethods).join(', ')}`)
  const options = { files: { r: words.reference, c: words.current }, plainCsv: true, rowsMax: categoriesMax }
  const before = await columnar.schemaOf(words.reference, options)
  const now = await columnar.schemaOf(words.current, options)
  const types = new Map(now.map((c) => [c.name, c.type]))
  const shared = before.filter((c) => types.has(c.name))
  if (shared.length === 0) throw invalid('the files have no column in common')
  for (const [view, file] of [
    ['r', words.reference],
    ['c', words.current],
  ] as const) {
    const [row] = await columnar.query<{ n: number }>(`select count(*) as n from ${view}`, options)
    if (row === undefined || row.n === 0) throw invalid(`${file} has no rows`)
  }
  const names = new Set(before.map((c) => c.name))
  const notes = [
    ...before.filter((c) => !types.has(c.name)).map((c) => `${c.name}: only in the reference`),
    ...now.filter((c) => !names.has(c.name)).map((c) => `${c.name}: only in the current data`),
  ]
  const found = await kindsOf(columnar, shared, types, options)
  const columns: Record<string, ColumnDrift> = {}
  for (const { name, as } of found) {
    if (as !== 'numeric' && as !== 'categorical') {
      notes.push(`${name}: ${as}`)
      continue
    }
    const sample =
      as === 'numeric' ? await numbersOf(columnar, name, options) : await countsOf(columnar, name, options)
    columns[name] = driftIn(name, sample, method)
  }
  if (Object.keys(columns).length === 0) throw invalid(`no column can be compared: ${notes.join('; ')}`)
  return { columns, dataset: dataDrift(Object.values(columns)), notes }
}

function driftIn(name: string, sample: Sample, method: string | undefined): ColumnDrift {
  const isCountable = method !== undefined && (applies(method, sample.kind) || sample.kind === 'numeric')
  try {
    return columnDrift(sample, isCountable && methodSuits(method, sample) ? method : undefined)
  } catch (error) {
    if (error instanceof RangeError) throw invalid(`column "${name}": ${error.message}`)
    throw error
  }
}
/** A method for the other kind of column leaves this one to its default. */
const methodSuits = (method: string, sample: Sample): boolean => applies(method, sample.kind)

interface Found {
  readonly name: string
  readonly as: 'numeric' | 'categorical' | string
}

/** What each column is to the tests, as Evidently infers it from the current data. */
async function kindsOf(
  columnar: Columnar,
  shared: readonly Column[],
  types: ReadonlyMap<string, string>,
  options: QueryOptions,
): Promise<Found[]> {
  const counted = shared.filter((c) => ['int', 'text'].includes(kindOf(types.get(c.name) ?? '')))
  const list = counted.map(
    ({ name }, i) => `count(distinct ${quoted(name)}) as d${i}, count(${quoted(name)}) as n${i}`,
  )
  const [counts = {}] = await columnar.query<Record<string, number>>(
    `select count(*) as rows${list.map((l) => `, ${l}`).join('')} from c`,
    options,
  )
  const measured = new Map(
    counted.map(({ name }, i) => [name, [counts[`d${i}`] ?? 0, counts[`n${i}`] ?? 0] as const]),
  )
  return shared.map(({ name, type }) => {
    const [was, is] = [kindOf(type), kindOf(types.get(name) ?? '')]
    const [distinct, present] = measured.get(name) ?? [0, 0]
    if ([was, is].some((kind) => kind === 'time' || kind === 'other'))
      return { name, as: 'dates and nested values are not compared' }
    if (isNumber(was) !== isNumber(is) && was !== 'bool' && is !== 'bool')
      throw invalid(`column "${name}" is ${type} in the reference and ${types.get(name)} in the current data`)
    if (is === 'text' && distinct > present * 0.5) return { name, as: 'free text is not compared' }
    // A whole number that is missing somewhere is a float to data people's tools.
    const isWhole = is === 'int' && present === counts.rows && distinct <= wholeValuesMax
    return { name, as: isNumber(is) && !isWhole ? 'numeric' : 'categorical' }
  })
}

async function numbersOf(columnar: Columnar, name: string, options: QueryOptions): Promise<Sample> {
  const value = `cast(${quoted(name)} as double)`
  const sorted = async (view: 'r' | 'c') =>
    sortNumbers(await columnar.numbers(`select ${value} as v from ${view} where isfinite(${value})`, options))
  const [reference, current] = await Promise.all([sorted('r'), sorted('c')])
  return { kind: 'numeric', reference, current }
}

async function countsOf(columnar: Columnar, name: string, options: QueryOptions): Promise<Sample> {
  const counted = async (view: 'r' | 'c') => {
    const sql = `select ${quoted(name)} as k, count(*) as n from ${view} where ${quoted(name)} is not null group by 1 order by 1`
    const rows = await columnar.query<{ k: string | number | boolean; n: number }>(sql, options)
    const finite = rows.filter((row) => typeof row.k !== 'number' || Number.isFinite(row.k))
    return new Map(finite.map((row) => [typeof row.k === 'boolean' ? Number(row.k) : row.k, Number(row.n)]))
  }
  const [reference, current] = await Promise.all([counted('r'), counted('c')])
  return { kind: 'categorical', reference, current }
}
