/** Gates as pure decisions. An absent comparison (no champion yet) passes and says so; absent evidence does not. */
import { machine } from '#base/machine.ts'
import type { Gate, GateResult, ModelVersionState, Subject } from './model.ts'

export const modelVersionLife = machine<ModelVersionState, 'pass' | 'refuse'>('model version', {
  registered: { pass: 'gated', refuse: 'refused' },
  gated: { pass: 'gated', refuse: 'refused' },
  refused: { pass: 'gated', refuse: 'refused' },
})

export interface Evidence {
  readonly subjects: readonly Subject[]
  readonly latencyP95Ms: number
  readonly parityMaxAbs: number
}
/** `latency` bounds in milliseconds, by gate name. */
export function gateResults(
  gates: readonly Gate[],
  evidence: Evidence,
  msOf: (text: string) => number,
): GateResult[] {
  return gates.map((gate) => {
    if ('latency' in gate)
      return simple(gate.name, 'p95 latency', evidence.latencyP95Ms, msOf(gate.max), ' ms')
    if ('parity' in gate)
      return simple(gate.name, 'largest difference to the original', evidence.parityMaxAbs, gate.max, '')
    return gate.every_slice === undefined
      ? overall(gate, evidence)
      : everySlice(gate, gate.every_slice, evidence)
  })
}
type MetricGate = Extract<Gate, { metric: string }>

const shown = (n: number) => String(Number(n.toPrecision(4)))
const simple = (name: string, what: string, observed: number, bound: number, unit: string): GateResult => ({
  name,
  observed,
  bound,
  passed: observed <= bound,
  sentence: `${what} ${shown(observed)}${unit} ${observed <= bound ? '≤' : '>'} ${shown(bound)}${unit}`,
})
const undecided = (name: string, sentence: string, passed: boolean): GateResult => ({
  name,
  passed,
  observed: null,
  bound: null,
  sentence,
})

function overall(gate: MetricGate, { subjects }: Evidence): GateResult {
  const challenger = subjects.find((s) => s.name === 'challenger')
  const observed = challenger?.metrics[gate.metric] ?? null
  if (observed === null) return undecided(gate.name, `${gate.metric} was not measured`, false)
  if (gate.times === undefined) return bounded(gate, gate.metric, observed, 1, '')
  const other = subjects.find((s) => s.name === gate.times)?.metrics[gate.metric] ?? null
  if (other === null) return undecided(gate.name, `there is no ${gate.times} to compare with yet`, true)
  return bounded(gate, gate.metric, observed, other, ` of the ${gate.times}'s ${shown(other)}`)
}

function bounded(gate: MetricGate, what: string, observed: number, scale: number, of: string): GateResult {
  const max = gate.max === undefined ? undefined : gate.max * scale
  const min = gate.min === undefined ? undefined : gate.min * scale
  const passed = (max === undefined || observed <= max) && (min === undefined || observed >= min)
  const bound = max ?? min ?? null
  const sign = max === undefined ? (passed ? '≥' : '<') : passed ? '≤' : '>'
  const times = of === '' ? '' : ` (${gate.max ?? gate.min} times${of})`
  return {
    name: gate.name,
    passed,
    observed,
    bound,
    sentence: `${what} ${shown(observed)} ${sign} ${bound === null ? '' : shown(bound)}${times}`,
  }
}

/** The worst slice decides; slices with too few rows are left out. */
function everySlice(gate: MetricGate, column: string, { subjects }: Evidence): GateResult {
  const slices = (subjects.find((s) => s.name === 'challenger')?.slices[column] ?? []).filter(
    (s) => s.metrics.rows >= gate.min_rows,
  )
  const ranked = slices
    .map((s) => ({ value: s.value, observed: s.metrics[gate.metric] ?? null }))
    .filter((s): s is { value: string; observed: number } => s.observed !== null)
    .sort((a, b) => (gate.max === undefined ? a.observed - b.observed : b.observed - a.observed))
  const worst = ranked[0]
  if (worst === undefined)
    return undecided(gate.name, `no slice of ${column} has ${gate.min_rows} rows`, false)
  const result = bounded(
    gate,
    `worst of ${ranked.length} slices, ${worst.value}: ${gate.metric}`,
    worst.observed,
    1,
    '',
  )
  return result
}
