/** How an expectation is answered: rows that fail, aggregates, a question of its own, or the columns alone. */
import { z } from 'zod'
import type { Column, Table } from './table.ts'

export interface Verdict {
  readonly success: boolean
  readonly result?: Readonly<Record<string, unknown>>
}
export type Answer = Readonly<Record<string, unknown>>
/** Rows of which some share (`mostly`) must not be unexpected. */
export interface MapPlan {
  readonly plan: 'map'
  readonly domain: 'column' | 'pair' | 'multi'
  readonly columns: readonly Column[]
  /** Which rows count: not those whose value is missing. */
  readonly considered: string
  readonly unexpected: string
  /** A relation made of `kept` (the considered rows, with `n`) whose further columns `unexpected` reads. */
  readonly over?: string
  /** Nulls are the subject itself: nothing is missing. */
  readonly nothingMissing?: boolean
}
/** Aggregates that share one scan of the table with those of other expectations. */
export interface AggregatePlan {
  readonly plan: 'aggregate'
  /** Each one aggregate call; the condition on rows is added to it. */
  readonly aggregates: readonly string[]
  readonly judge: (values: readonly unknown[]) => Verdict
}
/** A question of its own over `kept`, the rows of the condition. */
export interface QueryPlan {
  readonly plan: 'query'
  readonly sql: string
  readonly judge: (rows: readonly Answer[]) => Verdict
}
export type Plan =
  | MapPlan
  | AggregatePlan
  | QueryPlan
  | { readonly plan: 'verdict'; readonly verdict: Verdict }

export interface Scope {
  readonly table: Table
  readonly rowsTotal: () => Promise<number>
  /** Asks over `kept`: the rows of the expectation's condition, numbered `n`. */
  readonly ask: (sql: string) => Promise<readonly Answer[]>
  /** Distinct texts of an expression over the kept rows that are not null. */
  readonly texts: (sql: string) => Promise<readonly string[]>
  /** Whether queries written by users may run (never on a server's files). */
  readonly runSql: ((query: string) => Promise<readonly Answer[]>) | undefined
  readonly limit: number
}
export interface Definition<K = Record<string, unknown>> {
  readonly kwargs: z.ZodType<K>
  plan(kwargs: K, scope: Scope): Plan | Promise<Plan>
}

/** One row of the table of expectations; its kwargs are typed by their schema. */
export function expectation<S extends z.ZodType>(
  kwargs: S,
  plan: (kwargs: z.output<S>, scope: Scope) => Plan | Promise<Plan>,
): Definition {
  return { kwargs, plan } as unknown as Definition
}

export const verdict = (success: boolean, result?: Readonly<Record<string, unknown>>): Plan => ({
  plan: 'verdict',
  verdict: result === undefined ? { success } : { success, result },
})

const column = z.string()
export const inColumn = z.looseObject({ column })
/** A bound is a number or a date in words. */
export const bound = z.union([z.number(), z.string()]).nullish()
export const bounds = z.looseObject({
  column,
  min_value: bound,
  max_value: bound,
  strict_min: z.boolean().nullish(),
  strict_max: z.boolean().nullish(),
})
export type Bounds = z.output<typeof bounds>
