/** What a suite is held against: a file, or a small data set written in JSON. Both become one relation with known kinds. */
import type { Columnar } from '#platform/columnar/index.ts'
import { nearest } from '#platform/definitions/index.ts'
import { readDate } from './dates.ts'
import { GxError } from './failure.ts'

/** `mixed` holds values of several kinds, each as its JSON text. */
export type Kind = 'bool' | 'int' | 'float' | 'text' | 'time' | 'date' | 'mixed' | 'other'
export interface Column {
  readonly name: string
  readonly kind: Kind
  /** DuckDB's name of its type. */
  readonly type: string
  /** Its name in the relation `t`, where a missing value is null and never NaN. */
  readonly sql: string
  /** What makes it of the source. */
  readonly from: string
}
export interface Table {
  readonly columns: readonly Column[]
  /** The relation that `from` expressions read. */
  readonly source: string
  /** Files behind the views that the source names. */
  readonly files: Readonly<Record<string, string | readonly string[]>>
  readonly isTestData: boolean
  /** Rows of the tables that a data set in JSON brings beside its first. */
  readonly others: ReadonlyMap<string, number>
  /** @throws GxError for a column that is not there */
  column(name: unknown): Column
}

export const quote = (text: string): string => `'${text.replaceAll("'", "''")}'`
const identifier = (name: string): string => `"${name.replaceAll('"', '""')}"`

const kinds: [RegExp, Kind][] = [
  [/^BOOLEAN$/, 'bool'],
  [/^U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?$/, 'int'],
  [/^(FLOAT|DOUBLE|REAL)$|^DECIMAL/, 'float'],
  [/^(VARCHAR|UUID|ENUM)/, 'text'],
  [/^TIMESTAMP/, 'time'],
  [/^DATE$/, 'date'],
]
const kindOf = (type: string): Kind => kinds.find(([named]) => named.test(type))?.[1] ?? 'other'

function fromOf(name: string, type: string): string {
  const column = identifier(name)
  if (/^(FLOAT|DOUBLE)$/.test(type)) return `case when isnan(${column}) then null else ${column} end`
  if (/^DECIMAL/.test(type)) return `cast(${column} as double)`
  if (/^TIMESTAMP WITH TIME ZONE$/.test(type)) return `cast(${column} at time zone 'UTC' as timestamp)`
  if (/^TIMESTAMP_/.test(type)) return `cast(${column} as timestamp)`
  return /^(UUID|ENUM)/.test(type) ? `cast(${column} as varchar)` : column
}

function tableOf(
  named: readonly { name: string; type: string; kind?: Kind }[],
  rest: Omit<Table, 'columns' | 'column'>,
): Table {
  const columns = named.map(({ name, type, kind }, i): Column => {
    return { name, type, kind: kind ?? kindOf(type), sql: `c${i}`, from: fromOf(name, type) }
  })
  const byName = new Map(columns.map((c) => [c.name, c]))
  return {
    ...rest,
    columns,
    column(name) {
      const found = byName.get(String(name))
      if (found !== undefined) return found
      const near = nearest(String(name), [...byName.keys()])
      const hint = near === undefined ? '' : `; did you mean "${near}"`
      throw new GxError(
        'InvalidMetricAccessorDomainKwargsKeyError',
        `Error: The column "${name}" in BatchData does not exist${hint}; columns: ${[...byName.keys()].slice(0, 50).join(', ')}`,
      )
    },
  }
}

/** The table behind a Parquet, CSV or JSON-lines file. */
export async function fileTable(columnar: Columnar, paths: string | readonly string[]): Promise<Table> {
  const columns = await columnar.schemaOf(paths, { plainCsv: true })
  return tableOf(columns, { source: 'data', files: { data: paths }, isTestData: false, others: new Map() })
}

interface TestData {
  readonly data: Readonly<Record<string, readonly unknown[]>>
  readonly schemas?: Readonly<Record<string, Readonly<Record<string, string>>>>
}
const cellsMax = 2_000_000

/**
 * The table of a data set as GX's test definitions write it: `{data, schemas}`, `{datasets: [...]}` or bare columns.
 * @throws Error in words, where the document is none
 */
export function testTable(document: unknown): Table {
  const { data, schemas } = testDataOf(document)
  const names = Object.keys(data)
  const rows = Math.max(0, ...names.map((name) => (data[name] ?? []).length))
  if (rows * names.length > cellsMax)
    throw new Error('a data set in JSON is for small tests; use Parquet, CSV or JSON lines')
  const typed = names.map((name) => {
    const values = data[name] ?? []
    if (values.length !== rows)
      throw new Error(`the columns differ in length: ${name} has ${values.length} of ${rows} values`)
    return { name, values, ...typeOf(values, schemas?.pandas?.[name] ?? schemas?.sqlite?.[name] ?? '') }
  })
  const source = `(select ${typed.map(({ name, values, type, kind }) => `${unnested(values, type, kind)} as ${identifier(name)}`).join(', ') || '1 where false'})`
  return tableOf(typed, { source, files: {}, isTestData: true, others: othersOf(document) })
}

