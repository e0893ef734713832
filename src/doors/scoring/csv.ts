/** `text/csv` as records: RFC 4180 with a header line; numbers as numbers, an empty field as null, quoted text as text. */
import { Fault } from '#base/errors.ts'
import type { ScoringRecord } from '../../domains/serving/index.ts'

const bytesMax = 16 * 1024 * 1024
interface Field {
  readonly text: string
  readonly isQuoted: boolean
}

export async function recordsOfCsv(body: AsyncIterable<Buffer>): Promise<ScoringRecord[]> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of body) {
    size += part.length
    if (size > bytesMax)
      throw new Fault('too_large', 'scoring.too_large', 'the request is larger than 16 MiB')
    parts.push(part)
  }
  const [header, ...lines] = parseCsv(Buffer.concat(parts).toString('utf8'))
  if (header === undefined) throw new Fault('invalid', 'scoring.csv_empty', 'the CSV has no header line')
  return lines.map((line, i) => {
    if (line.length !== header.length)
      throw new Fault(
        'invalid',
        'scoring.csv_width',
        `line ${i + 2} of the CSV has ${line.length} fields, the header ${header.length}`,
      )
    return Object.fromEntries(header.map((name, at) => [name.text, valueIn(line[at] as Field)]))
  })
}

function valueIn({ text, isQuoted }: Field): string | number | null {
  if (isQuoted) return text
  if (text.trim() === '') return null
  const number = Number(text)
  return Number.isNaN(number) ? text : number
}

/** One pass: a field ends at a comma or a line's end outside quotes; a doubled quote inside quotes is one quote. */
export function parseCsv(text: string): Field[][] {
  const lines: Field[][] = []
  let line: Field[] = []
  const field = /"((?:[^"]|"")*)"|([^",\r\n]*)/y
  for (let at = 0; at < text.length; ) {
    field.lastIndex = at
    const found = field.exec(text)
    const isQuoted = found?.[1] !== undefined
    line.push({ text: isQuoted ? (found?.[1] ?? '').replaceAll('""', '"') : (found?.[2] ?? ''), isQuoted })
    at = field.lastIndex
    const next = text[at]
    if (next === ',') {
      at++
      if (at === text.length) line.push({ text: '', isQuoted: false })
      continue
    }
    if (next !== undefined && next !== '\n' && next !== '\r')
      throw new Fault(
        'invalid',
        'scoring.csv_quote',
        `line ${lines.length + 1} of the CSV has a quote inside a field`,
      )
    at += next === '\r' && text[at + 1] === '\n' ? 2 : 1
    lines.push(line)
    line = []
  }
  if (line.length > 0) lines.push(line)
  return lines.filter((fields) => fields.length > 1 || fields[0]?.text !== '' || fields[0]?.isQuoted)
}
