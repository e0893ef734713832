/** Drift, detectors, fairness and model metrics against Evidently, river, Fairlearn and scikit-learn; golden-drift.py wrote them. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { binaryMetrics } from './classification.ts'
import { columnDrift, dataDrift, driftMethods, type Sample } from './column-drift.ts'
import { emptyCell, metricsOf, namedMetrics, reweighing } from './fairness.ts'
import { mersenne, pythonMersenne } from './mersenne.ts'
import { ndcg } from './ranking.ts'
import { furtherErrors, quantileLoss } from './regression.ts'
import { jensenShannon } from './shares.ts'
import { sortedCopy, sortNumbers } from './sorted.ts'
import { adwin, ddm, type Detector, eddm, kswin, pageHinkley } from './streams.ts'

const golden = JSON.parse(await readFile(path.join(import.meta.dirname, 'drift.golden.json'), 'utf8'))
const near = (a: number | null | undefined, b: number, what = '') =>
  assert.ok(
    typeof a === 'number' && Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(b)),
    `${what} ${a} is not ${b}`,
  )

/** The same generator as in golden-drift.py. */
function ints(seed: number, n: number, m: number): number[] {
  let x = BigInt(seed)
  return Array.from({ length: n }, () => {
    x = (1103515245n * x + 12345n) % 2147483648n
    return (Number(x) >>> 8) % m
  })
}
const numbers: Record<string, [number[], number[]]> = {
  N: [ints(1, 500, 10000).map((v) => v / 100), ints(2, 400, 10000).map((v) => v / 100 + 5)],
  Big: [ints(1, 2000, 10000).map((v) => v / 100), ints(2, 1500, 10000).map((v) => v / 100 + 5)],
  Int: [ints(5, 300, 50), ints(6, 300, 50).map((v) => v + 3)],
  Tiny: [ints(12, 12, 1000), ints(13, 9, 1000).map((v) => v + 200)],
  Wide: [ints(14, 300, 100000), ints(15, 11000, 100000).map((v) => v + 3000)],
  Many: [ints(14, 9000, 100000), ints(15, 11000, 100000).map((v) => v + 300)],
}
const categories: Record<string, [(string | number)[], (string | number)[]]> = {
  C: [
    ints(3, 500, 1000).map((v) => 'abcde'.charAt(v % 5)),
    ints(4, 400, 1000).map((v) => 'abcde'.charAt(Math.min(4, v % 6))),
  ],
  B: [ints(7, 500, 1000).map((v) => v % 2), ints(8, 400, 1000).map((v) => Number(v % 3 !== 0))],
  C2: [
    ints(9, 500, 1000).map((v) => 'ab'.charAt(v % 2)),
    ints(10, 400, 1000).map((v) => 'abc'.charAt(v % 3)),
  ],
}
const counted = (values: readonly (string | number)[]) => {
  const counts = new Map<string | number, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return counts
}
const samples: Record<string, Sample> = {
  ...Object.fromEntries(
    Object.entries(numbers).map(([name, [a, b]]) => [
      name,
      { kind: 'numeric', reference: sortedCopy(a), current: sortedCopy(b) },
    ]),
  ),
  ...Object.fromEntries(
    Object.entries(categories).map(([name, [a, b]]) => [
      name,
      { kind: 'categorical', reference: counted(a), current: counted(b) },
    ]),
  ),
}

for (const [label, methods] of Object.entries(
  golden.drifts as Record<string, Record<string, [string, number, boolean] | null>>,
))
  test(`drift of ${label} agrees with Evidently by every method, the default chosen as it does`, () => {
    for (const [name, wanted] of Object.entries(methods)) {
      if (wanted === null) continue
      const found = columnDrift(samples[label] as Sample, name === 'default' ? undefined : name)
      assert.equal(found.method, wanted[0])
      const score = found.p_value ?? found.statistic
      // Where permuted distances tie with the observed one, the peer's count hangs on its order of summing.
      if (name === 'TVD') assert.ok(Math.abs(score - wanted[1]) <= 0.02)
      else near(score, wanted[1], `${label} ${name}`)
      if (name !== 'TVD') assert.equal(found.drifted, wanted[2], `${label} ${name}`)
    }
  })

test('a data set drifts where half of its columns do', () => {
  const [no, yes] = [samples.N, samples.B].map((s) =>
    columnDrift(s as Sample, s === samples.N ? 'psi' : undefined),
  )
  assert.deepEqual(dataDrift([no, yes] as never), { share: 0.5, drifted: true })
  assert.deepEqual(dataDrift([no, no, yes] as never).drifted, false)
  assert.deepEqual(dataDrift([]), { share: 0, drifted: false })
})

test('an empty sample and a method for another kind of column are refused, a constant column is quiet', () => {
  const [none, one] = [new Float64Array(0), Float64Array.of(1, 1, 1)]
  assert.throws(() => columnDrift({ kind: 'numeric', reference: none, current: one }), RangeError)
  assert.throws(() => columnDrift(samples.C as Sample, 'ks'), RangeError)
  assert.throws(() => columnDrift(samples.C as Sample, 'g_test'), RangeError)
  const constant = columnDrift({ kind: 'numeric', reference: one, current: one })
  assert.deepEqual([constant.method, constant.p_value, constant.drifted], ['z', 1, false])
  assert.ok(Object.values(driftMethods).every((m) => m.numeric !== undefined || m.categorical !== undefined))
})

