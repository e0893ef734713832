/** Verbs that need no server of another: server, dev, check, apply, init, doctor, demo, version. */
import { execFile } from 'node:child_process'
import { cp, readFile, stat, statfs } from 'node:fs/promises'
import { createServer } from 'node:net'
import path from 'node:path'
import { promisify } from 'node:util'
import { CliError } from './client.ts'
import type { Context } from './index.ts'
import { applyProject, readDefinition } from './project.ts'
import type { Verb } from './verbs.ts'

const packageRoot = path.resolve(import.meta.dirname, '..', '..')
const versionOf = async (): Promise<string> =>
  JSON.parse(await readFile(path.join(packageRoot, 'package.json'), 'utf8')).version
const text = { type: 'string' } as const
const flag = { type: 'boolean' } as const

export const serverOptions = {
  port: text,
  host: text,
  'data-dir': text,
  durability: text,
  'allowed-hosts': text,
  'cors-origins': text,
  'base-path': text,
  'public-url': text,
  'trusted-proxies': text,
  'tls-key': text,
  'tls-cert': text,
  'insecure-http': flag,
} as const

const camel = (name: string) => name.replaceAll(/-([a-z])/g, (_, c: string) => c.toUpperCase())
const serverFlags = (flags: Context['flags']) =>
  Object.fromEntries(Object.keys(serverOptions).map((name) => [camel(name), flags[name]]))

async function serve(context: Context, before?: (url: string) => Promise<void>): Promise<number> {
  const started = performance.now()
  const app = await context.hands.serve(serverFlags(context.flags))
  const line = `headrace ${await versionOf()}  ${app.url}  data ${app.dataDirectory}${app.isNew ? ' (new)' : ''}  ready in ${((performance.now() - started) / 1000).toFixed(2)} s`
  process.stdout.write(
    context.isJson ? `${JSON.stringify({ url: app.url, dataDirectory: app.dataDirectory })}\n` : `${line}\n`,
  )
  if (app.setupToken !== undefined)
    context.say(
      `no users yet; within an hour: POST ${app.url}/api/v1/setup {"token": "${app.setupToken}", "user": …, "password": …}`,
    )
  process.on('SIGHUP', () => void app.reload().catch((error: Error) => context.say(error.message)))
  await before?.(app.url)
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve())
  })
  await app.close()
  return 0
}

/** A twin's lines are those of the JSON that it evaluates to: its path says more. */
const whereOf = (p: { file: string; path: string; line: number; column: number }) =>
  p.file.endsWith('.ts') ? `${p.file} at ${p.path}:` : `${p.file}:${p.line}:${p.column}`

async function check(context: Context): Promise<number> {
  const { file, text } = await readDefinition(path.resolve(context.args[0] ?? '.'))
  const secrets = /\bsecret:/.test(text) ? await secretNames(context) : []
  const { problems, whole } = await context.hands.check(text, file, secrets)
  const lines = problems.flatMap((p) => [
    `${whereOf(p)} error  ${p.message}`,
    `   ${p.line} | ${p.source}`,
    `   ${' '.repeat(String(p.line).length)} | ${' '.repeat(Math.max(0, p.column - 1))}^`,
    ...(p.fix === undefined ? [] : [`fix: ${p.fix}`]),
  ])
  if (context.flags.print === true && whole !== undefined)
    process.stdout.write(`${JSON.stringify(whole, undefined, 2)}\n`)
  else context.print({ problems }, problems.length === 0 ? [`${file} is good`] : lines)
  return problems.length === 0 ? 0 : 2
}

/** Which secrets the project has only its server knows; where none answers, that part is left to `apply`. */
async function secretNames(context: Context): Promise<string[] | undefined> {
  try {
    const client = await context.client()
    const { secrets } = await client.call('GET', '/api/v1/secrets')
    return secrets.map((s: { name: string }) => s.name)
  } catch (error) {
    context.say(`secrets are not checked: ${(error as Error).message}`)
    return undefined
  }
}

interface Finding {
  readonly state: 'OK' | 'Warning' | 'Failed' | 'Skipped'
  readonly text: string
  readonly fix?: string
}
const probes: (() => Promise<Finding>)[] = [
  async () => {
    const isSupported = process.platform === 'linux' || process.platform === 'darwin'
    const where = `${process.platform} ${process.arch}, node ${process.versions.node}`
    return isSupported
      ? { state: 'OK', text: where }
      : { state: 'Failed', text: `${where} is not supported`, fix: 'on Windows use WSL' }
  },
  async () => {
    const python = await promisify(execFile)('python3', [
      '-c',
      'import sys, venv, ensurepip; print("%d.%d.%d" % sys.version_info[:3])',
    ]).catch((error: Error) => error)
    if (!(python instanceof Error)) return { state: 'OK', text: `python ${python.stdout.trim()} with venv` }
    const isMissing = (python as NodeJS.ErrnoException).code === 'ENOENT'
    return isMissing
      ? {
          state: 'Warning',
          text: 'python3 was not found: Python steps cannot run',
          fix: 'install Python 3.10 or later',
        }
      : {
          state: 'Warning',
          text: 'python3 has no venv module: environments cannot be built',
          fix: 'apt install python3-venv',
        }
  },
  async () => {
    const { bavail, bsize } = await statfs('.')
    const free = (bavail * bsize) / 2 ** 30
    return free > 2
      ? { state: 'OK', text: `${free.toFixed(1)} GB free on this disk` }
      : { state: 'Warning', text: `${free.toFixed(1)} GB free on this disk`, fix: 'free some space' }
  },
  () =>
    new Promise((resolve) => {
      const probe = createServer()
      probe.once('error', () =>
        resolve({ state: 'Warning', text: 'port 4400 is in use', fix: 'headrace server --port 4401' }),
      )
      probe.listen(4400, '127.0.0.1', () =>
        probe.close(() => resolve({ state: 'OK', text: 'port 4400 is free' })),
      )
    }),
]

