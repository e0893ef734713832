/** Keyset pages: a token carries the sort values of the last row, never an offset. Opaque to callers. */
import { Fault } from './errors.ts'

export const pageSizeMax = 1_000
export const pageSizeDefault = 100

export interface Page<T> {
  readonly items: readonly T[]
  readonly nextPageToken?: string
}

export const encodePageToken = (last: readonly (string | number | null)[]): string =>
  Buffer.from(JSON.stringify(last)).toString('base64url')

export function decodePageToken(token: string): (string | number | null)[] {
  try {
    const values: unknown = JSON.parse(Buffer.from(token, 'base64url').toString())
    if (Array.isArray(values)) return values
  } catch {}
  throw new Fault('invalid', 'page.token_invalid', 'the page token is not one that this server gave', {
    remedy: 'repeat the query without a page token',
  })
}

/** Cuts `limit + 1` fetched rows to a page, with a token where more follow. */
export function pageOf<T>(
  rows: readonly T[],
  limit: number,
  keyOf: (row: T) => (string | number | null)[],
): Page<T> {
  if (rows.length <= limit) return { items: rows }
  const items = rows.slice(0, limit)
  return { items, nextPageToken: encodePageToken(keyOf(items.at(-1) as T)) }
}