test('Jensen and Shannon in base 2 is scipy’s', () => {
  near(
    jensenShannon(
      [0.1, 0.2, 0.3, 0.4].map((p, i) => [p, [0.15, 0.25, 0.25, 0.35][i] as number] as const),
      2,
    ),
    0.09210804568706057,
  )
})

test('detectors signal where river’s do', () => {
  const u = ints(11, 2000, 1000).map((v) => v / 1000)
  const data = u.map((v, i) => (i < 1000 ? v : 0.5 * v + 0.6))
  const errors = u.map((v, i) => Number(v < (i < 1000 ? 0.1 : 0.45)))
  const signals = (detector: Detector, values: readonly number[]) =>
    values.flatMap((value, i) => (detector(value).drift ? [i] : []))
  const window = adwin()
  const { streams } = golden
  assert.deepEqual(signals(window.take, data), streams.adwin)
  assert.equal(window.width(), streams.adwinState[0])
  near(window.estimation(), streams.adwinState[1])
  assert.deepEqual(signals(pageHinkley(), data), streams.pageHinkley)
  assert.deepEqual(signals(kswin({ seed: 1 }), data), streams.kswin)
  assert.deepEqual(signals(ddm(), errors), streams.ddm)
  assert.deepEqual(signals(eddm(), errors), streams.eddm)
})

test('draws are those of Python and of numpy', () => {
  assert.deepEqual(pythonMersenne(7).sample(70, 30), golden.sample)
  const places = Array.from({ length: 20 }, (_, i) => i)
  const random = mersenne(0)
  for (let i = 19; i > 0; i--) {
    const j = random.upTo(i)
    ;[places[i], places[j]] = [places[j] as number, places[i] as number]
  }
  assert.deepEqual(places, golden.numpy)
})

test('fairness agrees with Fairlearn, between groups and to the overall', () => {
  const y = ints(21, 200, 1000).map((v) => v % 2)
  const p = ints(22, 200, 1000).map((v) => Number(v % 3 === 0))
  const cells = new Map(['a', 'b', 'c'].map((g) => [g, emptyCell()]))
  const whole = emptyCell()
  for (const [i, v] of ints(23, 200, 1000).entries())
    for (const cell of [whole, cells.get('abc'.charAt(v % 3)) ?? emptyCell()]) {
      cell[y[i] === 1 ? (p[i] === 1 ? 'tp' : 'fn') : p[i] === 1 ? 'fp' : 'tn']++
      cell.rows++
    }
  const groups = [...cells].map(([name, cell]) => [name, metricsOf(cell)] as const)
  for (const [name, metrics] of groups)
    for (const metric of ['selection_rate', 'true_positive_rate'] as const)
      near(metrics[metric], golden.fairness.by_group[metric][name])
  const stratum = { overall: metricsOf(whole), groups: groups.map(([, metrics]) => metrics) }
  for (const method of ['between_groups', 'to_overall'] as const)
    for (const [name, value] of Object.entries(namedMetrics(stratum, method)))
      near(value, golden.fairness[method][name], `${method} ${name}`)
})

test('a group without rows has no metric and is left out; one without positives counts as zero, as Fairlearn has it', () => {
  const cell = { tp: 0, fp: 1, tn: 1, fn: 0, rows: 2 }
  assert.equal(metricsOf(cell).true_positive_rate, 0)
  assert.ok(Number.isNaN(metricsOf(emptyCell()).selection_rate))
  const groups = [metricsOf(cell), metricsOf(emptyCell())]
  assert.equal(
    namedMetrics({ overall: metricsOf(cell), groups }, 'between_groups').demographic_parity_difference,
    0,
  )
  const weights = reweighing(
    new Map([
      ['a', [2, 3]],
      ['b', [3, 3]],
      ['c', [2, 3]],
    ]),
  )
  near(weights.get('a')?.[0], 1.09375)
  near(weights.get('b')?.[1], 1.125)
})

test('model metrics agree with scikit-learn', () => {
  const { models } = golden
  const y = ints(31, 300, 1000).map((v) => v % 2)
  const s = ints(32, 300, 100).map((v) => Math.min(0.99, Math.max(0.01, v / 100)))
  for (const [name, value] of Object.entries(binaryMetrics(y, s))) near(value, models[name], name)
  const [a, b] = [33, 34].map((seed) => ints(seed, 100, 1000).map((v) => v / 10 + 1)) as [number[], number[]]
  for (const [name, value] of Object.entries(furtherErrors(a, b))) near(value, models[name], name)
  near(quantileLoss(a, b, 0.9), models.pinball)
  const [relevance, rank] = [ints(35, 20, 4), ints(36, 20, 12).map((v) => v / 4)]
  near(ndcg(relevance, rank), models.ndcg)
  near(ndcg(relevance, rank, 5), models.ndcg5)
})

test('many numbers sort as few do: signs, zeros, infinities, neighbours', () => {
  const odd = [
    0,
    1,
    -1,
    5e-324,
    -5e-324,
    1e308,
    -1e308,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    1 + 2 ** -52,
  ]
  const values = Float64Array.from({ length: 60_000 }, (_, i) =>
    i < 10 ? (odd[i] as number) : Math.sin(i) * 10 ** ((i % 40) - 20),
  )
  assert.deepEqual(sortNumbers(values.slice()), values.slice().sort())
})
