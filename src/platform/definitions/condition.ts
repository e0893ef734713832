/**
 * One grammar of conditions for triggers, gates, analyses and alerts: strings `ref op number [unit] [for N windows]`,
 * `ref no data for D`, joined by and/or; and maps (`above`, `min`, …) parsed to the same tree. Pure.
 */
import { Fault } from '#base/errors.ts'
import { durationMs } from './words.ts'

export type Comparison = '>' | '>=' | '<' | '<=' | '=='
export type Condition =
  | {
      readonly kind: 'compare'
      readonly ref: string
      readonly op: Comparison
      readonly bound: number
      readonly windows: number
    }
  | { readonly kind: 'no_data'; readonly ref: string; readonly forMs: number }
  | { readonly kind: 'and' | 'or'; readonly of: readonly Condition[] }

/** Values of one reference, oldest first, one a window; null where a window had none. */
export interface Series {
  readonly values: readonly (number | null)[]
  /** Milliseconds since the last value; undefined where there never was one. */
  readonly silentMs?: number
}

const compares: Record<Comparison, (a: number, b: number) => boolean> = {
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '==': (a, b) => a === b,
}
const comparePattern =
  /^([\w./-]+)\s*(>=|<=|==|>|<)\s*(-?\d+(?:\.\d+)?)(%|ms|s)?(?:\s+for\s+(\d+)\s+windows?)?$/
const noDataPattern = /^([\w./-]+)\s+no\s+data\s+for\s+(\S+)$/

/** @throws Fault invalid `definitions.condition_invalid` */
export function parseCondition(text: string): Condition {
  const either = text.split(/\s+or\s+/)
  if (either.length > 1) return { kind: 'or', of: either.map(parseCondition) }
  const all = text.split(/\s+and\s+/)
  if (all.length > 1) return { kind: 'and', of: all.map(parseCondition) }
  const compare = comparePattern.exec(text.trim())
  if (compare !== null) {
    const [, ref = '', op = '>', bound = '0', unit, windows = '1'] = compare
    return {
      kind: 'compare',
      ref,
      op: op as Comparison,
      bound: Number(bound) * scaleOf(unit),
      windows: Number(windows),
    }
  }
  const silent = noDataPattern.exec(text.trim())
  if (silent !== null) return { kind: 'no_data', ref: silent[1] ?? '', forMs: durationMs(silent[2] ?? '') }
  throw new Fault('invalid', 'definitions.condition_invalid', `\`${text}\` is not a condition`, {
    remedy: 'write it as `demand/wape_7d > 0.28 for 2 windows` or `demand/labels no data for 3d`',
  })
}

const scaleOf = (unit: string | undefined) => (unit === '%' ? 0.01 : unit === 's' ? 1_000 : 1)

/** True where it holds now; undefined where there is too little data to say. */
export function evaluateCondition(
  condition: Condition,
  seriesOf: (ref: string) => Series,
): boolean | undefined {
  switch (condition.kind) {
    case 'and':
    case 'or': {
      const parts = condition.of.map((one) => evaluateCondition(one, seriesOf))
      const decisive = condition.kind === 'or'
      if (parts.includes(decisive)) return decisive
      return parts.includes(undefined) ? undefined : !decisive
    }
    case 'no_data': {
      const { silentMs } = seriesOf(condition.ref)
      return silentMs === undefined ? undefined : silentMs >= condition.forMs
    }
    case 'compare': {
      const last = seriesOf(condition.ref).values.slice(-condition.windows)
      if (last.length < condition.windows || last.some((v) => v === null)) return undefined
      return last.every((v) => compares[condition.op](v as number, condition.bound))
    }
    default:
      return condition satisfies never
  }
}

/** The condition as people write it. */
export function conditionText(condition: Condition): string {
  switch (condition.kind) {
    case 'and':
    case 'or':
      return condition.of.map(conditionText).join(` ${condition.kind} `)
    case 'no_data':
      return `${condition.ref} no data for ${condition.forMs / 3_600_000}h`
    case 'compare': {
      const windows = condition.windows > 1 ? ` for ${condition.windows} windows` : ''
      return `${condition.ref} ${condition.op} ${condition.bound}${windows}`
    }
    default:
      return condition satisfies never
  }
}
