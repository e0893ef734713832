/** Sums give the same errors as all rows at once. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { regressionMetrics } from '#stats/regression.ts'
import type { MonitorDefinition } from './model.ts'
import { add, errorMetrics, errorOf, sumsOf } from './rules.ts'

const pairs = (seed: number) =>
  Array.from({ length: 40 }, (_, i) => ({ actual: (i * seed) % 23, predicted: (i * 7 + seed) % 19 }))

test('pooled windows have exactly the error of their rows together', () => {
  const all = [...pairs(3), ...pairs(5)]
  const pooled = add(sumsOf(pairs(3)), sumsOf(pairs(5)))
  const whole = regressionMetrics(
    all.map((p) => p.actual),
    all.map((p) => p.predicted),
  )
  for (const metric of ['wape', 'rmse', 'mae', 'bias'] as const)
    assert.ok(Math.abs((errorOf(metric, pooled) ?? 0) - (whole[metric] ?? 0)) < 1e-12)
})

test('a rolling metric takes only its last windows', () => {
  const definition = { metrics: { wape_2d: { of: 'wape', rolling: 2 } } } as unknown as MonitorDefinition
  const [a, b, c] = [sumsOf(pairs(2)), sumsOf(pairs(3)), sumsOf(pairs(5))]
  assert.equal(errorMetrics(definition, c, [a, b]).wape_2d, errorOf('wape', add(b, c)))
})
