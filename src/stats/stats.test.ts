/** Numbers against published or independently computed ones. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { countByEdges, psi, quantileEdges } from './drift.ts'
import { regressionMetrics } from './regression.ts'

const near = (a: number | null, b: number) =>
  assert.ok(a !== null && Math.abs(a - b) < 1e-9, `${a} is not ${b}`)

test('errors of a regression agree with scikit-learn 1.7 on the same four points', () => {
  // mean_absolute_error 0.5, mean_squared_error 0.375 on the example of its documentation
  const m = regressionMetrics([3, -0.5, 2, 7], [2.5, 0.0, 2, 8])
  near(m.mae, 0.5)
  near(m.rmse, Math.sqrt(0.375))
  near(m.wape, 2 / 12.5)
  near(m.bias, 0.25)
})

test('no rows and no sales have no error, rather than zero', () => {
  assert.equal(regressionMetrics([], []).wape, null)
  assert.equal(regressionMetrics([0, 0], [1, 2]).wape, null)
})

test('the stability index is zero for equal shares and grows with the shift', () => {
  near(psi([10, 20, 30], [1, 2, 3]), 0)
  near(psi([50, 50], [90, 10]), 0.4 * Math.log(0.9 / 0.5) + -0.4 * Math.log(0.1 / 0.5))
  assert.equal(psi([0, 0], [1, 1]), null)
  assert.deepEqual(countByEdges([1, 2, 3, 4], quantileEdges([1, 2, 3, 4], 2)), [2, 2])
})
