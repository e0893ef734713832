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
  /** `noun:verb` grants, `*` as a wildcard on either side: `run:write`, `model:*`, `*:read`, `*:*`. */
  readonly grants: readonly string[]
  /** What counts for the server as a whole; left out where that is all of `grants`. */
  readonly serverGrants?: readonly string[]
  /** Projects that it may know of; left out where that is all of them. */
  readonly sees?: readonly string[]
}

/** Nouns that are no part of any project: to own a project is not to own the server. */
const serverNouns = new Set(['admin'])

/** True where one of the grants covers `permission` (`noun:verb`). */
export function mayDo(caller: Pick<Caller, 'grants' | 'serverGrants'>, permission: string): boolean {
  const [noun = '', verb] = permission.split(':')
  const grants = serverNouns.has(noun) ? (caller.serverGrants ?? caller.grants) : caller.grants
  return grants.some((grant) => {
    const [n, v] = grant.split(':')
    return (n === '*' || n === noun) && (v === '*' || v === verb)
  })
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
