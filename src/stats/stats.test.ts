/** Numbers against those of numpy, scipy and scikit-learn; golden.py wrote them. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { countByEdges, edgesOf, innerShares, psi, quantileEdges, quantiles } from './drift.ts'
import { regressionMetrics } from './regression.ts'

const near = (a: number | null | undefined, b: number | undefined) =>
  assert.ok(
    typeof a === 'number' && b !== undefined && Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(b)),
    `${a} is not ${b}`,
  )
const golden: Record<string, number> & { quantiles: number[] } = JSON.parse(
  await readFile(path.join(import.meta.dirname, 'golden.json'), 'utf8'),
)
/** The same arithmetic as in golden.py. */
const sample = (n: number, step: number, size: number, scale: number) =>
  Array.from({ length: n }, (_, i) => ((i * step) % size) ** 2 * scale)
const reference = sample(500, 37, 101, 0.01)
const same = sample(300, 53, 101, 0.01)
const shifted = sample(300, 53, 101, 0.013)
const between = (a: number[], b: number[]) => {
  const edges = quantileEdges(a, 10)
  return psi(countByEdges(a, edges), countByEdges(b, edges))
}

test('errors of a regression agree with scikit-learn', () => {
  const m = regressionMetrics(same, shifted)
  for (const name of ['mae', 'rmse', 'wape', 'bias'] as const) near(m[name], golden[name])
})

test('no rows and no sales have no error, rather than zero', () => {
  assert.equal(regressionMetrics([], []).wape, null)
  assert.equal(regressionMetrics([0, 0], [1, 2]).wape, null)
})

test('quantiles agree with numpy, and an empty sample has none', () => {
  quantiles(reference, innerShares(10)).forEach((q, i) => {
    near(q, golden.quantiles[i])
  })
  assert.deepEqual(quantiles([], [0.5]), [])
  assert.deepEqual(quantiles([7], [0, 0.5, 1]), [7, 7, 7])
})

test('the stability index agrees with scipy: small for the same, larger for a shift, largest for another unit', () => {
  near(between(reference, same), golden.psiSame)
  near(between(reference, shifted), golden.psiShifted)
  near(
    between(
      reference,
      reference.map((v) => v * 100),
    ),
    golden.psiCents,
  )
})

test('the stability index is zero for equal shares, and unknown where a sample is empty', () => {
  near(psi([10, 20, 30], [1, 2, 3]), 0)
  assert.equal(psi([0, 0], [1, 1]), null)
  assert.equal(psi([1, 1], [0, 0]), null)
})

test('a value that holds much of the reference has a bin of its own, so that leaving it is seen', () => {
  const flat = new Array<number>(50).fill(3)
  near(between(flat, flat), 0)
  for (const other of [2, 3.0000000001, 4])
    assert.ok(
      (between(
        flat,
        flat.map(() => other),
      ) ?? 0) > 1,
    )
  const mostlyZero = [...new Array<number>(60).fill(0), ...sample(40, 7, 41, 1)]
  assert.ok(
    (between(
      mostlyZero,
      sample(40, 7, 41, 1).map((v) => v + 1),
    ) ?? 0) > 0.25,
  )
  assert.deepEqual(edgesOf([-1, -1, 0, 2]).length, 4)
})
