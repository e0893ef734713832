/** Verbs of access: projects and their clocks, tokens, who a request is. */
import { createHash, randomBytes } from 'node:crypto'
import { type Caller, mayDo, maySee } from '#base/caller.ts'
import { type Clock, ManualClock, wallClock } from '#base/clock.ts'
import { Fault, isFault } from '#base/errors.ts'
import { checkName, newId } from '#base/ids.ts'
import type { Db } from '#platform/db/index.ts'
import type { Definitions } from '#platform/definitions/index.ts'
import type { Events } from '#platform/events/index.ts'
import { clockSet, projectCreated, tokenCreated, tokenRevoked } from './events.ts'
import { accessBlock, type Project, type Token } from './model.ts'
import { narrowed } from './rules.ts'
import { sessionSecretOf } from './sessions.ts'
import { accessStore, type ProjectRow, type TokenRow } from './store.ts'
import { openUsers } from './users.ts'

export interface AccessDeps {
  readonly db: Db
  readonly events: Events
  /** Late, since definitions ask access for projects. */
  readonly definitions: () => Definitions
  /** Whether a request from this machine is its owner without a token: only while the server is bound to loopback. */
  readonly trustLoopback: boolean
}
export interface Identity {
  readonly project: string
  readonly requestId: string
  readonly authorization: string | undefined
  readonly cookie?: string | undefined
  readonly actingAs: string | undefined
  readonly remoteAddress: string
  readonly isForwarded: boolean
}

const tokenPrefix = 'hr_'
const actorPattern = /^[\w.@+-]{1,120}$/

