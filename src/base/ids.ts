/**
 * Identifiers: time-ordered UUIDv7 as 32 hex digits (MLflow's run id form), and brands so that two kinds of id
 * cannot be swapped. Names that people type are checked here too.
 */
import { randomFillSync } from 'node:crypto'
import { Fault } from './errors.ts'

export type Brand<K extends string> = string & { readonly brand: K }
export type ProjectName = Brand<'ProjectName'>

const pool = Buffer.alloc(4096)
let poolOffset = pool.length

/** A new UUIDv7 (RFC 9562 §5.7) without dashes: sorts by creation time. */
export function newId(nowMs: number = Date.now()): string {
  if (poolOffset + 10 > pool.length) {
    randomFillSync(pool)
    poolOffset = 0
  }
  const random = pool.subarray(poolOffset, poolOffset + 10)
  poolOffset += 10
  const bytes = Buffer.alloc(16)
  bytes.writeUIntBE(nowMs, 0, 6)
  random.copy(bytes, 6)
  bytes[6] = 0x70 | (bytes[6]! & 0x0f)
  bytes[8] = 0x80 | (bytes[8]! & 0x3f)
  return bytes.toString('hex')
}

const namePattern = /^[a-z0-9][a-z0-9_.-]{0,127}$/i

/** Names of projects, datasets, pipelines, models, endpoints: they appear in addresses and paths. */
export function checkName(noun: string, name: string): string {
  if (namePattern.test(name) && !name.includes('..')) return name
  throw new Fault(
    'invalid',
    'name.invalid',
    `${noun} name ${JSON.stringify(name.slice(0, 80))} is not allowed`,
    {
      remedy: 'use letters, digits, `-`, `_` and `.`, at most 128, starting with a letter or digit',
    },
  )
}
