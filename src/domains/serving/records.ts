/**
 * Records of JSON as rows to predict: by the entity's key, by all features' names, or as values in order. Every plain
 * protocol asks this way; the wires differ only in where the records lie.
 */
import type { Caller } from '#base/caller.ts'
import { Fault } from '#base/errors.ts'
import type { PredictRow, Serving } from './operations.ts'

type Json = Readonly<Record<string, unknown>>
export type ScoringRecord = Json | readonly unknown[]
const rowsMax = 10_000

/** @throws Fault invalid `scoring.rows_missing`, `scoring.row_invalid`, too_large `scoring.rows_max` */
export function recordsOf(value: unknown, field: string): ScoringRecord[] {
  if (!Array.isArray(value))
    throw new Fault('invalid', 'scoring.rows_missing', `\`${field}\` must be a list of rows`)
  if (value.length > rowsMax)
    throw new Fault('too_large', 'scoring.rows_max', `a request holds at most ${rowsMax} rows`, {
      remedy: 'send them in parts',
    })
  const bad = value.findIndex((row) => typeof row !== 'object' || row === null)
  if (bad >= 0)
    throw new Fault(
      'invalid',
      'scoring.row_invalid',
      `row ${bad} of \`${field}\` is neither an object nor a list`,
    )
  return value as ScoringRecord[]
}

/** A record with the entity's columns is a key; one with all features is their values; a list is values in order. */
export async function rowsOf(
  serving: Pick<Serving, 'signatureOf'>,
  name: string,
  records: readonly ScoringRecord[],
  caller: Caller,
): Promise<PredictRow[]> {
  const { entity, features } = await serving.signatureOf(name, caller)
  return records.map((record, i): PredictRow => {
    if (isList(record)) return { values: numbers(record, i) }
    if (features.every((f) => f in record))
      return {
        values: numbers(
          features.map((f) => record[f]),
          i,
        ),
      }
    const missing = entity.find((e) => typeof record[e] !== 'string' && typeof record[e] !== 'number')
    if (missing !== undefined)
      throw new Fault(
        'invalid',
        'scoring.key_missing',
        `row ${i} has neither the key \`${missing}\` nor all features`,
        { remedy: `send ${entity.join(', ')} or ${features.join(', ')}` },
      )
    return { key: Object.fromEntries(entity.map((e) => [e, record[e] as string | number])) }
  })
}

const numbers = (values: readonly unknown[], row: number): number[] =>
  values.map((v) => {
    if (v === null) return Number.NaN
    if (typeof v === 'number') return v
    throw new Fault(
      'invalid',
      'scoring.value_invalid',
      `row ${row} has ${JSON.stringify(v)?.slice(0, 60)} where a number is needed`,
    )
  })

const isList = (record: ScoringRecord): record is readonly unknown[] => Array.isArray(record)
