/**
 * Who asks, for which project, under which request. Every operation takes a Caller; every audit row names one.
 * Permissions are checked at the rim (platform/http) and by operations that decide on resources.
 */
export type ActorKind = 'user' | 'token' | 'step' | 'system'

export interface Actor {
  readonly kind: ActorKind
  /** Stable name shown in audit rows: `owner`, `ana@example.org`, `step:retrain/train`, `system:triggers`. */
  readonly name: string
}

export interface Caller {
  readonly actor: Actor
  readonly project: string
  readonly requestId: string
  /** `noun:verb` or `noun/name:verb`, `*` as a wildcard: `run:write`, `model/churn:*`, `*:read`, `*:*`. */
  readonly grants: readonly string[]
  /** What counts for the server as a whole; left out where that is all of `grants`. */
  readonly serverGrants?: readonly string[]
  /** The user behind a session, a password or a token of theirs. */
  readonly account?: string
  /** Projects that it may know of; left out where that is all of them. */
  readonly sees?: readonly string[]
  /** Known by a cookie, which a browser sends unasked. */
  readonly bySession?: true
}

/** Nouns that are no part of any project: to own a project is not to own the server. */
const serverNouns = new Set(['admin', 'user'])

/** True where one of the grants covers `permission` (`noun:verb`), for the thing called `name` where there is one. */
export function mayDo(
  caller: Pick<Caller, 'grants' | 'serverGrants'>,
  permission: string,
  name?: string,
): boolean {
  const wanted = partsOf(permission)
  const grants = serverNouns.has(wanted.noun) ? (caller.serverGrants ?? caller.grants) : caller.grants
  return grants.some((grant) => grantCovers(grant, { ...wanted, name: name ?? wanted.name }))
}

export interface GrantParts {
  readonly noun: string
  readonly name: string
  readonly verb: string
}
export function partsOf(grant: string): GrantParts {
  const colon = grant.lastIndexOf(':')
  const [noun = '', name = '*'] = grant.slice(0, colon).split('/')
  return { noun, name, verb: grant.slice(colon + 1) }
}

function grantCovers(grant: string, wanted: GrantParts): boolean {
  if (grant === '*:*') return true
  const { noun, name, verb } = partsOf(grant)
  return (
    (noun === '*' || noun === wanted.noun) &&
    (name === '*' || name === wanted.name) &&
    (verb === '*' || verb === wanted.verb)
  )
}

export const maySee = (caller: Pick<Caller, 'sees'>, project: string): boolean =>
  caller.sees?.includes(project) ?? true

/** Headrace itself, acting on a project: schedules, triggers, rollouts. */
export const systemCaller = (project: string, part: string): Caller => ({
  actor: { kind: 'system', name: `system:${part}` },
  project,
  requestId: `system-${part}`,
  grants: ['*:*'],
})
