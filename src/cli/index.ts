/** Argument words → a verb. The client path loads no server code: the first byte must come at once. Read next: verbs.ts. */
import { parseArgs } from 'node:util'
import { type Client, CliError, openClient } from './client.ts'
import { projectNameIn } from './project.ts'
import { findVerb, helpText, type Verb } from './verbs.ts'

export interface Serving {
  readonly url: string
  readonly dataDirectory: string
  readonly isNew: boolean
  readonly setupToken?: string
  reload(): Promise<void>
  close(): Promise<void>
}
interface Problem {
  readonly file: string
  readonly path: string
  readonly line: number
  readonly column: number
  readonly message: string
  readonly fix?: string
  readonly source: string
}
/** What main.ts hands over: the parts that need no server of another, loaded when asked for. */
export interface Hands {
  serve(flags: Readonly<Record<string, unknown>>): Promise<Serving>
  /** `secrets` are the names that the project has; undefined where nobody can tell. */
  check(
    text: string,
    file: string,
    secrets: readonly string[] | undefined,
  ): Promise<{ problems: readonly Problem[]; whole?: unknown }>
  offline(): Promise<Offline>
}
/** Verbs over files of this machine, and over a data directory that no server has open. They throw faults of kind invalid where the words or the files are wrong. */
export interface Offline {
  suiteCheck(words: {
    readonly paths: readonly string[]
    readonly suite: string
    readonly resultFormat?: string
  }): Promise<SuiteResult>
  drift(words: {
    readonly reference: string
    readonly current: string
    readonly method?: string
  }): Promise<DriftReport>
  fairness(words: {
    readonly data: string
    readonly yTrue: string
    readonly yPred: string
    readonly sensitive: readonly string[]
    readonly control: readonly string[]
  }): Promise<FairnessReport>
  addUser(words: {
    readonly dataDir: string
    readonly user: string
    readonly password: string
    readonly role: string | undefined
  }): Promise<{ readonly user: string }>
}
export interface SuiteResult {
  readonly success: boolean
  readonly results: readonly Readonly<Record<string, unknown>>[]
  readonly statistics: Readonly<Record<string, number | null>>
}
export interface DriftReport {
  readonly columns: Readonly<
    Record<
      string,
      { method: string; statistic: number; p_value: number | null; threshold: number; drifted: boolean }
    >
  >
  readonly dataset: { readonly share: number; readonly drifted: boolean }
  /** Columns without a verdict, and why. */
  readonly notes: readonly string[]
}
export type FairnessReport = Readonly<Record<string, unknown>>
export interface Context {
  readonly hands: Hands
  readonly args: readonly string[]
  readonly flags: Readonly<Record<string, string | boolean | string[] | undefined>>
  readonly isJson: boolean
  /** Data for programs or people: JSON with --json, else lines. */
  print(data: unknown, lines: readonly string[]): void
  /** Talk: on stderr, silent with --quiet. */
  say(line: string): void
  client(): Promise<Client>
}

const common = {
  json: { type: 'boolean' },
  project: { type: 'string' },
  server: { type: 'string' },
  quiet: { type: 'boolean' },
  yes: { type: 'boolean' },
  timeout: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const

/** Runs one command. @returns the exit code of outside.md: 0 ok, 1 failed, 2 usage, 3 refused, 4 not allowed, … */
export async function runCli(argv: readonly string[], hands: Hands): Promise<number> {
  const isJson = argv.includes('--json')
  try {
    const { verb, rest } = findVerb(argv)
    if (verb === undefined || rest.includes('--help') || rest.includes('-h')) {
      process.stdout.write(helpText(verb))
      return verb === undefined && argv.length > 0 && !/^(help|--help|-h)$/.test(argv[0] ?? '') ? 2 : 0
    }
    return await verb.run(contextOf(verb, rest, hands))
  } catch (error) {
    return report(error, isJson)
  }
}

function contextOf(verb: Verb, rest: readonly string[], hands: Hands): Context {
  let parsed: { values: Record<string, string | boolean | string[] | undefined>; positionals: string[] }
  try {
    parsed = parseArgs({
      args: [...rest],
      options: { ...common, ...verb.options },
      allowPositionals: true,
    }) as typeof parsed
  } catch (error) {
    throw new CliError(
      2,
      (error as Error).message.split('. ')[0] ?? 'bad usage',
      `headrace ${verb.name} --help`,
    )
  }
  const { values, positionals } = parsed
  const isJson = values.json === true
  return {
    hands,
    args: positionals,
    flags: values,
    isJson,
    print: (data, lines) =>
      void process.stdout.write(isJson ? `${JSON.stringify(data)}\n` : lines.map((l) => `${l}\n`).join('')),
    say: (line) => void (values.quiet === true || process.stderr.write(`${line}\n`)),
    async client() {
      const { server, project, token } = await clientSettings(values)
      return openClient({
        server,
        project,
        token,
        ...(values.timeout === undefined ? {} : { timeoutMs: Number(values.timeout) * 1_000 }),
      })
    },
  }
}

async function clientSettings(values: Record<string, string | boolean | string[] | undefined>) {
  const env = environment()
  const given =
    (values.server as string | undefined) ??
    env.HEADRACE_SERVER ??
    env.MLFLOW_TRACKING_URI ??
    'http://127.0.0.1:4400'
  const named = /^(https?:\/\/[^/]+(?:\/(?!p\/)[^/]+)*)(?:\/p\/([\w.-]+))?\/?$/.exec(given)
  if (named === null)
    throw new CliError(2, `\`${given}\` is not an address of a server`, 'give --server http://host:port')
  const project =
    (values.project as string | undefined) ??
    env.HEADRACE_PROJECT ??
    named[2] ??
    (await projectNameIn(process.cwd())) ??
    'default'
  return { server: named[1] ?? given, project, token: env.HEADRACE_TOKEN }
}

// biome-ignore lint/style/noProcessEnv: the CLI is a client; the settings of the server are read in platform/config
const environment = () => process.env

function report(error: unknown, isJson: boolean): number {
  const { message, code, remedy } = error as Error & { code?: string; remedy?: string }
  const fix = error instanceof CliError ? error.fix : remedy
  const exitCode = error instanceof CliError ? error.exitCode : exitCodeOf(error)
  if (isJson)
    process.stdout.write(
      `${JSON.stringify({ error: message, ...(code === undefined ? {} : { code }), ...(fix === undefined ? {} : { fix }) })}\n`,
    )
  process.stderr.write(`error: ${message}\n${fix === undefined ? '' : `fix: ${fix}\n`}`)
  if (exitCode === 1 && !(error instanceof CliError) && code === undefined)
    process.stderr.write(`${(error as Error).stack ?? ''}\n`)
  return exitCode
}

const kinds: Record<string, number> = {
  invalid: 2,
  forbidden: 4,
  unauthenticated: 4,
  not_found: 5,
  conflict: 6,
  unavailable: 7,
  precondition_failed: 3,
}
const exitCodeOf = (error: unknown): number => kinds[String((error as { kind?: string }).kind)] ?? 1
