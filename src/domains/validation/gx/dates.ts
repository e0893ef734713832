/** Dates in words: what Python's dateutil reads without being told a format, and what strptime reads by one. Pure. */

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']
const monthNames = [
  'january',
  'february',
  'march',
  'april',
  'may',
  'june',
  'july',
  'august',
  'september',
  'october',
  'november',
  'december',
]
const weekdayNames = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday']
const fillers = new Set(['at', 'on', 'and', 'ad', 'm', 't', 'of', 'st', 'nd', 'rd', 'th', 'z', 'utc', 'gmt'])
const seconds = /^(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?/
const daysIn = (year: number, month: number) => new Date(Date.UTC(year, month, 0)).getUTCDate()

interface Clock {
  hour: number
  minute: number
  second: number
  micros: number
}
export interface ReadTime {
  readonly year: number
  readonly month: number
  readonly day: number
  readonly clock: Clock
  /** Minutes east of UTC; undefined where the text names no zone. */
  readonly offset: number | undefined
}

/** @returns `YYYY-MM-DD HH:MM:SS[.ffffff]`, in UTC where the text named a zone; undefined where it is no date */
export function readDate(text: string): string | undefined {
  const read = parseDate(text)
  if (read === undefined) return undefined
  const { year, month, day, clock, offset } = read
  const at = new Date(Date.UTC(2000, month - 1, day, clock.hour, clock.minute - (offset ?? 0), clock.second))
  at.setUTCFullYear(at.getUTCFullYear() - 2000 + year)
  const fraction = clock.micros === 0 ? '' : `.${String(clock.micros).padStart(6, '0')}`
  return `${at.toISOString().slice(0, 19).replace('T', ' ')}${fraction}`
}

function parseDate(text: string): ReadTime | undefined {
  let rest = text.trim().toLowerCase()
  if (rest === '') return undefined
  const compact = /^(\d{4})(\d{2})(\d{2})(?:t?(\d{2})(\d{2})(\d{2})?)?$/.exec(rest)
  if (compact !== null) {
    const [, y = '', mo = '', d = '', h = '0', mi = '0', s = '0'] = compact
    const clock = { hour: Number(h), minute: Number(mi), second: Number(s), micros: 0 }
    return checked([Number(y), Number(mo), Number(d)], clock, undefined)
  }
  const clock: Clock = { hour: 0, minute: 0, second: 0, micros: 0 }
  let offset: number | undefined
  const time = /(?:^|[\st])(\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?)\s*(am|pm|a\.m\.|p\.m\.)?/.exec(rest)
  if (time !== null) {
    if (!readClock(time[1] ?? '', time[2], clock)) return undefined
    const after = rest.slice(time.index + time[0].length)
    const zone = /^\s*(?:z|utc|gmt)?\s*([+-])(\d{2}):?(\d{2})?(?!\d)|^\s*(?:z|utc|gmt)\b/.exec(after)
    if (zone !== null) {
      const minutes = Number(zone[2] ?? 0) * 60 + Number(zone[3] ?? 0)
      offset = zone[1] === '-' ? -minutes : minutes
    }
    rest = `${rest.slice(0, time.index)} ${zone === null ? after : after.slice(zone[0].length)}`
  }
  const parts = dateParts(rest)
  return parts === undefined ? undefined : checked(parts, clock, offset)
}

function readClock(text: string, half: string | undefined, clock: Clock): boolean {
  const found = seconds.exec(text)
  if (found === null) return false
  clock.hour = Number(found[1])
  clock.minute = Number(found[2])
  clock.second = Number(found[3] ?? 0)
  clock.micros = Number((found[4] ?? '').padEnd(6, '0').slice(0, 6))
  if (half !== undefined) {
    if (clock.hour > 12) return false
    clock.hour = (clock.hour % 12) + (half.startsWith('p') ? 12 : 0)
  }
  return clock.hour < 24 && clock.minute < 60 && clock.second < 60
}

interface Parts {
  readonly numbers: { value: number; digits: number }[]
  month?: number
  weekday?: boolean
}
/** Year, month and day of what is left when the clock is taken out. */
function dateParts(text: string): [number, number, number] | undefined {
  const parts: Parts = { numbers: [] }
  const words = text.match(/\d+|[a-zé.]+|[^\s\d\w]+/g) ?? []
  if (!words.every((word) => takeWord(word, parts))) return undefined
  const { numbers, month, weekday } = parts
  const isNothing = numbers.length === 0 && month === undefined && weekday !== true && text.trim() !== ''
  return numbers.length > 3 || isNothing ? undefined : ordered(numbers, month)
}

/** Whether a word belongs to a date; what it says goes to the parts. */
function takeWord(word: string, parts: Parts): boolean {
  if (/^\d+$/.test(word)) return parts.numbers.push({ value: Number(word), digits: word.length }) > 0
  if (!/^[a-z.]+$/.test(word)) return /^[-/.,' ;]+$/.test(word)
  const bare = word.replaceAll('.', '')
  const at = nameIn(bare, months, monthNames)
  if (at !== -1) {
    if (parts.month !== undefined) return false
    parts.month = at + 1
    return true
  }
  if (nameIn(bare, weekdays, weekdayNames) === -1) return bare === '' || fillers.has(bare)
  parts.weekday = true
  return true
}

const nameIn = (word: string, short: readonly string[], long: readonly string[]): number => {
  const at = short.indexOf(word)
  return at !== -1 ? at : word === 'sept' ? 8 : long.indexOf(word)
}

/** Month first, day second, year last, unless the numbers say otherwise: what dateutil takes for granted. */
function ordered(
  numbers: readonly { value: number; digits: number }[],
  named: number | undefined,
): [number, number, number] | undefined {
  const yearAt = numbers.findIndex((n) => n.digits > 2 || n.value > 31)
  if ((numbers[yearAt]?.digits ?? 0) > 4) return undefined
  const rest = numbers.filter((_, i) => i !== yearAt).map((n) => n.value)
  let year = numbers[yearAt]?.value
  if (year === undefined && rest.length === (named === undefined ? 3 : 2)) year = rest.pop()
  const full = century(year ?? new Date().getFullYear(), year)
  const [first, second] = rest
  if (named !== undefined) return rest.length > 2 ? undefined : [full, named, first ?? 1]
  if (first === undefined) return [full, 1, 1]
  if (second === undefined) return year === undefined ? [full, 1, first] : [full, first, 1]
  return first > 12 && second <= 12 ? [full, second, first] : [full, first, second]
}

const century = (year: number, given: number | undefined): number => {
  if (given === undefined || year > 99) return year
  return year + (year < 69 ? 2000 : 1900)
}

function checked(
  [year, month, day]: [number, number, number],
  clock: Clock,
  offset: number | undefined,
): ReadTime | undefined {
  if (month < 1 || month > 12 || day < 1 || year < 1 || year > 9999) return undefined
  if (day > daysIn(year, month) || clock.hour > 23 || clock.minute > 59 || clock.second > 59) return undefined
  return { year, month, day, clock, offset }
}

const directives: Record<string, string> = {
  d: '(?<d>3[01]|[12]\\d|0?[1-9]| [1-9])',
  m: '(?<m>1[0-2]|0?[1-9])',
  Y: '(?<Y>\\d{4})',
  y: '(?<y>\\d{2})',
  H: '(?<H>2[0-3]|[01]?\\d)',
  I: '(?<I>1[0-2]|0?[1-9])',
  M: '[0-5]?\\d',
  S: '(?:6[01]|[0-5]?\\d)',
  f: '\\d{1,6}',
  j: '(?:36[0-6]|3[0-5]\\d|[12]\\d\\d|0?[1-9]\\d|0{0,2}[1-9])',
  U: '(?:5[0-3]|[0-4]?\\d)',
  W: '(?:5[0-3]|[0-4]?\\d)',
  w: '[0-6]',
  u: '[1-7]',
  p: '(?:am|pm)',
  z: '(?:[+-]\\d{2}:?[0-5]\\d(?::?[0-5]\\d(?:\\.\\d{1,6})?)?|z)',
  Z: '(?:utc|gmt|[a-z]{3,4})?',
  b: `(?<b>${months.join('|')})`,
  h: `(?<b>${months.join('|')})`,
  B: `(?<B>${monthNames.join('|')})`,
  a: `(?:${weekdays.join('|')})`,
  A: `(?:${weekdayNames.join('|')})`,
  '%': '%',
}
directives.c = ['a', 'b', 'd', 'H:M:S', 'Y'].map(expand).join('\\s+')
directives.x = expand('m/d/y')
directives.X = expand('H:M:S')

function expand(letters: string): string {
  return letters.replaceAll(/[a-zA-Z]/g, (letter) => directives[letter] ?? letter)
}

/** A reader of texts in a strptime format; undefined where the format cannot be read by (`%D`). */
export function strptime(format: string): ((text: string) => boolean) | undefined {
  let pattern = ''
  for (let i = 0; i < format.length; i++) {
    const character = format[i] ?? ''
    if (character === '%') {
      const directive = directives[format[++i] ?? '']
      if (directive === undefined) return undefined
      pattern += directive
    } else if (/\s/.test(character)) {
      if (!pattern.endsWith('\\s+')) pattern += '\\s+'
    } else pattern += character.replace(/[\\^$.*+?()[\]{}|]/, '\\$&')
  }
  const expression = compile(pattern)
  if (expression === undefined) return undefined
  return (text) => {
    const groups = expression.exec(text)?.groups
    if (groups === undefined) return expression.test(text)
    const month = groups.m ?? monthOf(groups)
    if (groups.d === undefined || month === undefined) return true
    const year =
      groups.Y === undefined ? century(Number(groups.y ?? 0), Number(groups.y ?? 0)) : Number(groups.Y)
    const isYearless = groups.Y === undefined && groups.y === undefined
    return Number(groups.d) <= daysIn(isYearless ? 1900 : year, Number(month)) && groups.Y !== '0000'
  }
}

function compile(pattern: string): RegExp | undefined {
  try {
    return new RegExp(`^${pattern}$`, 'iu')
  } catch {
    return undefined
  }
}

function monthOf(groups: Record<string, string>): string | undefined {
  const name = (groups.b ?? groups.B)?.slice(0, 3).toLowerCase()
  return name === undefined ? undefined : String(months.indexOf(name) + 1)
}
