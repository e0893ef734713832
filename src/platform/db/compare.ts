/** One comparison as SQL, the same in SQLite and PostgreSQL: LIKE heeds case, ILIKE does not. */
import { type RawBuilder, sql } from 'kysely'
import type { Dialect } from './query.ts'

export interface Comparison {
  /** `=`, `!=`, `>`, `>=`, `<`, `<=`, `LIKE`, `ILIKE`, `IN`, `NOT IN`, `IS NULL`, `IS NOT NULL` */
  readonly comparator: string
  readonly value: string | number | readonly string[] | undefined
}
const plain = new Set(['=', '!=', '>', '>=', '<', '<='])

export function compared(
  column: RawBuilder<unknown>,
  { comparator, value }: Comparison,
  dialect: Dialect,
): RawBuilder<unknown> {
  if (plain.has(comparator)) return sql`${column} ${sql.raw(comparator)} ${value}`
  if (comparator === 'IS NULL') return sql`${column} is null`
  if (comparator === 'IS NOT NULL') return sql`${column} is not null`
  if (comparator === 'IN' || comparator === 'NOT IN')
    return sql`${column} ${sql.raw(comparator)} (${sql.join([...(value as readonly string[])])})`
  const pattern = String(value)
  if (comparator === 'ILIKE') return sql`lower(${column}) like ${pattern.toLowerCase()} escape '\\'`
  // SQLite's LIKE is blind to case; GLOB is not.
  if (dialect === 'sqlite') return sql`${column} glob ${globOf(pattern)}`
  return sql`${column} like ${pattern}`
}
const globOf = (pattern: string) =>
  pattern
    .replaceAll(/[*?[]/g, (c) => `[${c}]`)
    .replaceAll('%', '*')
    .replaceAll('_', '?')
