/** From failures to a verdict, and what changed in a schema. Pure. */
import { edgesOf } from '#stats/drift.ts'
import type { Check, CheckResult } from './model.ts'

export const rowRules = new Set<Check['rule']>(['not_null', 'between', 'in_set', 'matches', 'in_dataset'])
export type OnFail = 'quarantine' | 'block' | 'warn'

/** Row rules follow the dataset's `on_fail`; rules about a whole version block unless they say otherwise. */
export function severityOf(check: Check, onFail: OnFail): CheckResult['severity'] {
  if (check.severity !== undefined && check.severity !== 'error') return check.severity
  return rowRules.has(check.rule) ? onFail : 'block'
}

export const passes = (results: readonly CheckResult[]): boolean =>
  results.every((r) => r.passed || r.severity !== 'block')

export function summaryOf(results: readonly CheckResult[], quarantined: number): string {
  const good = results.filter((r) => r.passed).length
  const bad = results.filter((r) => !r.passed && r.severity === 'block').map((r) => r.sentence)
  const rows = quarantined === 0 ? '' : `, ${quarantined} rows in quarantine`
  return bad.length > 0 ? [...new Set(bad)].join('; ') : `${good} of ${results.length} checks passed${rows}`
}

interface Column {
  readonly name: string
  readonly type: string
}
/** What is different, in words: `product is gone`, `item is new`, `price was DOUBLE and is INTEGER`. */
export function schemaChanges(before: readonly Column[], after: readonly Column[]): string[] {
  const then = new Map(before.map((c) => [c.name, c.type]))
  const now = new Map(after.map((c) => [c.name, c.type]))
  return [
    ...[...then.keys()].filter((n) => !now.has(n)).map((n) => `${n} is gone`),
    ...[...now.keys()].filter((n) => !then.has(n)).map((n) => `${n} is new`),
    ...[...now]
      .filter(([n, t]) => then.has(n) && then.get(n) !== t)
      .map(([n, t]) => `${n} was ${then.get(n)} and is ${t}`),
  ]
}

/** A decile of the reference, with how many rows are below it and up to it. */
export interface Decile {
  readonly x: number
  readonly below: number
  readonly upto: number
  readonly total: number
}
/** Edges of the reference's bins and the counts between them. */
export function referenceBins(deciles: readonly Decile[]): { edges: number[]; counts: number[] } {
  const known = new Map(deciles.map((d) => [d.x, d]))
  const edges = edgesOf(deciles.map((d) => d.x))
  // An edge that is no decile itself lies just above one that has a bin of its own.
  const below = edges.map((edge, i) => known.get(edge)?.below ?? known.get(edges[i - 1] ?? 0)?.upto ?? 0)
  const total = deciles[0]?.total ?? 0
  const counts = [...below, total].map((upto, i) => upto - (below[i - 1] ?? 0))
  return { edges, counts }
}
