/** The verbs as a table. Each prints data on stdout and talk on stderr. Read next: runs.ts, objects.ts, local.ts. */
import type { ParseArgsConfig } from 'node:util'
import type { Context } from './index.ts'
import { localVerbs } from './local.ts'
import { objectVerbs } from './objects.ts'
import { offlineVerbs } from './offline.ts'
import { runVerbs } from './runs.ts'
import { secretVerbs } from './secrets.ts'
import { userVerbs } from './users.ts'

export interface Verb {
  /** `data ls` */
  readonly name: string
  readonly usage: string
  readonly summary: string
  readonly options?: NonNullable<ParseArgsConfig['options']>
  /** @returns the exit code */
  run(context: Context): Promise<number>
}

const verbs = (): Verb[] => [
  ...localVerbs,
  ...offlineVerbs,
  ...runVerbs,
  ...objectVerbs,
  ...secretVerbs,
  ...userVerbs,
]

/** The verb with the most words that the arguments begin with. */
export function findVerb(argv: readonly string[]): { verb: Verb | undefined; rest: string[] } {
  const words = argv.filter((a) => !a.startsWith('-'))
  const found = verbs()
    .filter((v) => v.name.split(' ').every((word, i) => words[i] === word))
    .sort((a, b) => b.name.length - a.name.length)[0]
  if (found === undefined) return { verb: undefined, rest: [...argv] }
  const rest = [...argv]
  for (const word of found.name.split(' ')) rest.splice(rest.indexOf(word), 1)
  return { verb: found, rest }
}

export function helpText(verb: Verb | undefined): string {
  if (verb !== undefined) return `usage: headrace ${verb.name} ${verb.usage}\n${verb.summary}\n`
  const width = Math.max(...verbs().map((v) => v.name.length + v.usage.length + 1))
  const lines = verbs().map((v) => `  ${`${v.name} ${v.usage}`.padEnd(width)}  ${v.summary}`)
  return `usage: headrace COMMAND [--json] [--project P] [--server URL]\n\n${lines.join('\n')}\n`
}
