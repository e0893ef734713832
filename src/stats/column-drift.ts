/** Whether a column drifted: the method by its kind and size, the verdict by the method's threshold. Evidently's defaults. */
import { chiSquare, fisherExact, gTest, permutedVariation, proportions } from './categories.ts'
import { kolmogorovSmirnov } from './kolmogorov.ts'
import {
  categoryShares,
  type Counts,
  hellingerOf,
  hellingerOfNumbers,
  jensenShannon,
  kullbackLeibler,
  maximumGap,
  numericShares,
  type Shares,
  stability,
} from './shares.ts'
import { cdfDistance, deviation, distinctOver } from './sorted.ts'
import {
  andersonDarling,
  cramerVonMises,
  eppsSingleton,
  mannWhitneyLess,
  type Tested,
  tTest,
} from './tests-of-two.ts'

/** A column of both data sets: sorted finite numbers, or counts by category. */
export type Sample =
  | { readonly kind: 'numeric'; readonly reference: Float64Array; readonly current: Float64Array }
  | {
      readonly kind: 'categorical'
      readonly reference: Counts<string | number>
      readonly current: Counts<string | number>
    }
export interface ColumnDrift {
  readonly method: string
  readonly statistic: number
  /** Of a test; a distance has none. */
  readonly p_value: number | null
  readonly threshold: number
  readonly drifted: boolean
}
type Kind = Sample['kind']
type Outcome = number | Tested
interface Method {
  readonly threshold: number
  /** Where the p-value or the distance stands at the threshold itself. */
  readonly drifts: 'p <' | 'p <=' | 'distance >=' | 'distance >'
  readonly numeric?: (reference: Float64Array, current: Float64Array) => Outcome
  readonly categorical?: (reference: Counts<string | number>, current: Counts<string | number>) => Outcome
}

const spreadLeast = 0.001
const onShares = (of: (shares: Shares) => number) => ({
  numeric: (a: Float64Array, b: Float64Array) => of(numericShares(a, b)),
  categorical: (a: Counts<string | number>, b: Counts<string | number>) => of(categoryShares(a, b)),
})
const listed = (counts: Counts<string | number>) =>
  [...counts].flatMap(([key, count]) => new Array<string | number>(count).fill(key))

export const driftMethods: Readonly<Record<string, Method>> = {
  ks: { threshold: 0.05, drifts: 'p <=', numeric: kolmogorovSmirnov },
  wasserstein: {
    threshold: 0.1,
    drifts: 'distance >=',
    numeric: (a, b) => cdfDistance(a, b, 1) / Math.max(deviation(a), spreadLeast),
  },
  psi: { threshold: 0.1, drifts: 'distance >=', ...onShares(stability) },
  kl_div: { threshold: 0.1, drifts: 'distance >=', ...onShares(kullbackLeibler) },
  jensenshannon: { threshold: 0.1, drifts: 'distance >=', ...onShares((s) => jensenShannon(s)) },
  linfinity: { threshold: 0.1, drifts: 'distance >=', ...onShares(maximumGap) },
  hellinger: {
    threshold: 0.1,
    drifts: 'distance >=',
    numeric: hellingerOfNumbers,
    categorical: (a, b) => hellingerOf(categoryShares(a, b)),
  },
  ed: { threshold: 0.1, drifts: 'distance >', numeric: (a, b) => Math.SQRT2 * cdfDistance(a, b, 2) },
  t_test: { threshold: 0.05, drifts: 'p <', numeric: tTest },
  mannw: { threshold: 0.05, drifts: 'p <', numeric: mannWhitneyLess },
  anderson: { threshold: 0.1, drifts: 'p <', numeric: andersonDarling },
  cramer_von_mises: { threshold: 0.1, drifts: 'p <=', numeric: cramerVonMises },
  es: { threshold: 0.05, drifts: 'p <', numeric: eppsSingleton },
  chisquare: { threshold: 0.05, drifts: 'p <', categorical: chiSquare },
  z: { threshold: 0.05, drifts: 'p <', categorical: proportions },
  g_test: { threshold: 0.1, drifts: 'p <', categorical: gTest },
  fisher_exact: { threshold: 0.1, drifts: 'p <', categorical: fisherExact },
  TVD: { threshold: 0.1, drifts: 'p <', categorical: (a, b) => permutedVariation(listed(a), listed(b)) },
}

const smallReference = 1_000
const fewValues = 5
const sizeOf = (counts: Counts) => [...counts.values()].reduce((a, b) => a + b, 0)

/** The method that a column of this kind and size gets. */
export function defaultMethod(sample: Sample): string {
  const { reference, current } = sample
  const isNumeric = sample.kind === 'numeric'
  const n = isNumeric ? sample.reference.length : sizeOf(sample.reference)
  const distinct = isNumeric
    ? distinctOver(sample.reference, sample.current, fewValues + 1)
    : new Set([...(reference as Counts).keys(), ...(current as Counts).keys()]).size
  const isMany = isNumeric && distinct > fewValues
  if (n > smallReference) return isMany ? 'wasserstein' : 'jensenshannon'
  if (isMany) return 'ks'
  return distinct > 2 ? 'chisquare' : 'z'
}

export const applies = (method: string, kind: Kind): boolean => driftMethods[method]?.[kind] !== undefined

/**
 * @throws RangeError where a sample is empty, or the method cannot take the column
 */
export function columnDrift(sample: Sample, named?: string): ColumnDrift {
  if (sizes(sample).some((n) => n === 0)) throw new RangeError('a sample is empty')
  const name = named ?? defaultMethod(sample)
  const method = driftMethods[name]
  if (method === undefined) throw new RangeError(`no method \`${name}\``)
  const outcome = outcomeOf(method, sample)
  if (outcome === undefined) throw new RangeError(`\`${name}\` is not for ${sample.kind} columns`)
  const isTest = typeof outcome !== 'number'
  const score = isTest ? outcome.pValue : outcome
  return {
    method: name,
    statistic: isTest ? outcome.statistic : outcome,
    p_value: isTest ? outcome.pValue : null,
    threshold: method.threshold,
    drifted: reaches(method, score),
  }
}

function reaches({ drifts, threshold }: Method, score: number): boolean {
  if (drifts === 'p <') return score < threshold
  if (drifts === 'p <=') return score <= threshold
  return drifts === 'distance >' ? score > threshold : score >= threshold
}

const sizes = (sample: Sample) =>
  sample.kind === 'numeric'
    ? [sample.reference.length, sample.current.length]
    : [sizeOf(sample.reference), sizeOf(sample.current)]

function outcomeOf(method: Method, sample: Sample): Outcome | undefined {
  if (sample.kind === 'categorical') return method.categorical?.(sample.reference, sample.current)
  if (method.numeric !== undefined) return method.numeric(sample.reference, sample.current)
  // Numbers of few values are categories to the tests that count.
  return method.categorical?.(countsOf(sample.reference), countsOf(sample.current))
}

function countsOf(values: Float64Array): Map<number, number> {
  const counts = new Map<number, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return counts
}

export const driftShare = 0.5
/** A data set drifted where at least `share` of its columns did. */
export function dataDrift(
  columns: readonly ColumnDrift[],
  share = driftShare,
): { share: number; drifted: boolean } {
  const drifted = columns.filter((c) => c.drifted).length
  const found = columns.length === 0 ? 0 : drifted / columns.length
  return { share: found, drifted: columns.length > 0 && found >= share }
}
