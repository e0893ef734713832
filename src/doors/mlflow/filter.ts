/**
 * MLflow's filter and order strings as typed clauses: tokens, then `ident op value (AND …)*`. Which entities, keys and
 * comparators a search takes is said by its Grammar; SQL is made of clauses in a domain's store, never here.
 */
import { invalidParameter } from './errors.ts'

export type Comparator =
  | '='
  | '!='
  | '>'
  | '>='
  | '<'
  | '<='
  | 'LIKE'
  | 'ILIKE'
  | 'RLIKE'
  | 'IN'
  | 'NOT IN'
  | 'IS NULL'
  | 'IS NOT NULL'

/** One condition. `value` is a list for IN and NOT IN, undefined for IS NULL and IS NOT NULL. */
export interface Clause<E extends string = string> {
  readonly entity: E
  readonly key: string
  readonly comparator: Comparator
  readonly value: string | number | readonly string[] | undefined
}
export interface Order<E extends string = string> {
  readonly entity: E
  readonly key: string
  readonly ascending: boolean
}

export interface EntityRule {
  /** Names under which keys are known: `Created` → `start_time`; where given, other keys are refused. */
  readonly keys?: Readonly<Record<string, string>>
  /** Keys that compare as numbers; `all` for metrics. */
  readonly numeric?: 'all' | readonly string[]
  readonly comparators: readonly Comparator[]
  /** Comparators of numeric keys, where they differ. */
  readonly numericComparators?: readonly Comparator[]
  /** Keys for which IN and NOT IN are taken besides. */
  readonly inKeys?: readonly string[]
}
export interface Grammar<E extends string> {
  /** Every spelling of an entity → its name: `params` → `param`. */
  readonly entities: Readonly<Record<string, E>>
  /** What a name without an entity is. */
  readonly fallback: E
  readonly rules: Readonly<Record<E, EntityRule>>
}

export const numericComparators: readonly Comparator[] = ['>', '>=', '!=', '=', '<', '<=']
export const textComparators: readonly Comparator[] = ['!=', '=', 'LIKE', 'ILIKE']

type Token = {
  readonly kind: 'word' | 'string' | 'backtick' | 'number' | 'operator' | 'mark'
  readonly text: string
}
const tokenPattern =
  /\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|`([^`]*)`|(-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))|(>=|<=|!=|<>|=|>|<)|([(),.])|([^\s'"`()=<>!,.]+))/y
const clausesMax = 100
const filterCharsMax = 20_000

function tokensOf(text: string): Token[] {
  if (text.length > filterCharsMax) throw invalidParameter(`Filter string is longer than ${filterCharsMax}`)
  const tokens: Token[] = []
  tokenPattern.lastIndex = 0
  while (tokenPattern.lastIndex < text.trimEnd().length) {
    const at = tokenPattern.lastIndex
    const found = tokenPattern.exec(text)
    if (found === null)
      throw invalidParameter(`Invalid clause(s) in filter string: '${text.slice(at).trim()}'`)
    const [, single, double, backtick, number, operator, mark, word] = found
    const quoted = single ?? double
    if (quoted !== undefined) tokens.push({ kind: 'string', text: quoted })
    else if (backtick !== undefined) tokens.push({ kind: 'backtick', text: backtick })
    else if (number !== undefined) tokens.push({ kind: 'number', text: number })
    else if (operator !== undefined) tokens.push({ kind: 'operator', text: operator })
    else if (mark !== undefined) tokens.push({ kind: 'mark', text: mark })
    else tokens.push({ kind: 'word', text: word ?? '' })
  }
  return tokens
}

class Reader {
  readonly #tokens: readonly Token[]
  readonly #text: string
  #at = 0
  constructor(text: string) {
    this.#text = text
    this.#tokens = tokensOf(text)
  }
  get done(): boolean {
    return this.#at >= this.#tokens.length
  }
  peek(ahead = 0): Token | undefined {
    return this.#tokens[this.#at + ahead]
  }
  next(): Token {
    const token = this.#tokens[this.#at++]
    if (token === undefined)
      throw invalidParameter(`Invalid clause(s) in filter string: '${this.#text.trim()}'`)
    return token
  }
  /** Takes the words where they come next. */
  takes(...words: string[]): boolean {
    const all = words.every((word, i) => {
      const token = this.peek(i)
      return token?.kind === 'word' && token.text.toUpperCase() === word
    })
    if (all) this.#at += words.length
    return all
  }
  takesMark(mark: string): boolean {
    const token = this.peek()
    if (token?.kind !== 'mark' || token.text !== mark) return false
    this.#at++
    return true
  }
}

/** @throws Fault INVALID_PARAMETER_VALUE with the sentence that clients know */
export function parseFilter<E extends string>(text: string | undefined, grammar: Grammar<E>): Clause<E>[] {
  if (text === undefined || text.trim() === '') return []
  const reader = new Reader(text)
  const clauses: Clause<E>[] = []
  while (!reader.done) {
    clauses.push(clauseFrom(reader, grammar))
    if (clauses.length > clausesMax) throw invalidParameter(`At most ${clausesMax} clauses are allowed`)
    // A trailing AND is accepted, as upstream does.
    if (reader.done || reader.takes('AND')) continue
    throw invalidParameter(`Invalid clause(s) in filter string: '${reader.next().text}'`)
  }
  return clauses
}

