/** Gates decide on evidence, and say what they saw. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { durationMs } from '#platform/definitions/index.ts'
import type { Gate, Subject } from './model.ts'
import { gateResults } from './rules.ts'

const subject = (name: string, wape: number | null, slices: [string, number, number][] = []): Subject => ({
  name,
  metrics: { wape, rows: 100 },
  slices: { category: slices.map(([value, w, rows]) => ({ value, metrics: { wape: w, rows } })) },
})
const judge = (gate: Gate, subjects: Subject[]) =>
  gateResults([gate], { subjects, latencyP95Ms: 3, parityMaxAbs: 1e-5 }, durationMs)[0]
const metric = (more: object): Gate => ({ name: 'g', metric: 'wape', min_rows: 1, ...more }) as Gate

for (const [what, gate, subjects, passed, sentence] of [
  ['a bound that holds', metric({ max: 0.3 }), [subject('challenger', 0.25)], true, /wape 0.25 ≤ 0.3/],
  ['a bound that does not', metric({ max: 0.3 }), [subject('challenger', 0.35)], false, /0.35 > 0.3/],
  [
    'not worse than the champion',
    metric({ max: 1.02, times: 'champion' }),
    [subject('challenger', 0.255), subject('champion', 0.25)],
    true,
    /≤ 0.255/,
  ],
  [
    'worse than the champion',
    metric({ max: 1.02, times: 'champion' }),
    [subject('challenger', 0.26), subject('champion', 0.25)],
    false,
    /1.02 times of the champion's 0.25/,
  ],
  [
    'no champion yet',
    metric({ max: 1.02, times: 'champion' }),
    [subject('challenger', 0.26)],
    true,
    /no champion to compare/,
  ],
  ['no evidence', metric({ max: 0.3 }), [], false, /not measured/],
  [
    'a bad slice',
    metric({ max: 0.6, every_slice: 'category', min_rows: 28 }),
    [
      subject('challenger', 0.2, [
        ['MILK', 0.3, 28],
        ['EGGS', 0.7, 28],
      ]),
    ],
    false,
    /EGGS/,
  ],
  [
    'a bad slice with too few rows',
    metric({ max: 0.6, every_slice: 'category', min_rows: 28 }),
    [
      subject('challenger', 0.2, [
        ['MILK', 0.3, 28],
        ['EGGS', 0.7, 3],
      ]),
    ],
    true,
    /MILK/,
  ],
  ['latency', { name: 'g', latency: 'p95', max: '20ms' } as Gate, [], true, /3 ms ≤ 20 ms/],
  ['parity', { name: 'g', parity: 'max_abs', max: 1e-6 } as Gate, [], false, />/],
] as const)
  test(`gate: ${what}`, () => {
    const result = judge(gate, [...subjects])
    assert.equal(result?.passed, passed)
    assert.match(result?.sentence ?? '', sentence)
  })
