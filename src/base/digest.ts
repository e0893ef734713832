/** Content digests and canonical JSON: the words of caches, lineage and blobs. Digests are lower-case hex SHA-256. */
import { createHash } from 'node:crypto'

export type Sha256 = string

export const sha256 = (bytes: string | Uint8Array): Sha256 => createHash('sha256').update(bytes).digest('hex')

/** JSON with sorted keys and no spaces, so that equal values give equal bytes (RFC 8785 order for ASCII keys). */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((v) => canonicalJson(v ?? null)).join(',')}]`
  if (value !== null && typeof value === 'object') {
    const fields = Object.entries(value)
      .filter(([, v]) => v !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
      .map(([k, v]) => `${JSON.stringify(k)}:${canonicalJson(v)}`)
    return `{${fields.join(',')}}`
  }
  return JSON.stringify(value) ?? 'null'
}

export const digestOf = (value: unknown): Sha256 => sha256(canonicalJson(value))
