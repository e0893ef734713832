/** Suites as GX 1.x and 0.18 write them, and the parameters inside their kwargs. */
import { z } from 'zod'
import { GxError } from './failure.ts'

const Configured = z
  .looseObject({
    type: z.string().optional(),
    expectation_type: z.string().optional(),
    kwargs: z.record(z.string(), z.unknown()).default({}),
    meta: z.record(z.string(), z.unknown()).nullish(),
    notes: z.unknown().optional(),
    id: z.string().nullish(),
    severity: z.enum(['critical', 'warning', 'info']).nullish(),
  })
  .refine((e) => (e.type ?? e.expectation_type) !== undefined, 'an expectation has a `type`')
const Suite = z.looseObject({
  name: z.string().optional(),
  expectation_suite_name: z.string().optional(),
  expectations: z.array(Configured),
  meta: z.record(z.string(), z.unknown()).nullish(),
  suite_parameters: z.record(z.string(), z.unknown()).nullish(),
  evaluation_parameters: z.record(z.string(), z.unknown()).nullish(),
})

export interface ExpectationConfig {
  readonly type: string
  readonly kwargs: Readonly<Record<string, unknown>>
  readonly meta: Readonly<Record<string, unknown>>
  readonly id: string | undefined
  readonly severity: string
  /** Written by 0.18: its own key comes back in the result. */
  readonly isOld: boolean
}
export interface ExpectationSuite {
  readonly name: string
  readonly expectations: readonly ExpectationConfig[]
  readonly parameters: Readonly<Record<string, unknown>>
}

/** JSON as Python writes it too: bare NaN is nothing, bare Infinity is infinite. */
export const parseJson = (text: string): unknown =>
  JSON.parse(
    text.replaceAll(/"(?:[^"\\]|\\.)*"|-?Infinity|NaN/g, (token) => {
      if (token.startsWith('"')) return token
      return token === 'NaN' ? 'null' : token.replace('Infinity', '1e999')
    }),
  )

/** @throws Error in words, where the document is no suite */
export function readSuite(document: unknown): ExpectationSuite {
  const parsed = Suite.safeParse(Array.isArray(document) ? { expectations: document } : document)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    throw new Error(
      `the suite is not understood at \`${issue?.path.join('.') || 'its top'}\`: ${issue?.message ?? ''}`,
    )
  }
  const suite = parsed.data
  return {
    name: suite.name ?? suite.expectation_suite_name ?? 'default',
    parameters: { ...suite.evaluation_parameters, ...suite.suite_parameters },
    expectations: suite.expectations.map((e) => ({
      type: e.type ?? e.expectation_type ?? '',
      kwargs: e.kwargs,
      meta: e.meta ?? {},
      id: e.id ?? undefined,
      severity: e.severity ?? 'critical',
      isOld: e.type === undefined,
    })),
  }
}

const isParameter = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && '$PARAMETER' in value

/** The kwargs with each `{"$PARAMETER": …}` replaced by its value. */
export function filled(value: unknown, given: Readonly<Record<string, unknown>>, now: Date): unknown {
  if (Array.isArray(value)) return value.map((v) => filled(v, given, now))
  if (isParameter(value)) {
    const name = String(value.$PARAMETER)
    const inline = value[`$PARAMETER.${name}`]
    return inline === undefined ? parameter(name, given, now) : inline
  }
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, filled(v, given, now)]))
}

const unitsMs: Record<string, number> = {
  weeks: 604_800_000,
  days: 86_400_000,
  hours: 3_600_000,
  minutes: 60_000,
  seconds: 1_000,
  milliseconds: 1,
}

function parameter(expression: string, given: Readonly<Record<string, unknown>>, now: Date): unknown {
  const text = expression.trim()
  if (text in given) return given[text]
  const value = dateOf(text, now) ?? numberOf(text, given)
  if (value === undefined)
    throw new GxError('SuiteParameterError', `the suite gives no parameter \`${expression}\``)
  return value
}

const asText = (at: Date) => at.toISOString().slice(0, 23).replace('T', ' ')

function dateOf(text: string, now: Date): string | undefined {
  const day = /^datetime\(([\d,\s]+)\)$/.exec(text)
  if (day !== null) {
    const [y = 1970, m = 1, d = 1, ...clock] = (day[1] ?? '').split(',').map(Number)
    return asText(new Date(Date.UTC(y, m - 1, d, ...clock)))
  }
  const dated = /^now\(\)(?:\s*([+-])\s*timedelta\((.*)\))?$/.exec(text)
  if (dated === null) return undefined
  const parts = (dated[2] ?? '').matchAll(/(\w+)\s*=\s*(-?[\d.]+)(?:\s*\*\s*(-?[\d.]+))?/g)
  const ms = [...parts].reduce(
    (sum, [, unit = '', n, times = '1']) => sum + (unitsMs[unit] ?? Number.NaN) * Number(n) * Number(times),
    0,
  )
  const at = new Date(now.getTime() + (dated[1] === '-' ? -ms : ms))
  return Number.isNaN(at.getTime()) ? undefined : asText(at)
}

/** A number, or one sum of two. */
function numberOf(text: string, given: Readonly<Record<string, unknown>>): number | undefined {
  const sum = /^(\S+)\s*([-+*/])\s*(\S+)$/.exec(text)
  const term = (word: string) => (word in given ? Number(given[word]) : Number(word))
  if (sum !== null) {
    const [a, b] = [term(sum[1] ?? ''), term(sum[3] ?? '')]
    const value = { '+': a + b, '-': a - b, '*': a * b, '/': a / b }[sum[2] ?? '+']
    if (value !== undefined && Number.isFinite(value)) return value
  }
  return text !== '' && Number.isFinite(Number(text)) ? Number(text) : undefined
}
