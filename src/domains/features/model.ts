/** Nouns of features: views over a dataset, point-in-time correct by construction. */
import { z } from 'zod'
import { defineBlock, duration, durationMs, type Objection } from '#platform/definitions/index.ts'

const dayMs = 86_400_000
const days = () =>
  duration().refine((d) => durationMs(d) % dayMs === 0 && durationMs(d) >= dayMs, 'whole days, as in 7d')

export const FeatureColumn = z.union([
  z.strictObject({ code: z.string() }),
  z.strictObject({ lag: z.string(), by: days() }),
  z.strictObject({
    window: z.string(),
    agg: z.enum(['avg', 'sum', 'min', 'max', 'count']),
    over: days(),
    until: days().default('1d'),
  }),
  /** A number from the entity, the time and the columns before it: what is known before the day. */
  z.strictObject({
    sql: z
      .string()
      .max(500)
      .refine(
        (text) => !/\bselect\b|;|__/i.test(text),
        'an expression reads the entity, the time and the columns before it, and asks no other question',
      ),
  }),
])
export type FeatureColumn = z.output<typeof FeatureColumn>
export const FeatureView = z.strictObject({
  entity: z.array(z.string()).min(1),
  from: z.string(),
  time: z.string(),
  columns: z.record(
    z.string().regex(/^[a-z_]\w*$/i, 'a column name has letters, digits and `_`'),
    FeatureColumn,
  ),
  label: z.string().optional(),
  online: z.strictObject({ ttl: duration() }).optional(),
  freshness: z.strictObject({ max: duration() }).optional(),
})
export type FeatureView = z.output<typeof FeatureView>

export const featuresBlock = defineBlock({
  name: 'features',
  summary: 'Feature views, by name',
  schema: z.record(z.string().regex(/^[a-z0-9][\w-]{0,63}$/i), FeatureView),
  objections(block, whole) {
    const datasets = Object.keys((whole.datasets as object | undefined) ?? {})
    return Object.entries(block).flatMap(([name, view]): Objection[] => {
      const missing = datasets.includes(view.from)
        ? []
        : [
            {
              path: ['features', name, 'from'],
              message: `there is no dataset \`${view.from}\``,
              fix: `one of: ${datasets.join(', ')}`,
            },
          ]
      const codes = Object.entries(view.columns)
        .filter(([, c]) => 'code' in c && !view.entity.includes(c.code))
        .map(([column]) => ({
          path: ['features', name, 'columns', column],
          message: 'a code is of a column of the entity',
          fix: `one of: ${view.entity.join(', ')}`,
        }))
      return [...missing, ...codes]
    })
  },
})

export type Key = Readonly<Record<string, string | number>>
export interface LabelledRow {
  readonly key: Key
  /** `2017-03-15` */
  readonly at: string
  readonly values: readonly number[]
  readonly label: number
}
export interface LabelledRows {
  readonly view: string
  readonly names: readonly string[]
  readonly dataset: { readonly dataset: string; readonly version: number; readonly id: string }
  readonly rows: readonly LabelledRow[]
}
export interface OnlineRow {
  readonly key: Key
  readonly at: string
  readonly values: readonly (number | null)[]
}