export function openAccess({ db, events, definitions, trustLoopback }: AccessDeps) {
  const store = accessStore(db)
  const users = openUsers({ db, events })
  const clocks = new Map<string, Promise<Clock>>()
  const clockOf = (project: string): Promise<Clock> => {
    const known = clocks.get(project)
    if (known !== undefined) return known
    const reading = store
      .project(project)
      .then((row) => (row?.clock_ms == null ? wallClock : new ManualClock(row.clock_ms)))
    clocks.set(project, reading)
    reading.catch(() => clocks.delete(project))
    return reading
  }
  const ensureProject = async (
    name: string,
    details: { owner?: string; timezone: string },
    caller: Caller,
  ): Promise<void> => {
    checkName('project', name)
    if ((await store.project(name)) !== undefined) return
    const row: ProjectRow = {
      project: name,
      owner: details.owner ?? caller.actor.name,
      timezone: details.timezone,
      created_at: Date.now(),
      clock_ms: null,
    }
    const fact = {
      type: projectCreated,
      subject: `project:${name}`,
      payload: { name, timezone: details.timezone },
    }
    try {
      await db.commit([store.insertProject(row), events.record({ ...caller, project: name }, fact)])
    } catch (error) {
      // Somebody else made it in the meantime, which is as good.
      if (!isFault(error, 'db.duplicate')) throw error
    }
  }
  const newToken = async (command: {
    project: string
    actor: string
    grants: readonly string[]
    ttlMs: number
    kind: 'token' | 'step'
    owner?: string | undefined
  }) => {
    const secret = `${tokenPrefix}${randomBytes(24).toString('base64url')}`
    const now = Date.now()
    const row: TokenRow = {
      digest: digestOfToken(secret),
      id: newId(),
      project: command.project,
      actor: command.actor,
      kind: command.kind,
      grants: JSON.stringify(command.grants),
      created_at: now,
      expires_at: now + command.ttlMs,
      revoked_at: null,
      owner: command.owner ?? null,
    }
    return { secret, row }
  }
  const withToken = async (secret: string, identity: Identity): Promise<Caller> => {
    const row = await store.token(digestOfToken(secret))
    if (row === undefined || row.revoked_at !== null || row.expires_at < Date.now()) {
      throw tokenInvalid()
    }
    if (row.project !== '*' && row.project !== identity.project) {
      throw new Fault('forbidden', 'access.other_project', `the token is for project \`${row.project}\``, {
        remedy: `use the address /p/${row.project}`,
      })
    }
    const token: Caller = {
      actor: { kind: row.kind === 'step' ? 'step' : 'token', name: row.actor },
      project: identity.project,
      requestId: identity.requestId,
      grants: JSON.parse(row.grants) as string[],
    }
    const bounded: Caller = row.project === '*' ? token : { ...token, serverGrants: [], sees: [row.project] }
    return row.owner === null ? bounded : withinOwner(bounded, row.owner)
  }
  /** Held against its owner at each use: a token never exceeds the user that made it. */
  const withinOwner = async (token: Caller, name: string): Promise<Caller> => {
    const account = await users.accountOf(name)
    if (account === undefined) throw tokenInvalid()
    const owner = users.callerOf(account, token)
    const sees = token.sees ?? owner.sees
    return {
      ...token,
      account: name,
      grants: narrowed(token.grants, owner.grants),
      serverGrants: narrowed(token.serverGrants ?? token.grants, owner.serverGrants ?? []),
      ...(sees === undefined ? {} : { sees }),
    }
  }
  const byPassword = async (given: { user: string; password: string }, identity: Identity) => {
    const { project, requestId, remoteAddress: address } = identity
    const asking: Caller = { actor: { kind: 'user', name: 'anonymous' }, project, requestId, grants: [] }
    return users.callerOf(await users.checkUser({ ...given, address }, asking), identity)
  }
  const bySession = async (identity: Identity): Promise<Caller | undefined> => {
    const secret = sessionSecretOf(identity.cookie)
    const account = secret === undefined ? undefined : await users.sessionOf(secret)
    return account && { ...users.callerOf(account, identity), bySession: true }
  }
  const authenticate = async (identity: Identity): Promise<Caller> => {
    const given = credentialsOf(identity.authorization)
    if (given !== undefined)
      return 'token' in given ? withToken(given.token, identity) : byPassword(given, identity)
    const signedIn = await bySession(identity)
    if (signedIn !== undefined) return signedIn
    const { actingAs: name = 'owner', project, requestId } = identity
    if (!trustLoopback || !isLoopback(identity.remoteAddress) || identity.isForwarded)
      throw new Fault('unauthenticated', 'access.token_missing', 'this address needs a token', {
        remedy: 'sign in at /app, or send authorization: Bearer hr_…',
      })
    if (!actorPattern.test(name))
      throw new Fault('invalid', 'access.actor_invalid', 'x-headrace-actor is not a name')
    return { actor: { kind: 'user', name }, project, requestId, grants: ['*:*'] }
  }
  return {
    clockOf,
    ensureProject,
    users,
    /** Who a request is. @throws Fault unauthenticated */
    authenticate,
    /** The same, where nobody is an answer too. */
    whoIs: (identity: Identity): Promise<Caller | undefined> =>
      authenticate(identity).catch((error) => {
        if (error instanceof Fault && ['unauthenticated', 'forbidden'].includes(error.kind)) return undefined
        throw error
      }),
    async createProject(
      { name, timezone }: { name: string; timezone: string },
      caller: Caller,
    ): Promise<Project> {
      if (!maySee(caller, name))
        throw new Fault('forbidden', 'access.other_project', `you may not make a project \`${name}\``, {
          remedy: 'ask the owner of the server for it',
        })
      await ensureProject(name, { timezone }, caller)
      return projectOf((await store.project(name)) as ProjectRow)
    },
    async getProject({ name }: { name: string }, caller: Caller): Promise<Project> {
      const row = await store.project(name)
      if (row !== undefined && maySee(caller, name)) return projectOf(row)
      throw new Fault('not_found', 'access.project_not_found', `there is no project ${name}`, {
        remedy: 'headrace apply makes it',
      })
    },
    async listProjects(_: object, caller: Caller): Promise<{ projects: Project[] }> {
      const rows = await store.projects()
      return { projects: rows.filter((row) => maySee(caller, row.project)).map(projectOf) }
    },
    /** Puts the project's clock, for replays; it never goes back. */
    async setClock({ nowMs }: { nowMs: number }, caller: Caller): Promise<{ nowMs: number }> {
      const fact = { type: clockSet, subject: `project:${caller.project}`, payload: { nowMs }, atMs: nowMs }
      try {
        await db.commit([store.setClock(caller.project, nowMs), events.record(caller, fact)])
      } catch (error) {
        if (!isFault(error, 'db.guard_failed')) throw error
        throw new Fault(
          'conflict',
          'access.clock_backwards',
          'a project clock goes forward only, and the project must exist',
        )
      }
      const clock = await clockOf(caller.project)
      if (clock instanceof ManualClock) clock.set(nowMs)
      else clocks.set(caller.project, Promise.resolve(new ManualClock(nowMs)))
      return { nowMs }
    },
    /** A short-lived token for a step of a pipeline. */
    async mintToken(command: {
      project: string
      actor: string
      grants: string[]
      ttlMs: number
    }): Promise<string> {
      const { secret, row } = await newToken({ ...command, kind: 'step' })
      await db.commit([store.insertToken(row)])
      return secret
    },
    async createToken(
      command: { actor: string; grants: string[]; ttlMs: number; everyProject: boolean },
      caller: Caller,
    ): Promise<{ token: string; id: string; expiresAt: number }> {
      const beyond = command.grants.find((grant) => !mayDo(caller, grant) && !caller.grants.includes('*:*'))
      if (beyond !== undefined)
        throw new Fault(
          'forbidden',
          'access.grant_beyond',
          `you cannot grant ${beyond}, which you do not have`,
        )
      // A project's owner is not the server's.
      if (command.everyProject && (caller.sees !== undefined || !mayDo(caller, 'admin:token')))
        throw new Fault(
          'forbidden',
          'access.projects_beyond',
          `you cannot grant every project: you have ${(caller.sees ?? []).join(', ') || 'no role on the server'}`,
          { remedy: 'leave everyProject out' },
        )
      const { secret, row } = await newToken({
        ...command,
        owner: caller.account,
        project: command.everyProject ? '*' : caller.project,
        kind: 'token',
      })
      const payload = { id: row.id, actor: row.actor, grants: command.grants, expiresAt: row.expires_at }
      await db.commit([
        store.insertToken(row),
        events.record(caller, { type: tokenCreated, subject: `token:${row.id}`, payload }),
      ])
      return { token: secret, id: row.id, expiresAt: row.expires_at }
    },
    async listTokens(_: object, caller: Caller): Promise<{ tokens: Token[] }> {
      const ofAll = caller.sees === undefined ? await store.tokens('*') : []
      return { tokens: [...(await store.tokens(caller.project)), ...ofAll].map(tokenOf) }
    },
    async revokeToken({ id }: { id: string }, caller: Caller): Promise<object> {
      const fact = { type: tokenRevoked, subject: `token:${id}`, payload: { id } }
      try {
        await db.commit([store.revoke(caller.project, id, Date.now()), events.record(caller, fact)])
      } catch (error) {
        if (!isFault(error, 'db.guard_failed')) throw error
        throw new Fault('not_found', 'access.token_not_found', `there is no live token ${id} in this project`)
      }
      return {}
    },
    /** Roles that the project's definition and the grants of users give an actor. */
    async rolesOf(project: string, actor: string): Promise<string[]> {
      const block = await definitions().blockOf(project, accessBlock)
      const defined = Object.entries(block?.roles ?? {})
        .filter(([, role]) => role.members.includes(actor))
        .map(([name]) => name)
      return [...new Set([...defined, ...(await users.rolesOf(project, actor))])]
    },
  }
}
export type Access = ReturnType<typeof openAccess>

