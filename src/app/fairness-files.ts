/** A file of predictions → Fairlearn's frame: metrics by group and overall, gaps and ratios, the six named ones. */
import { Fault } from '#base/errors.ts'
import type { Columnar } from '#platform/columnar/index.ts'
import {
  type Cell,
  difference,
  emptyCell,
  type GroupMetric,
  type GroupValues,
  groupMetrics,
  metricsOf,
  namedMetrics,
  ratio,
  type Stratum,
} from '#stats/fairness.ts'
import type { FairnessReport } from '../cli/index.ts'

export interface FairnessWords {
  readonly data: string
  readonly yTrue: string
  readonly yPred: string
  readonly sensitive: readonly string[]
  readonly control: readonly string[]
}
type Value = string | number | boolean | null
type Row = Readonly<Record<string, Value>>
const invalid = (message: string, remedy?: string) =>
  new Fault('invalid', 'stats.fairness', message, remedy === undefined ? {} : { remedy })
const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`
const groupsMax = 100_000

export async function fairnessOf(columnar: Columnar, words: FairnessWords): Promise<FairnessReport> {
  const rows = await counted(columnar, words)
  const features = words.control.length + words.sensitive.length
  const groups = rows.map((row) => ({
    keys: Array.from({ length: features }, (_, i) => String(row[`g${i}`])),
    cell: cellOf(row, words),
  }))
  const cells = new Map<string, Cell>()
  const levels = Array.from({ length: features }, (_, i) =>
    [...new Set(rows.map((row) => row[`g${i}`] as Value))].sort(order).map(String),
  )
  for (const { keys, cell } of groups) add(at(cells, keys.join(',')), cell)
  const strata = combinations(levels.slice(0, words.control.length)).flatMap((control) => {
    const all = combinations(levels.slice(words.control.length)).map((group) => [...control, ...group])
    const own = groups
      .filter(({ keys }) => control.every((key, i) => keys[i] === key))
      .map(({ cell }) => cell)
    return own.length === 0
      ? []
      : [
          {
            name: control.join(','),
            keys: all,
            stratum: stratumOf(
              own,
              all.map((keys) => cells.get(keys.join(',')) ?? emptyCell()),
            ),
          },
        ]
  })
  const isControlled = words.control.length > 0
  const perStratum = (of: (stratum: Stratum, metric: GroupMetric) => number) =>
    table((metric) => {
      const values = strata.map(({ name, stratum }) => [name, shown(of(stratum, metric))] as const)
      return isControlled ? Object.fromEntries(values) : (values[0]?.[1] ?? null)
    })
  return {
    by_group: table((metric) =>
      Object.fromEntries(
        strata.flatMap(({ keys, stratum }) =>
          keys.map((key, i) => [key.join(','), shown(stratum.groups[i]?.[metric] ?? Number.NaN)]),
        ),
      ),
    ),
    overall: perStratum((stratum, metric) => stratum.overall[metric]),
    difference: perStratum(({ groups: g, overall }, m) =>
      difference(values(g, m), overall[m], 'between_groups'),
    ),
    ratio: perStratum(({ groups: g, overall }, m) => ratio(values(g, m), overall[m], 'between_groups')),
    // The named six know no control features: they are over the sensitive groups alone.
    ...named(groups.map(({ keys, cell }) => ({ key: keys.slice(words.control.length).join(','), cell }))),
  }
}

const values = (groups: readonly GroupValues[], metric: GroupMetric) => groups.map((g) => g[metric])
const shown = (value: number) => (Number.isFinite(value) ? value : null)
const table = (of: (metric: GroupMetric) => unknown) =>
  Object.fromEntries(groupMetrics.map((m) => [m, of(m)]))
const order = (a: Value, b: Value) => ((a as string) < (b as string) ? -1 : 1)

function combinations(levels: readonly (readonly string[])[]): string[][] {
  return levels.reduce<string[][]>(
    (found, level) => found.flatMap((keys) => level.map((key) => [...keys, key])),
    [[]],
  )
}
function at(cells: Map<string, Cell>, key: string): Cell {
  const cell = cells.get(key) ?? emptyCell()
  cells.set(key, cell)
  return cell
}
function add(to: Cell, from: Cell): void {
  for (const part of ['tp', 'fp', 'tn', 'fn', 'rows'] as const) to[part] += from[part]
}
function stratumOf(own: readonly Cell[], groups: readonly Cell[]): Stratum {
  const whole = emptyCell()
  for (const cell of own) add(whole, cell)
  return { overall: metricsOf(whole), groups: groups.map(metricsOf) }
}

function named(groups: readonly { key: string; cell: Cell }[]): Record<string, number | null> {
  const cells = new Map<string, Cell>()
  for (const { key, cell } of groups) add(at(cells, key), cell)
  const six = namedMetrics(stratumOf([...cells.values()], [...cells.values()]), 'between_groups')
  return Object.fromEntries(Object.entries(six).map(([name, value]) => [name, shown(value)]))
}

/** Rows by group, label and prediction, counted by the engine. */
async function counted(columnar: Columnar, words: FairnessWords): Promise<Row[]> {
  const options = { files: { d: words.data }, plainCsv: true, rowsMax: groupsMax }
  const names = (await columnar.schemaOf(words.data, options)).map((c) => c.name)
  const features = [...words.control, ...words.sensitive]
  if (words.sensitive.length === 0) throw invalid('--sensitive names no column')
  for (const name of [words.yTrue, words.yPred, ...features])
    if (!names.includes(name)) throw invalid(`there is no column "${name}"`, `columns: ${names.join(', ')}`)
  const keys = features.map((name, i) => `${quoted(name)} as g${i}`)
  const rows = await columnar.query<Row>(
    `select ${keys.join(', ')}, ${quoted(words.yTrue)} as y, ${quoted(words.yPred)} as p, count(*) as n from d group by all`,
    options,
  )
  if (rows.length === 0) throw invalid(`${words.data} has no rows`)
  features.forEach((name, i) => {
    if (rows.some((row) => row[`g${i}`] === null || Number.isNaN(row[`g${i}`])))
      throw invalid(`column "${name}" contains missing values`, 'leave out the rows whose group is unknown')
  })
  return rows
}

function cellOf(row: Row, words: FairnessWords): Cell {
  const [y, p] = [labelOf(row.y ?? null, words.yTrue), labelOf(row.p ?? null, words.yPred)]
  const n = Number(row.n)
  const cell = emptyCell()
  cell.rows = n
  cell[y ? (p ? 'tp' : 'fn') : p ? 'fp' : 'tn'] = n
  return cell
}

/** 1 and true are yes; 0, −1 and false are no. */
function labelOf(value: Value, column: string): boolean {
  if (value === 1 || value === true) return true
  if (value === 0 || value === -1 || value === false) return false
  const what = value === null ? 'a missing value' : JSON.stringify(value)
  throw invalid(`column "${column}" has ${what}; labels and predictions are 0 and 1, or true and false`)
}
