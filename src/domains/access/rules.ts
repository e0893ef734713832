/** Roles as sets of grants, who holds them where, and which one decides. Pure. */
import { type Caller, type GrantParts, mayDo, partsOf } from '#base/caller.ts'

export const roles = ['viewer', 'contributor', 'approver', 'owner'] as const
export type Role = (typeof roles)[number]

/** A contributor makes and runs things; an approver lets them into production; neither does the other's part. */
export const grantsOfRole: Record<Role, readonly string[]> = {
  viewer: ['*:read'],
  contributor: [
    '*:read',
    '*:write',
    '*:run',
    '*:check',
    'definition:apply',
    'model:gate',
    'endpoint:predict',
    'secret:list',
  ],
  approver: ['*:read', 'review:vote', 'model:promote', 'endpoint:rollback', 'endpoint:predict'],
  owner: ['*:*'],
}

/** A role that somebody holds: in one project or all (`*`), on everything or on one thing (`model:churn`). */
export interface Held {
  readonly subject: string
  readonly project: string
  readonly resource: string
  readonly role: Role
}

/** What one role says of the things that it is held on. */
export function grantsOf({ role, resource }: Held): string[] {
  if (resource === '*') return [...grantsOfRole[role]]
  const [noun = '', name = ''] = resource.split(':')
  return grantsOfRole[role]
    .map(partsOf)
    .filter((part) => part.noun === '*' || part.noun === noun)
    .map((part) => `${noun}/${name}:${part.verb}`)
}

const countsIn = (project: string) => (held: Held) => held.project === '*' || held.project === project

/** What a user may do in a project, on the server, and of which projects it may know. */
export function powersIn(
  project: string,
  held: readonly Held[],
): Pick<Caller, 'grants' | 'serverGrants' | 'sees'> {
  const everywhere = held.filter((h) => h.project === '*' && h.resource === '*')
  return {
    grants: held.filter(countsIn(project)).flatMap(grantsOf),
    serverGrants: everywhere.flatMap(grantsOf),
    ...(everywhere.length > 0 ? {} : { sees: [...new Set(held.map((h) => h.project))] }),
  }
}

/** The roles that let somebody do something; none where it may not. */
export const deciding = (
  held: readonly Held[],
  { project, permission, name }: { project: string; permission: string; name: string },
): Held[] => held.filter((one) => mayDo(powersIn(project, [one]), permission, name === '' ? undefined : name))

/** What both of two lists of grants allow: a token never exceeds the user that made it. */
export function narrowed(grants: readonly string[], by: readonly string[]): string[] {
  const both = grants.flatMap((grant) => by.map((other) => meet(partsOf(grant), partsOf(other))))
  return [...new Set(both.filter((grant) => grant !== undefined))]
}

function meet(a: GrantParts, b: GrantParts): string | undefined {
  const one = (x: string, y: string) => (x === '*' ? y : y === '*' || x === y ? x : undefined)
  const noun = one(a.noun, b.noun)
  const name = one(a.name, b.name)
  const verb = one(a.verb, b.verb)
  if (noun === undefined || name === undefined || verb === undefined) return undefined
  return name === '*' ? `${noun}:${verb}` : `${noun}/${name}:${verb}`
}

const passwordCharsMin = 12
const passwordCharsMax = 512
/** What attackers try first; longer lists would only repeat what the length already refuses. */
const wornOut = [
  'password1234',
  '123456789012',
  'qwertyuiop12',
  'administrator',
  'letmeinletmein',
  'changemechangeme',
]

/** Why a password will not do. */
export function passwordObjection(user: string, password: string): string | undefined {
  if (password.length < passwordCharsMin) return `a password has at least ${passwordCharsMin} characters`
  if (password.length > passwordCharsMax) return `a password has at most ${passwordCharsMax} characters`
  const low = password.toLowerCase()
  if (wornOut.includes(low) || new Set(low).size < 4)
    return 'this password is among the first that are guessed'
  return low.includes(user.toLowerCase()) ? 'the password holds the name of its user' : undefined
}