function clauseFrom<E extends string>(reader: Reader, grammar: Grammar<E>): Clause<E> {
  const { entity, key } = identifierFrom(reader, grammar)
  const rule = grammar.rules[entity]
  const isNumeric = rule.numeric === 'all' || (rule.numeric?.includes(key) ?? false)
  const comparator = comparatorFrom(reader)
  checkComparator(comparator, key, rule, isNumeric)
  if (comparator === 'IS NULL' || comparator === 'IS NOT NULL')
    return { entity, key, comparator, value: undefined }
  if (comparator === 'IN' || comparator === 'NOT IN')
    return { entity, key, comparator, value: listFrom(reader, entity) }
  return { entity, key, comparator, value: valueFrom(reader, entity, isNumeric) }
}

function checkComparator(comparator: Comparator, key: string, rule: EntityRule, isNumeric: boolean): void {
  const own = isNumeric ? (rule.numericComparators ?? numericComparators) : rule.comparators
  const allowed = rule.inKeys?.includes(key) ? [...own, 'IN', 'NOT IN'] : own
  if (allowed.includes(comparator)) return
  throw invalidParameter(
    `Invalid comparator '${comparator}' not one of '{${allowed.map((c) => `'${c}'`).join(', ')}}'`,
  )
}

/** `[entity.]key`; a key may be quoted, and a bare one may have dots. */
function identifierFrom<E extends string>(reader: Reader, grammar: Grammar<E>): { entity: E; key: string } {
  const first = reader.next()
  if (first.kind === 'operator' || first.kind === 'mark')
    throw invalidParameter(`Invalid clause(s) in filter string: '${first.text}'`)
  const parts = [first.text]
  while (reader.takesMark('.')) parts.push(reader.next().text)
  const isQuoted = first.kind !== 'word'
  return resolved(parts, isQuoted, grammar)
}

function resolved<E extends string>(
  parts: readonly string[],
  isQuoted: boolean,
  grammar: Grammar<E>,
): { entity: E; key: string } {
  const [head = '', ...rest] = parts
  if (rest.length === 0 || isQuoted)
    return { entity: grammar.fallback, key: keyOf(parts.join('.'), grammar.fallback, grammar) }
  const entity = grammar.entities[head] ?? grammar.entities[head.toLowerCase()]
  if (entity === undefined) {
    const names = [...new Set(Object.values<string>(grammar.entities))].map((n) => `'${n}'`).join(', ')
    throw invalidParameter(`Invalid entity type '${head}'. Valid values are [${names}]`)
  }
  return { entity, key: keyOf(rest.join('.'), entity, grammar) }
}

function keyOf<E extends string>(key: string, entity: E, grammar: Grammar<E>): string {
  const { keys } = grammar.rules[entity]
  if (keys === undefined) return key
  const known = Object.hasOwn(keys, key) ? keys[key] : undefined
  if (known !== undefined) return known
  const valid = [...new Set(Object.values(keys))].map((k) => `'${k}'`).join(', ')
  throw invalidParameter(`Invalid ${entity} key '${key}' specified. Valid keys are '{${valid}}'`)
}

function comparatorFrom(reader: Reader): Comparator {
  if (reader.takes('NOT', 'IN')) return 'NOT IN'
  if (reader.takes('IS', 'NOT', 'NULL')) return 'IS NOT NULL'
  if (reader.takes('IS', 'NULL')) return 'IS NULL'
  const token = reader.next()
  if (token.kind === 'operator') return token.text === '<>' ? '!=' : (token.text as Comparator)
  const word = token.text.toUpperCase()
  if (token.kind === 'word' && ['LIKE', 'ILIKE', 'RLIKE', 'IN'].includes(word)) return word as Comparator
  throw invalidParameter(`Invalid clause(s) in filter string: '${token.text}'`)
}

function valueFrom(reader: Reader, entity: string, isNumeric: boolean): string | number {
  const token = reader.next()
  if (isNumeric) {
    if (token.kind === 'number') return Number(token.text)
    throw invalidParameter(`Expected numeric value type for ${entity}. Found ${token.text}`)
  }
  if (token.kind === 'string') return token.text
  const noun = entity === 'param' ? 'parameter' : entity
  throw invalidParameter(
    `Expected a quoted string value for ${noun} (e.g. 'my-value'). Got value ${token.text}`,
  )
}

function listFrom(reader: Reader, entity: string): string[] {
  const wrong = () =>
    invalidParameter(
      `While parsing a list in the query, expected a non-empty list of string values for ${entity}, in parentheses`,
    )
  if (!reader.takesMark('(')) throw wrong()
  const values: string[] = []
  for (;;) {
    const token = reader.next()
    if (token.kind !== 'string') throw wrong()
    values.push(token.text)
    if (reader.takesMark(')')) return values
    if (!reader.takesMark(',')) throw wrong()
    if (reader.takesMark(')')) return values
  }
}

/** `ident [ASC|DESC]` of an order_by. */
export function parseOrder<E extends string>(text: string, grammar: Grammar<E>): Order<E> {
  const reader = new Reader(text)
  const { entity, key } = identifierFrom(reader, grammar)
  const ascending = reader.takes('DESC') ? false : reader.takes('ASC') || true
  if (!reader.done) throw invalidParameter(`Invalid order_by clause '${text}'`)
  return { entity, key, ascending }
}
export const parseOrders = <E extends string>(texts: readonly string[], grammar: Grammar<E>): Order<E>[] =>
  texts.map((text) => parseOrder(text, grammar))
