/** Regular expressions as Python means them, and LIKE, as predicates of SQL. */
import { GxError } from './failure.ts'
import type { Scope } from './plan.ts'
import { type Column, quote, textOf } from './table.ts'

/** What the engine's linear-time matcher does not know: looking around, references back, possessive and atomic groups. */
const beyondEngine = /\(\?(?:[=!]|<[=!]|>)|\\[1-9]|\(\?P=|[*+?}]\+/

/** Whether the text contains a match: Python's `search`. What the engine cannot say is asked of the distinct values here. */
export async function regexSql(scope: Scope, text: string, pattern: string): Promise<string> {
  const local = compiled(pattern)
  if (!beyondEngine.test(pattern)) return `regexp_matches(${text}, ${quote(unicode(pattern))})`
  const found = (await scope.texts(text)).filter((value) => local.test(value))
  return found.length === 0 ? 'false' : `${text} in (${found.map(quote).join(', ')})`
}

/** Python's classes know all of Unicode, the engine's only ASCII. */
function unicode(pattern: string): string {
  let isInClass = false
  return pattern.replaceAll(/\\.|\[\^?\]?|\]/gsu, (part) => {
    if (part.startsWith('[')) isInClass = true
    else if (part === ']') isInClass = false
    return (isInClass ? insideClass : outside)[part] ?? part
  })
}
const outside: Record<string, string> = {
  '\\w': '[\\p{L}\\p{N}_]',
  '\\W': '[^\\p{L}\\p{N}_]',
  '\\d': '\\p{Nd}',
  '\\D': '\\P{Nd}',
  '\\Z': '\\z',
}
const insideClass: Record<string, string> = { '\\w': '\\p{L}\\p{N}_', '\\d': '\\p{Nd}', '\\D': '\\P{Nd}' }

function compiled(pattern: string): RegExp {
  const flags = /^\(\?([aimsux]+)\)/.exec(pattern)
  const source = pattern
    .slice(flags?.[0].length ?? 0)
    .replaceAll('(?P<', '(?<')
    .replaceAll(/\(\?P=(\w+)\)/g, '\\k<$1>')
    .replaceAll('\\A', '^')
    .replaceAll('\\Z', '$')
  const kept = [...new Set((flags?.[1] ?? '').replaceAll(/[aux]/g, ''))].join('')
  for (const mode of ['u', '']) {
    try {
      return new RegExp(source, `${kept}${mode}`)
    } catch {}
  }
  throw new GxError('re.error', `\`${pattern}\` is no regular expression`)
}

/** SQL's LIKE: `%` any text, `_` one character, `[a-c]` and `[^a]` one of a set as SQL Server has it; case matters. */
export function likeSql(subject: Column, pattern: string): string {
  if (!/\[[^\]]+\]/.test(pattern)) return `(${textOf(subject)} like ${quote(pattern)})`
  const expression = pattern.replaceAll(
    /\[(\^?)([^\]]+)\]|[%_]|[\\^$.*+?()[\]{}|]/g,
    (part, negated: string, set: string) => {
      if (set !== undefined) return `[${negated}${set.replaceAll('\\', '\\\\')}]`
      return part === '%' ? '.*' : part === '_' ? '.' : `\\${part}`
    },
  )
  return `regexp_full_match(${textOf(subject)}, ${quote(expression)}, 's')`
}