function testDataOf(document: unknown): TestData {
  if (typeof document !== 'object' || document === null) throw new Error('a data set is an object of columns')
  const { datasets, data, schemas } = document as {
    datasets?: unknown[]
    data?: unknown
    schemas?: TestData['schemas']
  }
  if (Array.isArray(datasets)) return testDataOf(datasets[0])
  if (Array.isArray(data)) return testDataOf(data[0])
  const columns = typeof data === 'object' && data !== null && !Array.isArray(data) ? data : document
  for (const [name, values] of Object.entries(columns))
    if (!Array.isArray(values)) throw new Error(`column ${name} is no list of values`)
  return { data: columns as TestData['data'], ...(schemas === undefined ? {} : { schemas }) }
}

function othersOf(document: unknown): Map<string, number> {
  const { datasets, data } = document as { datasets?: { data?: unknown }[]; data?: unknown }
  const list = Array.isArray(data) ? data : Array.isArray(datasets?.[0]?.data) ? datasets[0].data : []
  return new Map(
    (list as { dataset_name?: string; data?: Record<string, unknown[]> }[]).map((other) => [
      other.dataset_name ?? '',
      Math.max(0, ...Object.values(other.data ?? {}).map((values) => values.length)),
    ]),
  )
}

/** The kind that the values have, or that the schema wants of them where they can have it. */
function typeOf(values: readonly unknown[], wanted: string): { type: string; kind?: Kind } {
  const present = values.filter((v) => v !== null)
  const all = (is: (v: unknown) => boolean) => present.length > 0 && present.every(is)
  if (/date|timestamp/i.test(wanted) && all((v) => typeof v === 'string' && readDate(v) !== undefined))
    return {
      type:
        all((v) => /\d\s*[+-]\d{2}:?\d{2}$/.test(String(v))) || /tz/i.test(wanted)
          ? 'TIMESTAMPTZ'
          : 'TIMESTAMP',
    }
  if (/^(str|string|varchar|text)/i.test(wanted) && all((v) => typeof v !== 'object'))
    return { type: 'VARCHAR' }
  if (all((v) => typeof v === 'boolean')) return { type: 'BOOLEAN' }
  if (all((v) => typeof v === 'number')) {
    const isWhole = all((v) => Number.isSafeInteger(v)) && !/^(float|double|real)/i.test(wanted)
    return { type: isWhole ? 'BIGINT' : 'DOUBLE' }
  }
  if (all((v) => typeof v === 'string')) return { type: 'VARCHAR' }
  return present.length === 0 ? { type: 'DOUBLE' } : { type: 'JSON', kind: 'mixed' }
}

function unnested(values: readonly unknown[], type: string, kind: Kind | undefined): string {
  const cells = values.map((value) => {
    if (value === null) return 'null'
    if (kind === 'mixed') return quote(JSON.stringify(value))
    if (type.startsWith('TIMESTAMP')) return quote(readDate(String(value)) ?? '')
    if (type === 'DOUBLE') return quote(String(value))
    return type === 'VARCHAR' ? quote(String(value)) : String(value)
  })
  const cast = kind === 'mixed' ? 'VARCHAR' : type.startsWith('TIMESTAMP') ? 'TIMESTAMP' : type
  return `unnest(cast([${cells.join(', ')}] as ${cast}[]))`
}

/** The value as text, as Python's `str` shows it. */
export function textOf(column: Column): string {
  if (column.kind === 'text') return column.sql
  return column.kind === 'mixed'
    ? `json_extract_string(${column.sql}, '$')`
    : `cast(${column.sql} as varchar)`
}

/** A value of JSON as SQL, to be compared with a column; without one, by its own kind. */
export function literalSql(column: Column | undefined, value: unknown): string {
  if (value === null || value === undefined) return 'null'
  if (column?.kind === 'mixed') return quote(JSON.stringify(value))
  if (column?.kind === 'time' || column?.kind === 'date') {
    const read = typeof value === 'string' ? readDate(value) : undefined
    if (read === undefined)
      throw new GxError('TypeError', `column "${column.name}" holds dates; ${JSON.stringify(value)} is none`)
    return `timestamp ${quote(read)}`
  }
  if (typeof value === 'boolean') return String(value)
  if (typeof value === 'number') {
    if (Number.isSafeInteger(value)) return String(value)
    return `cast(${quote(String(value))} as double)`
  }
  return quote(typeof value === 'string' ? value : JSON.stringify(value))
}

/** A value as it stands in a result. */
export function shownSql(column: Column): string {
  if (column.kind === 'time') return `replace(cast(${column.sql} as varchar), ' ', 'T')`
  return column.kind === 'date' || column.kind === 'other' ? `cast(${column.sql} as varchar)` : column.sql
}
export const shown = (column: Column, value: unknown): unknown =>
  column.kind === 'mixed' && typeof value === 'string' ? JSON.parse(value) : value
