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
}

/** True where one of the grants covers `permission` (`noun:verb`). */
export function mayDo(caller: Pick<Caller, 'grants'>, permission: string): boolean {
  const [noun, verb] = permission.split(':')
  return caller.grants.some((grant) => {
    const [n, v] = grant.split(':')
    return (n === '*' || n === noun) && (v === '*' || v === verb)
  })
}

/** Headrace itself, acting on a project: schedules, triggers, rollouts. */
export const systemCaller = (project: string, part: string): Caller => ({
  actor: { kind: 'system', name: `system:${part}` },
  project,
  requestId: `system-${part}`,
  grants: ['*:*'],
})
