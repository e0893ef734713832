/** Group fairness of yes-or-no predictions, in Fairlearn's names and with its rules about empty groups and ratios. Pure. */

export const groupMetrics = [
  'selection_rate',
  'true_positive_rate',
  'false_positive_rate',
  'true_negative_rate',
  'false_negative_rate',
  'accuracy',
  'precision',
  'recall',
  'count',
] as const
export type GroupMetric = (typeof groupMetrics)[number]
/** NaN where the metric has no rows. */
export type GroupValues = Readonly<Record<GroupMetric, number>>
export type Method = 'between_groups' | 'to_overall'
/** Weights of the four outcomes, and the number of rows. */
export interface Cell {
  tp: number
  fp: number
  tn: number
  fn: number
  rows: number
}
export const emptyCell = (): Cell => ({ tp: 0, fp: 0, tn: 0, fn: 0, rows: 0 })

const outOf = (part: number, whole: number) => (whole === 0 ? 0 : part / whole)

export function metricsOf({ tp, fp, tn, fn, rows }: Cell): GroupValues {
  const all = tp + fp + tn + fn
  if (rows === 0) return Object.fromEntries(groupMetrics.map((m) => [m, Number.NaN])) as GroupValues
  return {
    selection_rate: (tp + fp) / all,
    true_positive_rate: outOf(tp, tp + fn),
    false_positive_rate: outOf(fp, fp + tn),
    true_negative_rate: outOf(tn, fp + tn),
    false_negative_rate: outOf(fn, tp + fn),
    accuracy: (tp + tn) / all,
    precision: outOf(tp, tp + fp),
    recall: outOf(tp, tp + fn),
    count: rows,
  }
}

/** NaN groups are left out. */
const present = (values: readonly number[]) => values.filter((v) => !Number.isNaN(v))

export function difference(groups: readonly number[], overall: number, method: Method): number {
  const values = present(groups)
  if (values.length === 0) return Number.NaN
  if (method === 'between_groups') return Math.max(...values) - Math.min(...values)
  return Math.max(...values.map((v) => Math.abs(v - overall)))
}

/** min/max between groups; to the overall, the least of each group's ratio, turned where above one. */
export function ratio(groups: readonly number[], overall: number, method: Method): number {
  const values = present(groups)
  if (values.length === 0) return Number.NaN
  if (method === 'between_groups') return Math.min(...values) / Math.max(...values)
  const ratios = present(values.map((v) => v / overall)).map((r) => (r > 1 ? 1 / r : r))
  return ratios.length === 0 ? Number.NaN : Math.min(...ratios)
}

export type NamedMetric =
  | 'demographic_parity_difference'
  | 'demographic_parity_ratio'
  | 'equalized_odds_difference'
  | 'equalized_odds_ratio'
  | 'equal_opportunity_difference'
  | 'equal_opportunity_ratio'
export type NamedMetrics = Readonly<Record<NamedMetric, number>>
export interface Stratum {
  readonly overall: GroupValues
  readonly groups: readonly GroupValues[]
}

/** Fairlearn's six, over one stratum. */
export function namedMetrics(
  { overall, groups }: Stratum,
  method: Method,
  agg: 'worst_case' | 'mean' = 'worst_case',
): NamedMetrics {
  const gap = (m: GroupMetric) =>
    difference(
      groups.map((g) => g[m]),
      overall[m],
      method,
    )
  const share = (m: GroupMetric) =>
    ratio(
      groups.map((g) => g[m]),
      overall[m],
      method,
    )
  const [tprGap, fprGap] = [gap('true_positive_rate'), gap('false_positive_rate')]
  const [tprShare, fprShare] = [share('true_positive_rate'), share('false_positive_rate')]
  return {
    demographic_parity_difference: gap('selection_rate'),
    demographic_parity_ratio: share('selection_rate'),
    equalized_odds_difference: agg === 'mean' ? average(tprGap, fprGap) : larger(tprGap, fprGap),
    equalized_odds_ratio: agg === 'mean' ? average(tprShare, fprShare) : smaller(tprShare, fprShare),
    equal_opportunity_difference: tprGap,
    equal_opportunity_ratio: tprShare,
  }
}
// Python's max and min of two keep the first where the second does not compare, which NaN never does.
const larger = (a: number, b: number) => (Number.isNaN(a) || Number.isNaN(b) ? a : Math.max(a, b))
const smaller = (a: number, b: number) => (Number.isNaN(a) || Number.isNaN(b) ? a : Math.min(a, b))
const average = (a: number, b: number) => {
  const known = present([a, b])
  return known.length === 0 ? Number.NaN : known.reduce((x, y) => x + y, 0) / known.length
}

/** w(g, y) = P(g)·P(y) / P(g, y): weights under which group and label are independent (Kamiran & Calders 2012). */
export function reweighing(
  counts: ReadonlyMap<string, readonly [number, number]>,
): Map<string, [number, number]> {
  const cells = [...counts.values()]
  const labels = [0, 1].map((y) => cells.reduce((sum, cell) => sum + (cell[y] as number), 0))
  const n = (labels[0] as number) + (labels[1] as number)
  return new Map(
    [...counts].map(([group, cell]) => {
      const rows = cell[0] + cell[1]
      return [
        group,
        [0, 1].map((y) => (rows * (labels[y] as number)) / n / (cell[y] as number)) as [number, number],
      ]
    }),
  )
}
