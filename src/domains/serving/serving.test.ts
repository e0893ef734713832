/** Rollouts go on, hold, or go back on evidence; a split is steady. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AnalysisRule, RolloutStep } from './model.ts'
import { analyse, candidateAnswers, decide, type Measured, rolloutLife } from './rules.ts'

const measured = (more: Partial<Measured>): Measured => ({
  requests: 100,
  errors: 0,
  latencyP95Ms: 2,
  labels: 120,
  wape: 0.25,
  ...more,
})
const wape: AnalysisRule = { metric: 'wape', max: 1.05, times: 'stable', min_labels: 100, no_data: 'hold' }
const errors: AnalysisRule = { metric: 'error_rate', max: 0.01, min_labels: 1, no_data: 'hold' }
const shadow: RolloutStep = { shadow: 1, for: 3 }

test('a rollout goes only along its arrows', () => {
  assert.equal(rolloutLife.next('shadow', 'advance'), 'canary')
  assert.equal(rolloutLife.next('canary', 'promote'), 'baking')
  assert.throws(() => rolloutLife.next('rolled_back', 'advance'))
  for (const state of ['shadow', 'canary', 'baking'] as const)
    assert.equal(rolloutLife.next(state, 'roll_back'), 'rolled_back')
})

for (const [what, candidate, windows, wanted] of [
  ['good for its windows: on it goes', {}, 3, 'advance'],
  ['good, but too few windows: it holds', {}, 2, 'hold'],
  ['too few labels: it holds however long', { labels: 80 }, 9, 'hold'],
  ['an error far above stable: back at once', { wape: 0.4 }, 1, 'roll_back'],
  ['too many failures: back at once', { errors: 5 }, 1, 'roll_back'],
] as const)
  test(`rollout: ${what}`, () => {
    assert.equal(decide(analyse([wape, errors], measured(candidate), measured({})), windows, shadow), wanted)
  })

test('of two fast answers the ratio is noise: below `ignore_below` a latency is good', () => {
  const rule: AnalysisRule = {
    metric: 'latency_p95',
    max: 3,
    times: 'stable',
    ignore_below: 250,
    min_labels: 1,
    no_data: 'hold',
  }
  const seen = (latencyP95Ms: number) =>
    analyse([rule], measured({ latencyP95Ms }), measured({ latencyP95Ms: 5 }))[0]
  assert.equal(seen(17)?.verdict, 'pass')
  assert.equal(seen(17)?.sentence, 'latency_p95 17 ≤ 250 (below which it does not matter)')
  assert.equal(seen(251)?.verdict, 'fail')
})

test('a finding names the metric, what was seen and the bound', () => {
  const [finding] = analyse([wape], measured({ wape: 0.4 }), measured({}))
  assert.equal(finding?.sentence, "wape 0.4 > 0.2625 (1.05 times stable's 0.25)")
})

test('the same key always gets the same side, and a quarter of the keys is a quarter', () => {
  const keys = Array.from({ length: 4_000 }, (_, i) => `key ${i}`)
  const share = keys.filter((k) => candidateAnswers(k, 0.25)).length / keys.length
  assert.ok(Math.abs(share - 0.25) < 0.03, String(share))
  assert.deepEqual(
    keys.map((k) => candidateAnswers(k, 0.25)),
    keys.map((k) => candidateAnswers(k, 0.25)),
  )
  assert.ok(keys.every((k) => !candidateAnswers(k, 0) && candidateAnswers(k, 1)))
})
