/** The Kullback-Leibler divergence of a column from a partition: values with weights, or bins with weights and tails. */
import { z } from 'zod'
import { GxError } from './failure.ts'
import { expectation, inColumn, type Plan, type QueryPlan, type Verdict, verdict } from './plan.ts'
import { type Column, shown, shownSql } from './table.ts'

/** An edge may be infinite, which JSON says in words or, as Python writes it, bare. */
const edge = z.union([
  z.custom<number>((value) => typeof value === 'number' && !Number.isNaN(value)),
  z
    .enum(['-Infinity', 'Infinity', '-inf', 'inf'])
    .transform((t) => (t.startsWith('-') ? -Infinity : Infinity)),
])
const partition = z.looseObject({
  values: z.array(z.unknown()).optional(),
  bins: z.array(edge).optional(),
  weights: z.array(z.number()).optional(),
  tail_weights: z.array(z.number()).optional(),
})
type Partition = z.output<typeof partition>
const kwargs = inColumn.extend({
  partition_object: partition.nullish(),
  threshold: z.number().nullish(),
  tail_weight_holdout: z.number().nullish(),
  internal_weight_holdout: z.number().nullish(),
  bucketize_data: z.boolean().nullish(),
})
type Kwargs = z.output<typeof kwargs>

export const kl = expectation(kwargs, (k, { table }): Plan => {
  const column = table.column(k.column)
  const p = k.partition_object
  // Without a partition the column is its own: nothing diverges from itself.
  if (p === null || p === undefined) return verdict((k.threshold ?? 0) >= 0, { observed_value: 0 })
  const tail = k.tail_weight_holdout ?? 0
  const internal = k.internal_weight_holdout ?? 0
  const wrong = objection(p, k, tail, internal)
  if (wrong !== undefined) throw new GxError('ValueError', `ValueError: ${wrong}`)
  return p.values !== undefined ? categorical(column, p, k, tail) : continuous(column, p, k)
})

function objection(p: Partition, k: Kwargs, tail: number, internal: number): string | undefined {
  if (!isPartition(p)) return 'Invalid partition object.'
  if ((k.threshold ?? 0) < 0) return 'Threshold must be specified, greater than or equal to zero.'
  if (tail < 0 || tail > 1) return 'tail_weight_holdout must be between zero and one.'
  if (internal < 0 || internal > 1) return 'internal_weight_holdout must be between zero and one.'
  if (tail !== 0 && p.tail_weights !== undefined)
    return 'tail_weight_holdout must be 0 when using tail_weights in partition object'
  if (p.values === undefined) return binsObjection(p, k, tail)
  return internal > 0 ? 'Internal weight holdout cannot be used for discrete data.' : undefined
}

function binsObjection(
  { bins = [], tail_weights: tails }: Partition,
  k: Kwargs,
  tail: number,
): string | undefined {
  if (k.bucketize_data === false) return 'a continuous partition needs bucketize_data'
  const isOpenBelow = bins[0] === -Infinity
  const isOpenAbove = bins.at(-1) === Infinity
  if (isOpenBelow && isOpenAbove && tail > 0)
    return 'tail_weight_holdout cannot be used for partitions with infinite endpoints.'
  return (isOpenBelow || isOpenAbove) && tails !== undefined
    ? 'There can be no tail weights for partitions with one or both endpoints at infinity'
    : undefined
}

function isPartition(p: Partition): boolean {
  const weights = p.weights ?? []
  const sum = [...weights, ...(p.tail_weights ?? [])].reduce((a, b) => a + b, 0)
  if (weights.length === 0 || Math.abs(sum - 1) > 1e-4 || weights.some((w) => w < 0)) return false
  if (p.values !== undefined) return p.values.length === weights.length
  const bins = p.bins ?? []
  return (
    bins.length === weights.length + 1 && bins.every((edge, i) => i === 0 || edge > (bins[i - 1] as number))
  )
}

const key = (value: unknown) => JSON.stringify(value)

