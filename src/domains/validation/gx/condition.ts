/** Row conditions (pandas' query words, GX's `col("x")`, plain SQL comparisons, GX 1.x objects) → a SQL predicate. Pure. */
import { GxError } from './failure.ts'
import { type Column, literalSql, type Table, textOf } from './table.ts'

type Token = { readonly kind: 'name' | 'number' | 'text' | 'mark' | 'tick'; readonly text: string }
type Value =
  | { readonly kind: 'column'; readonly column: Column }
  | { readonly kind: 'literal'; readonly value: unknown }
  | { readonly kind: 'sql'; readonly sql: string }

const pattern =
  /\s*(?:(`[^`]+`)|("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(-?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|-?\.\d+)|([A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)|(==|!=|<>|<=|>=|&&|\|\||[<>=&|~!()[\],.]))/gy
const wordsMax = 2_000

/** The predicate of a condition over the columns of the relation. Its parser is pandas or GX's own; others are refused as GX does. */
export function conditionSql(table: Table, condition: unknown, parser: unknown): string | undefined {
  if (condition === undefined || condition === null || condition === '') return undefined
  if (typeof condition === 'object') return objectSql(table, condition as Record<string, unknown>)
  const known = [
    'pandas',
    'python',
    'spark',
    'great_expectations',
    'great_expectations__experimental__',
    'sql',
  ]
  if (parser === undefined || parser === null) return new Parser(table, tokensOf(String(condition))).whole()
  if (!known.includes(String(parser)))
    throw new GxError(
      'ValueError',
      `condition_parser is required when setting a row_condition, and must be 'python' or 'pandas', 'spark' or 'great_expectations'; it is '${String(parser)}'`,
    )
  return new Parser(table, tokensOf(String(condition))).whole()
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = []
  pattern.lastIndex = 0
  let at = 0
  while (text.slice(at).trim() !== '') {
    pattern.lastIndex = at
    const found = pattern.exec(text)
    if (found === null || tokens.length > wordsMax)
      throw new GxError(
        'SyntaxError',
        `the row_condition \`${text}\` is not understood at \`${text.slice(at).trim()}\``,
      )
    at = pattern.lastIndex
    const [, tick, quoted, number, name, mark] = found
    if (tick !== undefined) tokens.push({ kind: 'tick', text: tick.slice(1, -1) })
    else if (quoted !== undefined)
      tokens.push({ kind: 'text', text: quoted.slice(1, -1).replaceAll(/\\(.)/g, '$1') })
    else if (number !== undefined) tokens.push({ kind: 'number', text: number })
    else if (name !== undefined) tokens.push({ kind: 'name', text: name })
    else tokens.push({ kind: 'mark', text: mark ?? '' })
  }
  return tokens
}

class Parser {
  readonly #table: Table
  readonly #tokens: readonly Token[]
  #at = 0

  constructor(table: Table, tokens: readonly Token[]) {
    this.#table = table
    this.#tokens = tokens
  }

  whole(): string {
    const sql = this.#either()
    if (this.#at < this.#tokens.length) throw this.#wrong()
    return sql
  }

  #either(): string {
    let sql = this.#both()
    while (this.#take('or', '|', '||')) sql = `(${sql} or ${this.#both()})`
    return sql
  }

  #both(): string {
    let sql = this.#not()
    while (this.#take('and', '&', '&&')) sql = `(${sql} and ${this.#not()})`
    return sql
  }

  #not(): string {
    if (this.#take('not', '~', '!')) return `(not coalesce(${this.#not()}, false))`
    return this.#comparison()
  }

  #comparison(): string {
    const left = this.#value()
    if (this.#take('is')) {
      const negated = this.#take('not') !== undefined
      if (this.#take('null', 'none') === undefined) throw this.#wrong()
      return `(${plain(left)} is ${negated ? 'not ' : ''}null)`
    }
    const negated = this.#take('not') !== undefined
    if (this.#take('in')) return membership(left, this.#list(), negated)
    if (negated) throw this.#wrong()
    let operator = this.#take('==', '=', '!=', '<>', '<=', '>=', '<', '>')
    if (operator === undefined) return plain(left)
    let from = left
    const parts: string[] = []
    while (operator !== undefined) {
      const to = this.#value()
      parts.push(compare(from, operator, to))
      from = to
      operator = this.#take('==', '=', '!=', '<>', '<=', '>=', '<', '>')
    }
    return parts.length === 1 ? (parts[0] ?? '') : `(${parts.join(' and ')})`
  }

  #value(): Value {
    const token = this.#tokens[this.#at]
    if (token === undefined) throw this.#wrong()
    if (token.kind === 'mark') {
      if (this.#take('(') === undefined) throw this.#wrong()
      const sql = this.#either()
      if (this.#take(')') === undefined) throw this.#wrong()
      return { kind: 'sql', sql }
    }
    this.#at++
    if (token.kind === 'text') return { kind: 'literal', value: token.text }
    if (token.kind === 'number') return { kind: 'literal', value: Number(token.text) }
    return token.kind === 'name' ? this.#word(token.text) : this.#named(token.text)
  }

  /** A constant, a call or a column. */
  #word(text: string): Value {
    const word = text.toLowerCase()
    if (word === 'true' || word === 'false') return { kind: 'literal', value: word === 'true' }
    if (word === 'none' || word === 'null' || word === 'nan') return { kind: 'literal', value: null }
    return this.#peek() === '(' && (word === 'col' || word === 'date') ? this.#call(word) : this.#named(text)
  }

  #named(name: string): Value {
    return this.#methods({ kind: 'column', column: this.#table.column(name) })
  }

  /** `col("x")`, `date("2024-01-01")`. */
  #call(word: string): Value {
    this.#at++
    const argument = this.#tokens[this.#at++]
    if (argument?.kind !== 'text' || this.#take(')') === undefined) throw this.#wrong()
    if (word === 'date') return { kind: 'literal', value: argument.text }
    return this.#methods({ kind: 'column', column: this.#table.column(argument.text) })
  }

  /** `.isnull()`, `.notNull()` and the like after a column. */
  #methods(value: Value): Value {
    if (this.#take('.') === undefined) return value
    const name = this.#tokens[this.#at++]?.text.toLowerCase() ?? ''
    if (this.#take('(') === undefined || this.#take(')') === undefined) {
      if (name !== 'str') throw this.#wrong()
      return value
    }
    if (/^(isnull|isna|is_null)$/.test(name)) return { kind: 'sql', sql: `(${plain(value)} is null)` }
    if (/^(notnull|notna|is_not_null)$/.test(name))
      return { kind: 'sql', sql: `(${plain(value)} is not null)` }
    throw new GxError('SyntaxError', `a row_condition cannot call \`${name}\``)
  }

  #list(): unknown[] {
    const close = this.#take('[') !== undefined ? ']' : this.#take('(') !== undefined ? ')' : undefined
    if (close === undefined) throw this.#wrong()
    const values: unknown[] = []
    while (this.#take(close) === undefined) {
      const value = this.#value()
      if (value.kind !== 'literal') throw this.#wrong()
      values.push(value.value)
      this.#take(',')
    }
    return values
  }

