/** Rules that data is held against, and what they said. */
import { z } from 'zod'
import { duration, type Objection, type Whole } from '#platform/definitions/index.ts'

/** `error`, the default: rows follow the dataset's `on_fail`, whole versions are blocked. */
const severity = z.enum(['error', 'warn', 'block']).optional()
const day = z.union([
  z.string().regex(/^\d{4}-\d\d-\d\d$/),
  z.date().transform((d) => d.toISOString().slice(0, 10)),
])
const isPattern = (text: string): boolean => {
  try {
    return new RegExp(text) !== undefined
  } catch {
    return false
  }
}
export const Check = z.discriminatedUnion('rule', [
  z.strictObject({ rule: z.literal('schema'), against: z.enum(['previous']).default('previous'), severity }),
  z.strictObject({ rule: z.literal('not_null'), columns: z.array(z.string()).min(1), severity }),
  z
    .strictObject({
      rule: z.literal('between'),
      column: z.string(),
      min: z.number().optional(),
      max: z.number().optional(),
      severity,
    })
    .refine((c) => c.min !== undefined || c.max !== undefined, 'a range has `min`, `max` or both'),
  z.strictObject({
    rule: z.literal('in_set'),
    column: z.string(),
    values: z.array(z.union([z.string(), z.number()])).min(1),
    severity,
  }),
  z.strictObject({
    rule: z.literal('matches'),
    column: z.string(),
    pattern: z.string().max(500).refine(isPattern, 'the pattern is no regular expression'),
    severity,
  }),
  z.strictObject({ rule: z.literal('in_dataset'), column: z.string(), dataset: z.string(), severity }),
  z.strictObject({ rule: z.literal('unique'), columns: z.array(z.string()).min(1), severity }),
  z
    .strictObject({
      rule: z.literal('row_count'),
      min: z.int().optional(),
      max: z.int().optional(),
      /** Days of the new files; without it the whole version. */
      per: z.enum(['day']).optional(),
      except: z.array(day).default([]),
      severity,
    })
    .refine((c) => c.min !== undefined || c.max !== undefined, 'a count has `min`, `max` or both'),
  z.strictObject({ rule: z.literal('fresh'), max: duration(), severity }),
  z.strictObject({
    rule: z.literal('drift'),
    column: z.string(),
    method: z.enum(['psi']),
    against: z.enum(['previous_28d', 'previous']),
    max: z.number(),
    severity,
  }),
])
export type Check = z.output<typeof Check>
export const checksSchema = z.array(Check)

/** Whether a rule reads the dataset's column of time. */
export const needsTime = (check: Check): boolean =>
  check.rule === 'fresh' ||
  (check.rule === 'row_count' && check.per === 'day') ||
  (check.rule === 'drift' && check.against === 'previous_28d')
/** Columns that a check names itself. */
export const columnsOf = (check: Check): readonly string[] =>
  'columns' in check ? check.columns : 'column' in check ? [check.column] : []

export const CheckResult = z.object({
  rule: z.string(),
  column: z.string().optional(),
  severity: z.enum(['quarantine', 'warn', 'block']),
  passed: z.boolean(),
  observed: z.string(),
  expected: z.string(),
  failing: z.number(),
  sentence: z.string(),
  /** A few of the failing rows. */
  sample: z.array(z.record(z.string(), z.unknown())),
})
export type CheckResult = z.output<typeof CheckResult>
export interface Report {
  readonly passed: boolean
  readonly checks: readonly CheckResult[]
  readonly quarantinedRows: number
  readonly summary: string
}

/** What is wrong with the checks of a file's datasets. */
export function checksObjections(whole: Whole): Objection[] {
  const datasets = (whole.datasets as Record<string, { checks?: unknown[]; time?: string }> | undefined) ?? {}
  return Object.entries(datasets).flatMap(([name, dataset]) =>
    (dataset.checks ?? []).flatMap((check, i): Objection[] => {
      const at = ['datasets', name, 'checks', i]
      const parsed = Check.safeParse(check)
      if (!parsed.success) {
        const issue = parsed.error.issues[0]
        return [
          {
            path: [...at, ...((issue?.path ?? []) as string[])],
            message: `this check is not understood: ${issue?.message ?? ''}`,
            fix: 'rules are schema, not_null, unique, between, in_set, matches, in_dataset, row_count, fresh, drift',
          },
        ]
      }
      if (parsed.data.rule === 'in_dataset' && !(parsed.data.dataset in datasets)) {
        return [{ path: [...at, 'dataset'], message: `there is no dataset \`${parsed.data.dataset}\`` }]
      }
      return needsTime(parsed.data) && dataset.time === undefined
        ? [
            {
              path: at,
              message: `\`${parsed.data.rule}\` needs the dataset's \`time:\``,
              fix: 'name the column of time',
            },
          ]
        : []
    }),
  )
}