function categorical(column: Column, p: Partition, k: Kwargs, tail: number): QueryPlan {
  return {
    plan: 'query',
    sql: `select ${shownSql(column)} as value, count(*) as times from kept where ${column.sql} is not null group by 1 order by 2 desc, 1 limit 100000`,
    judge: (rows) => {
      const total = rows.reduce((sum, row) => sum + Number(row.times), 0)
      const observed = new Map(rows.map((row) => [key(shown(column, row.value)), Number(row.times) / total]))
      const values = [...(p.values ?? [])]
      const known = new Set(values.map(key))
      const surprises = rows.map((row) => shown(column, row.value)).filter((value) => !known.has(key(value)))
      const scale = surprises.length > 0 ? 1 - tail : 1
      const expected = [
        ...(p.weights ?? []).map((w) => w * scale),
        ...surprises.map(() => tail / surprises.length),
      ]
      values.push(...surprises)
      const weights = values.map((value) => observed.get(key(value)) ?? 0)
      return judged(k, weights, expected, {
        observed_partition: { values, weights },
        expected_partition: { values, weights: expected },
      })
    },
  }
}

/** Σ p ln(p/q) of shares made to sum to one; infinite where something comes that was expected never. */
function divergence(observed: readonly number[], expected: readonly number[]): number {
  const [a, b] = [observed, expected].map((list) => list.reduce((x, y) => x + y, 0))
  return observed.reduce((sum, count, i) => {
    const p = count / (a as number)
    const q = (expected[i] as number) / (b as number)
    return p === 0 ? sum : sum + p * Math.log(p / q)
  }, 0)
}

function judged(
  k: Kwargs,
  observed: readonly number[],
  expected: readonly number[],
  details: unknown,
): Verdict {
  const value = divergence(observed, expected)
  const success = k.threshold === null || k.threshold === undefined ? true : value <= k.threshold
  return { success, result: { observed_value: Number.isFinite(value) ? value : null, details } }
}

function continuous(column: Column, p: Partition, k: Kwargs): QueryPlan {
  const bins = p.bins ?? []
  const c = column.sql
  const at = (value: number) => `cast('${value}' as double)`
  const counts = bins.slice(1).map((high, i) => {
    const isLast = i === bins.length - 2
    return `count(*) filter (where ${c} >= ${at(bins[i] as number)} and ${c} ${isLast ? '<=' : '<'} ${at(high)}) as b${i}`
  })
  const [low, high] = [bins[0] as number, bins.at(-1) as number]
  if (column.kind !== 'int' && column.kind !== 'float')
    throw new GxError('ValueError', `ValueError: column "${column.name}" is not numeric`)
  return {
    plan: 'query',
    sql: `select ${counts.join(', ')}, count(*) filter (where ${c} < ${at(low)}) as below, count(*) filter (where ${c} > ${at(high)}) as above, count(${c}) as n from kept`,
    judge: ([row]) => {
      const n = Number(row?.n)
      const observed = bins.slice(1).map((_, i) => Number(row?.[`b${i}`]) / n)
      return binned(p, k, observed, [Number(row?.below) / n, Number(row?.above) / n])
    },
  }
}

/** Weights and tails of both sides; an open end is its own tail. */
function binned(
  p: Partition,
  k: Kwargs,
  observed: readonly number[],
  outside: readonly [number, number],
): Verdict {
  const bins = p.bins ?? []
  const tail = k.tail_weight_holdout ?? 0
  const internal = k.internal_weight_holdout ?? 0
  const zeros = (p.weights ?? []).filter((w) => w === 0).length
  const expected = (p.weights ?? []).map((w) => {
    const scaled = w * (1 - tail - internal)
    return scaled === 0 && internal > 0 ? internal / zeros : scaled
  })
  const isLowOpen = bins[0] === -Infinity
  const isHighOpen = bins.at(-1) === Infinity
  const spare = isLowOpen || isHighOpen ? tail : tail / 2
  const given = p.tail_weights ?? [spare, spare]
  const wrap = (list: readonly number[], ends: readonly number[]) => [
    ...(isLowOpen ? [] : [ends[0] as number]),
    ...list,
    ...(isHighOpen ? [] : [ends[1] as number]),
  ]
  const inner = <T>(list: readonly T[]) => list.slice(isLowOpen ? 1 : 0, isHighOpen ? -1 : undefined)
  const tails = (list: readonly number[], ends: readonly number[]) => [
    isLowOpen ? list[0] : ends[0],
    isHighOpen ? list.at(-1) : ends[1],
  ]
  return judged(k, wrap(observed, outside), wrap(expected, given), {
    observed_partition: {
      bins: inner(bins),
      weights: inner(observed),
      tail_weights: tails(observed, outside),
    },
    expected_partition: { bins: inner(bins), weights: inner(expected), tail_weights: tails(expected, given) },
  })
}
