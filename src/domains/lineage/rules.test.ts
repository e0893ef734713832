/** When a rebuilt model counts as the same. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { OutputComparison } from './model.ts'
import { compareMetrics, comparePredictions, firstDifference, verdictOf } from './rules.ts'

test('the first byte that differs is named; the end of the shorter where it begins the longer', () => {
  const bytes = (text: string) => Buffer.from(text)
  assert.equal(firstDifference(bytes('same'), bytes('same')), undefined)
  assert.equal(firstDifference(bytes('same'), bytes('sane')), 2)
  assert.equal(firstDifference(bytes('same'), bytes('same again')), 4)
  assert.equal(firstDifference(bytes(''), bytes('')), undefined)
})

const onnx = (same: boolean): OutputComparison => ({ name: 'model.onnx', kind: 'onnx', same })
const pickle = (same: boolean): OutputComparison => ({ name: 'model.pkl', kind: 'pickle', same })
const predicted = (after: number[]) => comparePredictions([1, 2, Number.NaN], after)
const metrics = (after: number) => compareMetrics({ wape: 0.2, rows: 10 }, { wape: after, rows: 10 })

const cases: [string, OutputComparison[], ReturnType<typeof metrics>, string][] = [
  ['all is equal', [onnx(true), predicted([1, 2, Number.NaN])], metrics(0.2), 'bit-identical'],
  [
    'only a pickle has other bytes',
    [onnx(true), pickle(false), predicted([1, 2, Number.NaN])],
    metrics(0.2),
    'bit-identical',
  ],
  [
    'other bytes, equal predictions',
    [onnx(false), predicted([1, 2, Number.NaN])],
    metrics(0.2),
    'equivalent',
  ],
  [
    'the last digit of a float',
    [onnx(false), predicted([1.000001, 2, Number.NaN])],
    metrics(0.2),
    'equivalent',
  ],
  ['predictions that moved', [onnx(false), predicted([1.1, 2, Number.NaN])], metrics(0.2), 'different'],
  [
    'a number that became NaN',
    [onnx(true), predicted([1, Number.NaN, Number.NaN])],
    metrics(0.2),
    'different',
  ],
  ['fewer predictions', [onnx(true), predicted([1, 2])], metrics(0.2), 'different'],
  ['a metric that moved', [onnx(true), predicted([1, 2, Number.NaN])], metrics(0.21), 'different'],
  [
    'a metric that is gone',
    [onnx(true), predicted([1, 2, Number.NaN])],
    compareMetrics({ wape: 0.2 }, {}),
    'different',
  ],
  [
    'a file that differs',
    [onnx(true), { name: 'meta.json', kind: 'file', same: false }, predicted([1, 2, Number.NaN])],
    metrics(0.2),
    'equivalent',
  ],
]
for (const [what, outputs, compared, verdict] of cases) {
  test(`${what}: ${verdict}`, () => {
    assert.equal(verdictOf(outputs, compared).verdict, verdict)
  })
}
