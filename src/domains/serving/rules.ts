/** Rollouts as a table, their analysis as pure decisions, and the split of traffic. */
import { createHash } from 'node:crypto'
import { machine } from '#base/machine.ts'
import type { AnalysisRule, Finding, RolloutState, RolloutStep } from './model.ts'

export type RolloutAction = 'advance' | 'promote' | 'settle' | 'roll_back' | 'supersede'
export const rolloutLife = machine<RolloutState, RolloutAction>('rollout', {
  shadow: { advance: 'canary', promote: 'baking', roll_back: 'rolled_back', supersede: 'superseded' },
  canary: { advance: 'canary', promote: 'baking', roll_back: 'rolled_back', supersede: 'superseded' },
  baking: { settle: 'done', roll_back: 'rolled_back', supersede: 'superseded' },
  done: {},
  rolled_back: {},
  superseded: {},
})
export const stateOf = (step: RolloutStep | undefined): RolloutState =>
  step === undefined ? 'baking' : 'shadow' in step ? 'shadow' : 'canary'
/** Share of the answers that the candidate gives in a step. */
export const weightOf = (step: RolloutStep | undefined): number =>
  step === undefined ? 1 : 'traffic' in step ? step.traffic : 0

/** What was measured of a revision since the rollout began. */
export interface Measured {
  readonly requests: number
  readonly errors: number
  readonly latencyP95Ms: number | null
  readonly labels: number
  readonly wape: number | null
}
const shown = (n: number) => String(Number(n.toPrecision(4)))

export function analyse(rules: readonly AnalysisRule[], candidate: Measured, stable: Measured): Finding[] {
  return rules.map((rule) => {
    const [mine, theirs] = [measureOf(rule, candidate), measureOf(rule, stable)]
    const missing =
      mine === null ||
      (rule.times !== undefined && theirs === null) ||
      (rule.metric === 'wape' && candidate.labels < rule.min_labels)
    if (missing) {
      const labels = rule.metric === 'wape' ? ` (${candidate.labels} labels, needs ${rule.min_labels})` : ''
      return {
        metric: rule.metric,
        verdict: rule.no_data,
        sentence: `${rule.metric}: too little data yet${labels}`,
      }
    }
    const { bound, because } = boundOf(rule, theirs ?? 0)
    const verdict = (mine as number) <= bound ? 'pass' : 'fail'
    return {
      metric: rule.metric,
      verdict,
      sentence: `${rule.metric} ${shown(mine as number)} ${verdict === 'pass' ? '≤' : '>'} ${shown(bound)}${because}`,
    }
  })
}

/** The bound in the metric's unit, and where it comes from. */
function boundOf(rule: AnalysisRule, stable: number): { bound: number; because: string } {
  const asked = rule.times === undefined ? rule.max : rule.max * stable
  const floor = rule.metric === 'latency_p95' ? (rule.ignore_below ?? 0) : 0
  if (floor > asked) return { bound: floor, because: ' (below which it does not matter)' }
  const because = rule.times === undefined ? '' : ` (${rule.max} times stable's ${shown(stable)})`
  return { bound: asked, because }
}

function measureOf(rule: AnalysisRule, m: Measured): number | null {
  if (rule.metric === 'error_rate') return m.requests === 0 ? null : m.errors / m.requests
  return rule.metric === 'latency_p95' ? m.latencyP95Ms : m.wape
}

export type Decision = 'advance' | 'hold' | 'roll_back'
export function decide(
  findings: readonly Finding[],
  windows: number,
  step: RolloutStep | undefined,
): Decision {
  if (findings.some((f) => f.verdict === 'fail')) return 'roll_back'
  if (findings.some((f) => f.verdict === 'hold')) return 'hold'
  return windows >= (step?.for ?? 1) ? 'advance' : 'hold'
}

/** Whether the candidate answers for a key: the same key always gets the same side. */
export function candidateAnswers(key: string, weight: number): boolean {
  if (weight <= 0) return false
  if (weight >= 1) return true
  return createHash('sha256').update(key).digest().readUInt32BE(0) / 0x1_0000_0000 < weight
}
