/** From failures to a verdict. Pure. */
import type { Check, CheckResult } from './model.ts'

export const rowRules = new Set<Check['rule']>(['not_null', 'between', 'in_set', 'matches', 'in_dataset'])
export type OnFail = 'quarantine' | 'block' | 'warn'

/** Row rules follow the dataset's `on_fail`; rules about a whole version block unless they say otherwise. */
export const severityOf = (check: Check, onFail: OnFail): CheckResult['severity'] =>
  check.severity ?? (rowRules.has(check.rule) ? onFail : 'block')

export const passes = (results: readonly CheckResult[]): boolean =>
  results.every((r) => r.passed || r.severity !== 'block')

export function summaryOf(results: readonly CheckResult[], quarantined: number): string {
  const good = results.filter((r) => r.passed).length
  const bad = results.filter((r) => !r.passed && r.severity === 'block').map((r) => r.sentence)
  const rows = quarantined === 0 ? '' : `, ${quarantined} rows in quarantine`
  return bad.length > 0 ? bad.join('; ') : `${good} of ${results.length} checks passed${rows}`
}
