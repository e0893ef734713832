/**
 * MLflow's proto-JSON, read leniently: query or body as one flat object, numbers also as strings, snake_case or
 * camelCase; strings must be strings. Nothing here knows an operation. Read next: errors.ts.
 */
import type { FastifyRequest } from 'fastify'
import { invalidParameter, invalidValue, missingParameter } from './errors.ts'

export type Json = Readonly<Record<string, unknown>>

/** The request's fields: the query of a GET, the JSON body of all others, and the names in the path over both. */
export function fieldsOf(request: FastifyRequest): Json {
  const sent = request.method === 'GET' ? request.query : request.body
  return { ...objectOr(sent), ...objectOr(request.params) }
}

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !Buffer.isBuffer(value)
const objectOr = (value: unknown): Json => (isObject(value) ? value : {})

const camel = (name: string) => name.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase())
/** A field under its snake_case or camelCase name; null counts as absent. */
const fieldOf = (fields: Json, name: string): unknown => {
  const value = fields[name] ?? fields[camel(name)]
  return value === null ? undefined : value
}

/** @throws Fault where it is no string: numbers are not accepted for strings */
export function textOf(fields: Json, name: string): string | undefined {
  const value = fieldOf(fields, name)
  if (value === undefined || typeof value === 'string') return value
  throw invalidValue(name, value, `Value ${JSON.stringify(value)} is not a string`)
}

/** @throws Fault where it is absent or empty */
export function requiredText(fields: Json, name: string): string {
  const value = textOf(fields, name)
  if (value === undefined || value === '') throw missingParameter(name)
  return value
}

/** A string that may be empty but must be there, as values of tags and parameters. */
export function presentText(fields: Json, name: string): string {
  const value = textOf(fields, name)
  if (value === undefined) throw missingParameter(name)
  return value
}

const wholePattern = /^[+-]?\d+(\.0+)?$/
/** An int64 as a number or a string. */
export function wholeOf(fields: Json, name: string): number | undefined {
  const value = fieldOf(fields, name)
  if (value === undefined) return undefined
  if (typeof value === 'number' && Number.isInteger(value)) return value
  if (typeof value === 'string' && wholePattern.test(value)) return Number(value)
  throw invalidValue(name, value, `Value ${JSON.stringify(value)} is not an integer`)
}

export function requiredWhole(fields: Json, name: string): number {
  const value = wholeOf(fields, name)
  if (value === undefined) throw missingParameter(name)
  return value
}

const specials = new Map([
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
])
/** A double as a number, a numeric string, or one of the three that JSON has no number for. */
export function doubleOf(fields: Json, name: string): number | undefined {
  const value = fieldOf(fields, name)
  if (value === undefined || typeof value === 'number') return value
  if (typeof value === 'string') {
    const special = specials.get(value)
    if (special !== undefined) return special
    if (value.trim() !== '' && !Number.isNaN(Number(value))) return Number(value)
  }
  throw invalidValue(name, value, `Value ${JSON.stringify(value)} is not a number`)
}

export function requiredDouble(fields: Json, name: string): number {
  const value = doubleOf(fields, name)
  if (value === undefined) throw missingParameter(name)
  return value
}

/** A boolean; a query has it as text. */
export function flagOf(fields: Json, name: string): boolean | undefined {
  const value = fieldOf(fields, name)
  if (value === undefined || typeof value === 'boolean') return value
  const text = String(value).toLowerCase()
  if (text === 'true' || text === 'false') return text === 'true'
  throw invalidValue(name, value, `Value ${JSON.stringify(value)} is not a boolean`)
}

/** A list of strings; a query repeats the key, and a single one is a list of one. */
export function textsOf(fields: Json, name: string): readonly string[] {
  const value = fieldOf(fields, name)
  if (value === undefined) return []
  const all = Array.isArray(value) ? value : [value]
  for (const one of all)
    if (typeof one !== 'string')
      throw invalidValue(name, value, `Value ${JSON.stringify(one)} is not a string`)
  return all as string[]
}

/** A list of messages. */
export function messagesOf(fields: Json, name: string): readonly Json[] {
  const value = fieldOf(fields, name)
  if (value === undefined) return []
  if (!Array.isArray(value) || !value.every(isObject))
    throw invalidValue(name, value, `Value ${JSON.stringify(value)?.slice(0, 200)} is not a list of objects`)
  return value
}

export function messageOf(fields: Json, name: string): Json | undefined {
  const value = fieldOf(fields, name)
  if (value === undefined || isObject(value)) return value
  throw invalidValue(name, value, `Value ${JSON.stringify(value)?.slice(0, 200)} is not an object`)
}

export const requiredMessage = (fields: Json, name: string): Json => {
  const value = messageOf(fields, name)
  if (value === undefined) throw missingParameter(name)
  return value
}

/** Tags and parameters: `[{key, value}]`, a value may be empty or left out. */
export const pairsOf = (fields: Json, name: string): { key: string; value: string }[] =>
  messagesOf(fields, name).map((pair) => ({
    key: requiredText(pair, 'key'),
    value: textOf(pair, 'value') ?? '',
  }))

export interface PageBounds {
  readonly fallback: number
  readonly max: number
}
/** `max_results` within its bounds. */
export function pageSizeOf(fields: Json, { fallback, max }: PageBounds): number {
  const size = wholeOf(fields, 'max_results') ?? fallback
  if (size < 1 || size > max)
    throw invalidValue(
      'max_results',
      size,
      size < 1
        ? `max_results must be a positive integer, got ${size}`
        : `max_results must be at most ${max}, got ${size}`,
    )
  return size
}

/** A page token is ours or refused; what is in it is for who made it. */
export function tokenOf(fields: Json, name = 'page_token'): readonly (string | number | null)[] | undefined {
  const token = textOf(fields, name)
  if (token === undefined || token === '') return undefined
  try {
    const values: unknown = JSON.parse(Buffer.from(token, 'base64url').toString())
    if (Array.isArray(values)) return values
  } catch {}
  throw invalidParameter('Invalid page token, could not base64-decode')
}
/** Where a page begins, for lists that count. */
export function offsetOf(fields: Json): number {
  const offset = Number(tokenOf(fields)?.[0] ?? 0)
  if (Number.isInteger(offset) && offset >= 0) return offset
  throw invalidParameter('Invalid page token, could not base64-decode')
}
export const tokenFor = (values: readonly (string | number | null)[]): string =>
  Buffer.from(JSON.stringify(values)).toString('base64url')

/** A double as this wire has it: the three specials as strings. */
export const doubleJson = (value: number): number | string => (Number.isFinite(value) ? value : String(value))

/** Fields that are set: an unset field and an empty list are left out. */
export function message(fields: Record<string, unknown>): Record<string, unknown> {
  const out: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(fields)) {
    if (value === undefined || value === null) continue
    if (Array.isArray(value) && value.length === 0) continue
    out[key] = value
  }
  return out
}
export const pairsJson = (pairs: Readonly<Record<string, string>>) =>
  Object.entries(pairs).map(([key, value]) => ({ key, value }))
