/** The small words of headrace.yaml: durations, percentages and typed references. Nothing is pasted into text. */
import { z } from 'zod'
import { dayMs, hourMs, minuteMs, secondMs } from '#base/clock.ts'
import { Fault } from '#base/errors.ts'

const unitMs: Record<string, number> = {
  ms: 1,
  s: secondMs,
  m: minuteMs,
  h: hourMs,
  d: dayMs,
  w: 7 * dayMs,
  y: 365 * dayMs,
}
const durationPattern = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w|y)$/

/** Milliseconds of `28d`, `10m`, `20ms`. @throws Fault invalid `definitions.duration_invalid` */
export function durationMs(text: string): number {
  const match = durationPattern.exec(text.trim())
  const ms = match === null ? Number.NaN : Number(match[1]) * (unitMs[match[2] ?? ''] ?? Number.NaN)
  if (Number.isFinite(ms)) return ms
  throw new Fault('invalid', 'definitions.duration_invalid', `\`${text}\` is not a duration`, {
    remedy: 'write a number and a unit: ms, s, m, h, d, w or y, as in 28d',
  })
}

/** A duration in a block, kept as its text. */
export const duration = () =>
  z
    .string()
    .regex(durationPattern, 'a duration is a number and a unit: ms, s, m, h, d, w or y, as in 28d')
    .meta({ examples: ['28d', '30h'] })

/** A share: `25%` or 0.25, as a number between 0 and 1. */
export const percent = () =>
  z
    .union([z.number().min(0).max(1), z.string().regex(/^\d+(\.\d+)?%$/, 'a share is written as 25%')])
    .transform((v) => (typeof v === 'number' ? v : Number(v.slice(0, -1)) / 100))
    .pipe(z.number().min(0).max(1))

const referenceKinds = ['dataset', 'features', 'step', 'param', 'secret', 'model'] as const
export type ReferenceKind = (typeof referenceKinds)[number]

/** What a value points at, alone or as a window of it. `step` references name `[pipeline/]step.output`. */
export interface Reference {
  readonly kind: ReferenceKind
  readonly name: string
  /** For `step:pipeline/step.output`. */
  readonly pipeline?: string
  readonly output?: string
  /** Length of history: a duration, or the parameter that holds it. */
  readonly last?: string
  /** How far before the end the window stops. */
  readonly until?: string
}

export function parseReference(value: unknown): Reference | undefined {
  if (typeof value === 'string') return parseText(value)
  if (typeof value !== 'object' || value === null || !('from' in value)) return undefined
  const { from, last, until } = value as { from: unknown; last?: string; until?: string }
  const whole = typeof from === 'string' ? parseText(from) : undefined
  if (whole === undefined) return undefined
  return { ...whole, ...(last === undefined ? {} : { last }), ...(until === undefined ? {} : { until }) }
}

function parseText(text: string): Reference | undefined {
  const match = /^(\w+):([A-Za-z0-9][\w.@/-]*)$/.exec(text)
  const kind = referenceKinds.find((k) => k === match?.[1])
  if (match === null || kind === undefined) return undefined
  const name = match[2] ?? ''
  if (kind !== 'step') return { kind, name }
  const parts = /^(?:([\w-]+)\/)?([\w-]+)(?:\.([\w-]+))?$/.exec(name)
  if (parts === null) return undefined
  return {
    kind,
    name: parts[2] ?? '',
    ...(parts[1] === undefined ? {} : { pipeline: parts[1] }),
    ...(parts[3] === undefined ? {} : { output: parts[3] }),
  }
}

const windowed = z.strictObject({
  from: z.string(),
  last: z.string().optional(),
  until: z.string().optional(),
})
const sentence = `a reference is ${referenceKinds.map((k) => `${k}:NAME`).join(', ')}, alone or as { from, last, until }`

/** A reference in a block, parsed. */
export const reference = () =>
  z
    .union([z.string(), windowed])
    .refine((v) => parseReference(v) !== undefined, sentence)
    .transform((v) => parseReference(v) as Reference)
