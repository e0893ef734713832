/** Pure decisions about records of an evaluation set. */
import { createHash } from 'node:crypto'
import type { BroughtRecord, Json, SetFields, SetRecord } from './judging-model.ts'
import { userTag } from './judging-model.ts'

/** JSON with sorted keys, so that equal inputs have equal text. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${entries.map(([key, one]) => `${JSON.stringify(key)}:${canonicalJson(one)}`).join(',')}}`
}
export const inputsDigest = (inputs: Json): string =>
  createHash('sha256').update(canonicalJson(inputs)).digest('hex')

/** Outputs are replaced; expectations and tags are merged; source and author stay those of the first. */
export function mergedRecord(before: SetRecord, brought: BroughtRecord, nowMs: number): SetRecord {
  return {
    ...before,
    ...(Object.hasOwn(brought, 'outputs') ? { outputs: brought.outputs } : {}),
    expectations: merged(before.expectations, brought.expectations),
    tags: merged(before.tags, brought.tags),
    updatedAt: nowMs,
    updatedBy: brought.tags?.[userTag] ?? before.updatedBy,
  }
}
const merged = <T>(
  before: Readonly<Record<string, T>> | undefined,
  more: Readonly<Record<string, T>> | undefined,
) => (more === undefined ? before : { ...before, ...more })

/** Fields keep the type with which they came first. */
export function widenedFields(before: SetFields | undefined, records: readonly BroughtRecord[]): SetFields {
  const { inputs, outputs, expectations } = before ?? { inputs: {}, outputs: {}, expectations: {} }
  const all = { inputs: { ...inputs }, expectations: { ...expectations } }
  let out = typeof outputs === 'string' ? outputs : { ...outputs }
  for (const record of records) {
    addTypes(all.inputs, record.inputs)
    addTypes(all.expectations, record.expectations)
    if (isMessage(record.outputs) && typeof out !== 'string') addTypes(out, record.outputs)
    else if (record.outputs !== undefined && record.outputs !== null && isEmpty(out))
      out = typeName(record.outputs)
  }
  return { ...all, outputs: out, version: '1.0' }
}
const isEmpty = (fields: Record<string, string> | string) => Object.keys(fields).length === 0
const isMessage = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
function addTypes(to: Record<string, string>, from: Json | undefined): void {
  for (const [key, value] of Object.entries(from ?? {}))
    if (!Object.hasOwn(to, key)) to[key] = typeName(value)
}
function typeName(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'float'
  return typeof value
}
