/** Verbs of users: who may do what. A password comes from stdin or a file, never as an argument. */
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { CliError } from './client.ts'
import { readHidden } from './hidden.ts'
import type { Context } from './index.ts'
import type { Verb } from './verbs.ts'

interface HeldRole {
  readonly subject: string
  readonly project: string
  readonly resource: string
  readonly role: string
}
const word = (context: Context, at: number, what: string): string => {
  const found = context.args[at]
  if (found !== undefined) return found
  throw new CliError(2, `${what} is missing`, 'headrace admin user --help')
}
const userAddress = (user: string, rest = '') => `/api/v1/users/${encodeURIComponent(user)}${rest}`
/** `ana` is a user, `group:team` a group. */
const subjectOf = (name: string) => (name.includes(':') ? name : `user:${name}`)
const placeOf = ({ project, resource }: HeldRole) =>
  `${resource === '*' ? 'everything' : resource} in ${project === '*' ? 'every project' : project}`

async function passwordFor(context: Context, user: string): Promise<string> {
  if (context.args.length > 1)
    throw new CliError(
      2,
      'a password is never an argument: others could read it',
      'pipe it in, or give --from-file F',
    )
  const file = context.flags['from-file'] as string | undefined
  if (file === undefined) return readHidden(`password of ${user}: `)
  return (await readFile(file, 'utf8')).replace(/\r?\n$/, '')
}

async function add(context: Context): Promise<number> {
  const user = word(context, 0, 'the name of the user')
  const password = await passwordFor(context, user)
  const role = context.flags.role as string | undefined
  const dataDir = context.flags['data-dir'] as string | undefined
  if (dataDir === undefined)
    await (await context.client()).call('POST', '/api/v1/users', { user, password, ...(role && { role }) })
  else await (await context.hands.offline()).addUser({ dataDir: path.resolve(dataDir), user, password, role })
  context.print({ user, role }, [
    role === undefined
      ? `${user} is made; next: headrace admin user grant ${user} ROLE`
      : `${user} is ${role} of every project`,
  ])
  return 0
}

async function list(context: Context): Promise<number> {
  const { users } = await (await context.client()).call('GET', '/api/v1/users')
  context.print(
    { users },
    users.map(
      ({ user, groups, roles }: { user: string; groups: string[]; roles: HeldRole[] }) =>
        `${user.padEnd(24)} ${groups.join(',').padEnd(16)} ${roles.map((held) => `${held.role} of ${placeOf(held)}`).join('; ')}`,
    ),
  )
  return 0
}

async function remove(context: Context): Promise<number> {
  const user = word(context, 0, 'the name of the user')
  await (await context.client()).call('DELETE', userAddress(user))
  context.print({ removed: user }, [`${user} is gone, with its sessions and tokens`])
  return 0
}

async function changePassword(context: Context): Promise<number> {
  const user = word(context, 0, 'the name of the user')
  const password = await passwordFor(context, user)
  await (await context.client()).call('PUT', userAddress(user, '/password'), { password })
  context.print({ user }, [`${user} has another password, and signs in again`])
  return 0
}

const regroup = (member: boolean) => async (context: Context) => {
  const user = word(context, 0, 'the name of the user')
  const group = word(context, 1, 'the name of the group')
  await (await context.client()).call('PUT', userAddress(user, `/groups/${encodeURIComponent(group)}`), {
    member,
  })
  context.print({ user, group, member }, [`${user} is ${member ? 'in' : 'out of'} ${group}`])
  return 0
}

const grant = (revoke: boolean) => async (context: Context) => {
  const client = await context.client()
  const held: HeldRole = {
    subject: subjectOf(word(context, 0, 'the user, or group:NAME,')),
    role: word(context, 1, 'the role (viewer, contributor, approver, owner)'),
    project: context.flags.everywhere === true ? '*' : client.project,
    resource: (context.flags.on as string | undefined) ?? '*',
  }
  await client.call('POST', '/api/v1/grants', { ...held, revoke })
  context.print(held, [`${held.subject} ${revoke ? 'is no longer' : 'is'} ${held.role} of ${placeOf(held)}`])
  return 0
}

async function whyCan(context: Context): Promise<number> {
  const query = new URLSearchParams({
    user: word(context, 0, 'the name of the user'),
    action: word(context, 1, 'the action, as in model:promote,'),
    resource: context.args[2] ?? '',
  })
  const found = await (await context.client()).call('GET', `/api/v1/why-can?${query}`)
  const because: HeldRole[] = found.because
  const held: HeldRole[] = found.held
  const lines = found.allowed
    ? because.map((role) => `yes: ${role.subject} is ${role.role} of ${placeOf(role)}`)
    : [
        'no: nothing lets it',
        ...held.map((role) => `  it has: ${role.subject} is ${role.role} of ${placeOf(role)}`),
      ]
  context.print(found, lines)
  return found.allowed ? 0 : 4
}

const text = { type: 'string' } as const
const where = { on: text, everywhere: { type: 'boolean' } } as const

export const userVerbs: Verb[] = [
  {
    name: 'admin user add',
    usage: 'NAME [--role R] [--from-file F] [--data-dir D]',
    summary: 'Make a user; with --data-dir while no server runs on it',
    options: { role: text, 'from-file': text, 'data-dir': text },
    run: add,
  },
  { name: 'admin user ls', usage: '', summary: 'Users, their groups and roles', run: list },
  { name: 'admin user rm', usage: 'NAME', summary: 'Remove a user, its sessions and tokens', run: remove },
  {
    name: 'admin user passwd',
    usage: 'NAME [--from-file F]',
    summary: 'Give a user another password',
    options: { 'from-file': text },
    run: changePassword,
  },
  { name: 'admin user join', usage: 'NAME GROUP', summary: 'Put a user in a group', run: regroup(true) },
  {
    name: 'admin user leave',
    usage: 'NAME GROUP',
    summary: 'Take a user out of a group',
    run: regroup(false),
  },
  {
    name: 'admin user grant',
    usage: 'NAME|group:NAME ROLE [--on model:NAME] [--everywhere]',
    summary: 'Give a role in the project, on one thing, or everywhere',
    options: where,
    run: grant(false),
  },
  {
    name: 'admin user revoke',
    usage: 'NAME|group:NAME ROLE [--on model:NAME] [--everywhere]',
    summary: 'Take a role back',
    options: where,
    run: grant(true),
  },
  {
    name: 'admin why-can',
    usage: 'USER ACTION [RESOURCE]',
    summary: 'Which role lets a user do something, or that none does',
    run: whyCan,
  },
]