  #peek(): string | undefined {
    return this.#tokens[this.#at]?.text
  }

  #take(...words: string[]): string | undefined {
    const token = this.#tokens[this.#at]
    if (token === undefined || token.kind === 'text' || token.kind === 'tick' || token.kind === 'number')
      return undefined
    const word = token.text.toLowerCase()
    if (!words.includes(word)) return undefined
    this.#at++
    return word
  }

  #wrong(): GxError {
    const token = this.#tokens[this.#at]?.text ?? 'its end'
    return new GxError('SyntaxError', `the row_condition is not understood at \`${token}\``)
  }
}

const plain = (value: Value): string => {
  if (value.kind === 'sql') return value.sql
  return value.kind === 'column' ? value.column.sql : literalSql(undefined, value.value)
}

function compare(left: Value, operator: string, right: Value): string {
  const sign = operator === '==' ? '=' : operator === '!=' ? '<>' : operator
  if (left.kind === 'column' && right.kind === 'literal') return against(left.column, sign, right.value)
  if (left.kind === 'literal' && right.kind === 'column')
    return against(right.column, flipped[sign] ?? sign, left.value)
  const sql = `(${plain(left)} ${sign} ${plain(right)})`
  return sign === '<>' ? `coalesce(${sql}, true)` : sql
}

const flipped: Record<string, string> = { '<': '>', '>': '<', '<=': '>=', '>=': '<=' }

function against(column: Column, sign: string, value: unknown): string {
  // pandas: nothing equals a missing value, and so it differs from all.
  if (value === null) return sign === '<>' ? 'true' : 'false'
  const sql = sided(column, sign, value)
  return sign === '<>' ? `coalesce(${sql}, true)` : `coalesce(${sql}, false)`
}

function sided(column: Column, sign: string, value: unknown): string {
  if (column.kind === 'mixed') {
    if (sign === '=' || sign === '<>') return `(${column.sql} ${sign} ${literalSql(column, value)})`
    const isText = typeof value === 'string'
    const cast = isText ? textOf(column) : `try_cast(${column.sql} as double)`
    return `(${cast} ${sign} ${literalSql(undefined, value)})`
  }
  const isNumber = column.kind === 'int' || column.kind === 'float'
  if (
    isNumber !== (typeof value === 'number') &&
    typeof value !== 'boolean' &&
    column.kind !== 'time' &&
    column.kind !== 'date'
  ) {
    if (sign === '=') return 'false'
    if (sign === '<>') return 'true'
    throw new GxError(
      'TypeError',
      `the row_condition compares column "${column.name}" with ${JSON.stringify(value)}`,
    )
  }
  return `(${column.sql} ${sign} ${literalSql(column, value)})`
}

function membership(left: Value, values: readonly unknown[], negated: boolean): string {
  const parts = values.map((value) => compare(left, '==', { kind: 'literal', value }))
  const sql = parts.length === 0 ? 'false' : `(${parts.join(' or ')})`
  return negated ? `(not ${sql})` : sql
}

/** The objects that GX 1.x writes for its Python conditions. */
function objectSql(table: Table, condition: Record<string, unknown>): string {
  const { type, conditions } = condition
  if (type === 'pass_through') return conditionSql(table, condition.pass_through_filter, 'pandas') ?? 'true'
  if (Array.isArray(conditions)) {
    const parts = conditions.map((c) => objectSql(table, c as Record<string, unknown>))
    return `(${parts.join(type === 'or' ? ' or ' : ' and ')})`
  }
  const column = table.column((condition.column as { name?: string } | undefined)?.name ?? '')
  if (type === 'nullity') return `(${column.sql} is ${condition.is_null === true ? '' : 'not '}null)`
  const operator = String(condition.operator).toLowerCase()
  const value: Value = { kind: 'column', column }
  if (operator === 'in' || operator === 'not_in' || operator === 'not in')
    return membership(value, condition.parameter as unknown[], operator !== 'in')
  if (!/^(==|!=|<=|>=|<|>)$/.test(operator))
    throw new GxError('ValueError', `a row_condition has no operator \`${operator}\``)
  return compare(value, operator, { kind: 'literal', value: condition.parameter })
}
