/** Verbs of secrets. A value comes from a file or stdin, never as an argument, where others could read it. */
import { readFile } from 'node:fs/promises'
import { CliError } from './client.ts'
import type { Context } from './index.ts'
import { readHidden } from './hidden.ts'
import type { Verb } from './verbs.ts'

const nameIn = (context: Context): string => {
  if (context.args.length > 1)
    throw new CliError(
      2,
      'the value of a secret is never an argument: others could read it',
      'pipe it in, or give --from-file F',
    )
  const name = context.args[0]
  if (name !== undefined) return name
  throw new CliError(2, 'the name of the secret is missing', 'headrace admin secret set NAME')
}

async function secretSet(context: Context): Promise<number> {
  const name = nameIn(context)
  const file = context.flags['from-file'] as string | undefined
  const value = file === undefined ? await readHidden(`value of ${name}: `) : await readFile(file, 'utf8')
  const client = await context.client()
  const found = await client.call('PUT', `/api/v1/secrets/${encodeURIComponent(name)}`, { value })
  context.print(found, [`${found.name} is kept; steps of ${client.project} name it secret:${found.name}`])
  return 0
}

async function secretLs(context: Context): Promise<number> {
  const { secrets } = await (await context.client()).call('GET', '/api/v1/secrets')
  context.print(
    { secrets },
    secrets.map(
      (s: { name: string; updatedAt: number; updatedBy: string }) =>
        `${s.name.padEnd(24)} ${new Date(s.updatedAt).toISOString().slice(0, 16)}  ${s.updatedBy}`,
    ),
  )
  return 0
}

async function secretRm(context: Context): Promise<number> {
  const name = nameIn(context)
  await (await context.client()).call('DELETE', `/api/v1/secrets/${encodeURIComponent(name)}`)
  context.print({ removed: name }, [`${name} is gone`])
  return 0
}

async function secretRotate(context: Context): Promise<number> {
  const found = await (await context.client()).call('POST', '/api/v1/admin/secrets/rotate')
  context.print(found, [`${found.secrets} secrets are sealed anew under a new key`])
  return 0
}

export const secretVerbs: Verb[] = [
  {
    name: 'admin secret set',
    usage: 'NAME [--from-file F]',
    summary: 'Keep a secret; its value comes from stdin or a file',
    options: { 'from-file': { type: 'string' } },
    run: secretSet,
  },
  { name: 'admin secret ls', usage: '', summary: 'Names of secrets, never their values', run: secretLs },
  { name: 'admin secret rm', usage: 'NAME', summary: 'Forget a secret', run: secretRm },
  {
    name: 'admin secret rotate',
    usage: '',
    summary: 'Seal every secret anew under a new key',
    run: secretRotate,
  },
]
