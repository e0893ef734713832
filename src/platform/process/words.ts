/** A command line of the definition as words. Quotes group; nothing is expanded, and there is no shell. Pure. */
import { Fault } from '#base/errors.ts'

// One word: quoted parts and bare characters, in any mixture; or the quote that nothing closes.
const wordPattern = /((?:"[^"]*"|'[^']*'|[^\s"'])+)|(["'])/g

/** `python "my file.py" --x 1` → its words. @throws Fault invalid `process.quote_open` */
export function splitWords(line: string): string[] {
  return [...line.matchAll(wordPattern)].map(([, word, open]) => {
    if (open !== undefined || word === undefined) {
      throw new Fault('invalid', 'process.quote_open', `a quote is not closed in \`${line}\``)
    }
    return word.replaceAll(
      /"([^"]*)"|'([^']*)'/g,
      (_, double?: string, single?: string) => double ?? single ?? '',
    )
  })
}