const digestOfToken = (secret: string) => createHash('sha256').update(secret).digest('hex')
const isLoopback = (address: string) => /^(127\.|::1$|::ffff:127\.)/.test(address)

/** Bearer is a token; Basic a user with its password, or a token as the password for clients that know nothing else. */
function credentialsOf(
  authorization: string | undefined,
): { token: string } | { user: string; password: string } | undefined {
  const [scheme = '', value = ''] = (authorization ?? '').split(' ')
  if (scheme.toLowerCase() === 'bearer') return { token: value }
  if (scheme.toLowerCase() !== 'basic') return undefined
  const [user = '', ...rest] = Buffer.from(value, 'base64').toString('utf8').split(':')
  const password = rest.join(':')
  return password.startsWith(tokenPrefix) ? { token: password } : { user, password }
}

const tokenInvalid = () =>
  new Fault('unauthenticated', 'access.token_invalid', 'the token is unknown, expired or revoked', {
    remedy: 'headrace admin token create',
  })

const projectOf = (row: ProjectRow): Project => ({
  name: row.project,
  owner: row.owner,
  timezone: row.timezone,
  createdAt: row.created_at,
  ...(row.clock_ms === null ? {} : { clockMs: row.clock_ms }),
})
const tokenOf = (row: TokenRow): Token => ({
  id: row.id,
  project: row.project,
  actor: row.actor,
  grants: JSON.parse(row.grants),
  createdAt: row.created_at,
  expiresAt: row.expires_at,
  ...(row.revoked_at === null ? {} : { revokedAt: row.revoked_at }),
})
