/** Verbs over files, without a server: suites of Great Expectations, drift, fairness. What they compute is handed over. */
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { CliError } from './client.ts'
import type { Context } from './index.ts'
import type { Verb } from './verbs.ts'

const text = { type: 'string' } as const

function needed(context: Context, flag: string, verb: string): string {
  const value = context.flags[flag]
  if (typeof value === 'string' && value !== '') return value
  throw new CliError(2, `--${flag} is missing`, `headrace ${verb} --help`)
}
const listed = (value: unknown): string[] =>
  typeof value === 'string'
    ? value
        .split(',')
        .map((name) => name.trim())
        .filter((name) => name !== '')
    : []

/** Whether a word names a file rather than a dataset. */
export const isFileWord = (word: string | undefined): boolean =>
  word !== undefined && /[/\\]|\.\w+$/.test(word)

/** `fetch` gets a dataset's files from a server, where the word names no file of this machine. */
export async function suiteCheck(
  context: Context,
  fetch: (context: Context, target: string) => Promise<string[]>,
): Promise<number> {
  const [subject] = context.args
  if (subject === undefined) throw new CliError(2, 'NAME or PATH is missing', 'headrace data check --help')
  const suite = needed(context, 'suite', 'data check')
  const format = context.flags['result-format']
  const isFile = await stat(subject).then(
    (found) => found.isFile(),
    () => false,
  )
  if (!isFile && isFileWord(subject)) throw new CliError(2, `there is no file ${subject}`)
  const target = isFile ? undefined : await mkdtemp(path.join(tmpdir(), 'headrace-check-'))
  try {
    const paths = target === undefined ? [path.resolve(subject)] : await fetch(context, target)
    const offline = await context.hands.offline()
    const words = { paths, suite, ...(typeof format === 'string' ? { resultFormat: format } : {}) }
    const result = await offline.suiteCheck(words)
    context.print(result, [
      ...result.results.map(
        (r) => `${r.success === true ? 'passed' : 'FAILED'}  ${JSON.stringify(r.expectation_config)}`,
      ),
      `${result.statistics.successful_expectations} of ${result.statistics.evaluated_expectations} expectations hold`,
    ])
    return result.success ? 0 : 3
  } finally {
    if (target !== undefined) await rm(target, { recursive: true, force: true })
  }
}

async function drift(context: Context): Promise<number> {
  const offline = await context.hands.offline()
  const method = context.flags.method
  const { columns, dataset, notes } = await offline.drift({
    reference: needed(context, 'reference', 'stats drift'),
    current: needed(context, 'current', 'stats drift'),
    ...(typeof method === 'string' ? { method } : {}),
  })
  for (const note of notes) context.say(note)
  const lines = Object.entries(columns).map(
    ([name, c]) =>
      `${c.drifted ? 'DRIFT' : 'ok   '}  ${name}  ${c.method} ${c.p_value ?? c.statistic} (${c.threshold})`,
  )
  context.print({ columns, dataset }, [
    ...lines,
    `${(dataset.share * 100).toFixed(0)} % of the columns drifted: the data set ${dataset.drifted ? 'drifted' : 'did not'}`,
  ])
  return 0
}

async function fairness(context: Context): Promise<number> {
  const offline = await context.hands.offline()
  const sensitive = listed(needed(context, 'sensitive', 'stats fairness'))
  const report = await offline.fairness({
    data: needed(context, 'data', 'stats fairness'),
    yTrue: needed(context, 'y-true', 'stats fairness'),
    yPred: needed(context, 'y-pred', 'stats fairness'),
    sensitive,
    control: listed(context.flags.control),
  })
  const lines = Object.entries(report).flatMap(([name, value]) =>
    typeof value === 'number' || value === null ? [`${name}: ${value ?? 'undefined'}`] : [],
  )
  context.print(report, lines)
  return 0
}

export const offlineVerbs: Verb[] = [
  {
    name: 'stats drift',
    usage: '--reference R --current C [--method NAME]',
    summary: 'Which columns of two files drifted, by the tests of the field',
    options: { reference: text, current: text, method: text },
    run: drift,
  },
  {
    name: 'stats fairness',
    usage: '--data F --y-true Y --y-pred P --sensitive COL[,COL] [--control COL]',
    summary: 'Metrics by group, their gaps and ratios',
    options: { data: text, 'y-true': text, 'y-pred': text, sensitive: text, control: text },
    run: fairness,
  },
]