async function doctor(context: Context): Promise<number> {
  const findings = await Promise.all(probes.map((probe) => probe()))
  context.print(
    { findings },
    findings.map((f) => `${f.state.padEnd(8)} ${f.text}${f.fix === undefined ? '' : `      fix: ${f.fix}`}`),
  )
  return findings.some((f) => f.state === 'Failed') ? 1 : 0
}

async function init(context: Context): Promise<number> {
  const target = path.resolve(context.args[0] ?? '.')
  if (await stat(path.join(target, 'headrace.yaml')).catch(() => undefined))
    throw new CliError(6, `${target} has a headrace.yaml already`)
  const example = path.join(packageRoot, 'examples', 'retail-demand')
  await cp(example, target, {
    recursive: true,
    filter: (source) => !source.startsWith(path.join(example, 'data')),
  })
  context.print({ directory: target }, [
    `made ${path.join(target, 'headrace.yaml')}`,
    'next: headrace server, then headrace apply',
  ])
  return 0
}

async function apply(context: Context): Promise<number> {
  const result = await applyProject(await context.client(), path.resolve(context.args[0] ?? '.'), {
    plan: context.flags.plan === true,
  })
  const marks: Record<string, string> = { added: '+', removed: '-', changed: '~' }
  const lines = result.changes.map((c: { kind: string; path: string }) => `  ${marks[c.kind]} ${c.path}`)
  const head =
    context.flags.plan === true
      ? `${lines.length} changes`
      : result.applied
        ? `definition ${result.number} applied`
        : `unchanged: definition ${result.number}`
  context.print(result, [head, ...lines])
  return 0
}

export const localVerbs: Verb[] = [
  { name: 'init', usage: '[DIR]', summary: 'Make a runnable example here', run: init },
  {
    name: 'server',
    usage: '[--port N] [--host H] [--data-dir D]',
    summary: 'Start the server',
    options: serverOptions,
    run: (context) => serve(context),
  },
  {
    name: 'dev',
    usage: '[--port N]',
    summary: 'Start the server and apply the project here',
    options: serverOptions,
    async run(context) {
      return serve(context, async (url) => {
        const directory = process.cwd()
        const { openClient } = await import('./client.ts')
        const { projectNameIn } = await import('./project.ts')
        const client = openClient({ server: url, project: (await projectNameIn(directory)) ?? 'default' })
        const { number } = await applyProject(client, directory)
        context.say(`definition ${number} of ${client.project} is applied`)
      })
    },
  },
  { name: 'doctor', usage: '', summary: 'Check this machine; say what fixes each problem', run: doctor },
  {
    name: 'check',
    usage: '[DIR] [--print]',
    summary: 'Validate headrace.yaml without running it',
    options: { print: flag },
    run: check,
  },
  {
    name: 'apply',
    usage: '[DIR] [--plan]',
    summary: 'Make the server what the file says',
    options: { plan: flag },
    run: apply,
  },
  {
    name: 'demo start',
    usage: '[--exit] [--fresh] [--all]',
    summary: 'Show the loop on a year of real transactions',
    options: { ...serverOptions, exit: flag, fresh: flag, all: flag },
    run: async (context) => (await import('./demo/index.ts')).demoStart(context.flags, context.hands),
  },
  {
    name: 'demo replay',
    usage: '[--all]',
    summary: 'Go on with the nights, to the next full turn or the end of the year',
    options: { all: flag },
    run: async (context) =>
      (await import('./demo/index.ts')).demoWith(await demoClient(context), 'replay', context.flags),
  },
  {
    name: 'demo break',
    usage: 'price-in-cents|bad-model',
    summary: 'Inject a fault and see it stopped',
    run: async (context) =>
      (await import('./demo/index.ts')).demoWith(
        await demoClient(context),
        context.args[0] ?? '',
        context.flags,
      ),
  },
  {
    name: 'version',
    usage: '',
    summary: 'Print the version',
    async run(context) {
      const version = await versionOf()
      context.print({ version }, [version])
      return 0
    },
  },
]

const demoClient = async (context: Context) => {
  const { openClient } = await import('./client.ts')
  const client = await context.client()
  return context.flags.project === undefined
    ? openClient({ server: client.server, project: 'retail-demand' })
    : client
}
