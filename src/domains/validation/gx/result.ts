/** Validation results as GX writes them, by result format. Pure. */
import type { MapPlan } from './plan.ts'

export interface ResultFormat {
  readonly level: 'BOOLEAN_ONLY' | 'BASIC' | 'SUMMARY' | 'COMPLETE'
  readonly partialMax: number
  readonly indexNames: readonly string[] | undefined
  readonly withoutValues: boolean
  readonly withQuery: boolean
  readonly withRows: boolean
}
const levels = ['BOOLEAN_ONLY', 'BASIC', 'SUMMARY', 'COMPLETE'] as const
const partialMaxDefault = 20
/** Values in a result at the most; the list of rows goes on. GX's own limit. */
const valuesMax = 200

/** @throws Error for an unknown format */
export function readFormat(given: unknown, otherwise: unknown = 'SUMMARY'): ResultFormat {
  const value = given ?? otherwise
  const format = (typeof value === 'string' ? { result_format: value } : value) as Record<string, unknown>
  const named = String(format.result_format ?? 'SUMMARY').toUpperCase()
  const level = levels.find((l) => l === (named === 'NONE' ? 'BOOLEAN_ONLY' : named))
  if (level === undefined)
    throw new Error(`Unknown result_format ${named}: it is one of ${levels.join(', ')}`)
  const names = format.unexpected_index_column_names
  const partialMax = format.partial_unexpected_count
  return {
    level,
    partialMax:
      typeof partialMax === 'number'
        ? Math.min(valuesMax, Math.max(0, Math.trunc(partialMax)))
        : partialMaxDefault,
    indexNames:
      names === undefined || names === null
        ? undefined
        : Array.isArray(names)
          ? names.map(String)
          : [String(names)],
    withoutValues: format.exclude_unexpected_values === true,
    withQuery: format.return_unexpected_index_query !== false,
    withRows: format.include_unexpected_rows === true,
  }
}

/** What a scan found of the rows of a map expectation. */
export interface Found {
  readonly elements: number
  readonly considered: number
  readonly unexpected: number
  readonly rows: readonly {
    readonly index: unknown
    readonly values: readonly unknown[]
    readonly row?: unknown
  }[]
}

/** Success where the share of expected among the considered reaches `mostly`; nothing considered is success. */
export const mapSuccess = ({ considered, unexpected }: Found, mostly: number): boolean =>
  considered === 0 || (considered - unexpected) / considered >= mostly

export function mapResult(plan: MapPlan, found: Found, format: ResultFormat): Record<string, unknown> {
  if (format.level === 'BOOLEAN_ONLY') return {}
  const percent = (part: number, whole: number) => (whole === 0 ? null : (part / whole) * 100)
  const { elements, considered, unexpected } = found
  const missing = elements - considered
  const values = found.rows.slice(0, valuesMax).map((row) => shownValue(plan, row.values))
  const indexes = found.rows.map((row) => row.index)
  const ofConsidered =
    elements === 0 ? null : percent(unexpected, plan.nothingMissing === true ? elements : considered)
  const result: Record<string, unknown> = {
    element_count: elements,
    unexpected_count: unexpected,
    unexpected_percent: ofConsidered,
  }
  if (!format.withoutValues) result.partial_unexpected_list = values.slice(0, format.partialMax)
  if (format.indexNames !== undefined) result.unexpected_index_column_names = format.indexNames
  if (plan.nothingMissing !== true) {
    result.missing_count = missing
    result.missing_percent = percent(missing, elements)
    result.unexpected_percent_total = percent(unexpected, elements)
    result.unexpected_percent_nonmissing = ofConsidered
  }
  if (format.withRows) result.unexpected_rows = found.rows.slice(0, format.partialMax).map((row) => row.row)
  if (format.level === 'BASIC') return result
  const counts =
    format.withoutValues || format.partialMax === 0 ? undefined : countsOf(values, format.partialMax)
  if (counts !== undefined) result.partial_unexpected_counts = counts
  if (format.partialMax > 0) result.partial_unexpected_index_list = indexes.slice(0, format.partialMax)
  if (format.level === 'SUMMARY') return result
  if (!format.withoutValues) result.unexpected_list = values
  result.unexpected_index_list = indexes
  if (format.withQuery) result.unexpected_index_query = queryOf(indexes, format.indexNames)
  return result
}

function shownValue({ domain, columns }: MapPlan, values: readonly unknown[]): unknown {
  if (domain === 'column') return values[0]
  return domain === 'pair' ? values : Object.fromEntries(columns.map((c, i) => [c.name, values[i]]))
}

/** The most frequent values, most frequent first and then by value; none where they cannot be ordered. */
function countsOf(values: readonly unknown[], most: number): { value: unknown; count: number }[] | undefined {
  const counts = new Map<string, { value: unknown; count: number }>()
  for (const given of values) {
    const isRecord = typeof given === 'object' && given !== null && !Array.isArray(given)
    const value = isRecord ? Object.values(given) : given
    const key = JSON.stringify(value)
    const seen = counts.get(key)
    counts.set(key, { value, count: (seen?.count ?? 0) + 1 })
  }
  const frequent = [...counts.values()].sort((a, b) => b.count - a.count).slice(0, most)
  const kinds = new Set(frequent.map(({ value }) => typeof value))
  if (kinds.size > 1) return undefined
  return frequent.sort((a, b) => b.count - a.count || order(a.value, b.value))
}

function order(a: unknown, b: unknown): number {
  if (!Array.isArray(a) || !Array.isArray(b))
    return (a as number) < (b as number) ? -1 : (a as number) > (b as number) ? 1 : 0
  for (let i = 0; i < a.length; i++) {
    const by = order(a[i], b[i])
    if (by !== 0) return by
  }
  return 0
}

function queryOf(indexes: readonly unknown[], names: readonly string[] | undefined): string {
  const python = (value: unknown) => (typeof value === 'string' ? `'${value}'` : JSON.stringify(value))
  const ids = indexes.map((index) => {
    if (names === undefined) return python(index)
    const keys = names.map((name) => python((index as Record<string, unknown>)[name]))
    return keys.length === 1 ? keys[0] : `(${keys.join(', ')})`
  })
  return `df.filter(items=[${ids.join(', ')}], axis=0)`
}
