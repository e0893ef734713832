/** CSV as the standard and spreadsheets write it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFault } from '#base/errors.ts'
import { parseCsv, recordsOfCsv } from './csv.ts'

const records = (text: string) =>
  recordsOfCsv(
    (async function* () {
      // Torn anywhere, also within a character.
      const bytes = Buffer.from(text)
      for (let at = 0; at < bytes.length; at += 3) yield bytes.subarray(at, at + 3)
    })(),
  )

const cases: [string, string, unknown[]][] = [
  [
    'numbers, text and nothing',
    'a,b,c\n1,x,\n-2.5e3,"",0',
    [
      { a: 1, b: 'x', c: null },
      { a: -2500, b: '', c: 0 },
    ],
  ],
  [
    'quotes, commas and lines in quotes',
    'a,b\r\n"x, ""y""","two\nlines"\r\n',
    [{ a: 'x, "y"', b: 'two\nlines' }],
  ],
  ['a quoted number is text', 'a\n"1"\n', [{ a: '1' }]],
  ['letters beyond ASCII', 'naïve,é\nß,ü', [{ naïve: 'ß', é: 'ü' }]],
  ['an empty last field', 'a,b\n1,', [{ a: 1, b: null }]],
  ['a header alone', 'a,b\n', []],
]
for (const [what, text, wanted] of cases)
  test(`csv: ${what}`, async () => {
    assert.deepEqual(await records(text), wanted)
  })

for (const [what, text, code] of [
  ['nothing', '', 'scoring.csv_empty'],
  ['a line that is too long', 'a\n1,2\n', 'scoring.csv_width'],
  ['a quote inside a field', 'a\nx"y\n', 'scoring.csv_quote'],
] as const)
  test(`csv refused: ${what}`, async () => {
    await assert.rejects(records(text), (thrown) => isFault(thrown, code))
  })

test('a quote that is never closed does not hang', () => {
  assert.throws(() => parseCsv(`a\n"${'x'.repeat(100_000)}`))
})
