/** Verbs of users: who there is, their passwords, groups and roles, sessions, the first one, and why somebody may. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Caller } from '#base/caller.ts'
import { Fault, isFault } from '#base/errors.ts'
import type { Db, Statement } from '#platform/db/index.ts'
import type { Events } from '#platform/events/index.ts'
import {
  passwordSet,
  roleGranted,
  roleRevoked,
  sessionClosed,
  sessionOpened,
  sessionRefused,
  userAdded,
  userRegrouped,
  userRemoved,
} from './events.ts'
import type { GrantCommand, User, Why } from './model.ts'
import { digestOfPassword, isPassword, openRemembered, openThrottle } from './passwords.ts'
import { deciding, grantsOf, type Held, passwordObjection, powersIn } from './rules.ts'
import { usersStore } from './users-store.ts'

interface UsersDeps {
  readonly db: Db
  readonly events: Pick<Events, 'record'>
  readonly now?: () => number
}
export interface Account {
  readonly name: string
  readonly password: string | undefined
  readonly held: readonly Held[]
}
const sessionMs = 12 * 3_600_000
const accountMs = 5_000
const setupMs = 3_600_000
const digestOf = (secret: string) => createHash('sha256').update(secret).digest('hex')

export type Users = ReturnType<typeof openUsers>

export function openUsers(deps: UsersDeps) {
  const { db, now = Date.now } = deps
  const store = usersStore(db)
  const accounts = new Map<string, { atMs: number; account: Promise<Account | undefined> }>()
  /** As of at most five seconds ago; at once after a change of ours. */
  const accountOf = (name: string): Promise<Account | undefined> => {
    const known = accounts.get(name)
    if (known !== undefined && now() - known.atMs < accountMs) return known.account
    const account = readAccount(name)
    if (accounts.size > 10_000) accounts.clear()
    accounts.set(name, { atMs: now(), account })
    account.catch(() => accounts.delete(name))
    return account
  }
  const readAccount = async (name: string): Promise<Account | undefined> => {
    const [row, held] = await Promise.all([store.user(name), store.heldBy(name)])
    return row && { name, password: row.password ?? undefined, held }
  }
  /** One change of users: nothing of what was remembered stays. */
  const commit = async (unit: readonly Statement[]) => {
    await db.commit(unit)
    accounts.clear()
  }
  const inner = { ...deps, now, store, accountOf, commit }
  const persons = people(inner)
  return {
    accountOf,
    ...persons,
    ...firstUser(inner, persons.addUser),
    ...groupsAndRoles(inner),
    ...signIns(inner),
    why: (command: WhyCommand, caller: Caller) => why(accountOf, command, caller),
    /** The caller that an account is in a project. */
    callerOf: (account: Account, at: { project: string; requestId: string }): Caller => ({
      actor: { kind: 'user', name: account.name },
      project: at.project,
      requestId: at.requestId,
      account: account.name,
      ...powersIn(at.project, account.held),
    }),
    rolesOf: async (project: string, user: string): Promise<string[]> =>
      ((await accountOf(user))?.held ?? [])
        .filter((h) => h.resource === '*' && (h.project === '*' || h.project === project))
        .map((h) => h.role),
  }
}

interface WhyCommand {
  readonly user: string
  readonly action: string
  readonly resource: string
}
/** Why somebody may do something, or that nothing lets them. */
async function why(
  accountOf: Inner['accountOf'],
  { user, action, resource }: WhyCommand,
  caller: Caller,
): Promise<Why> {
  const account = await accountOf(user)
  if (account === undefined) throw noSuchUser(user)
  const name = resource.includes(':') ? resource.slice(resource.indexOf(':') + 1) : resource
  const found = deciding(account.held, { project: caller.project, permission: action, name })
  return {
    allowed: found.length > 0,
    because: found.map((h) => ({
      subject: h.subject,
      role: h.role,
      project: h.project,
      resource: h.resource,
      grants: grantsOf(h),
    })),
    held: account.held.map(({ subject, role, project, resource }) => ({
      subject,
      role,
      project,
      resource,
      grants: [],
    })),
  }
}

interface Inner {
  readonly db: Db
  readonly events: Pick<Events, 'record'>
  readonly now: () => number
  readonly store: ReturnType<typeof usersStore>
  readonly accountOf: (name: string) => Promise<Account | undefined>
  readonly commit: (unit: readonly Statement[]) => Promise<void>
}

function people({ events, now, store, commit }: Inner) {
  const add = async ({ user, password, role }: AddUser, caller: Caller): Promise<User> => {
    checkPassword(user, password)
    const row = { user_name: user, password: await digestOfPassword(password), created_at: now() }
    const held = { subject: `user:${user}`, project: '*', resource: '*', role: role ?? 'viewer' } as const
    const fact = { type: userAdded, subject: `user:${user}`, payload: { user } }
    const hold = { ...held, created_at: now(), created_by: caller.actor.name }
    const unit = [store.insertUser(row), events.record(caller, fact)]
    const given = { type: roleGranted, subject: held.subject, payload: held }
    try {
      await commit(role === undefined ? unit : [...unit, store.hold(hold), events.record(caller, given)])
    } catch (error) {
      if (!isFault(error, 'db.duplicate')) throw error
      throw new Fault('conflict', 'access.user_exists', `there is a user ${user} already`, {
        remedy: `headrace admin user passwd ${user}`,
      })
    }
    return { user, createdAt: row.created_at, groups: [], roles: role === undefined ? [] : [held] }
  }
  return {
    addUser: add,
    async listUsers(): Promise<{ users: User[] }> {
      const [users, members, held] = await Promise.all([store.users(), store.members(), store.held()])
      return {
        users: users.map(({ user_name: user, created_at }) => {
          const groups = members.filter((m) => m.user_name === user).map((m) => m.group_name)
          const subjects = [`user:${user}`, ...groups.map((g) => `group:${g}`)]
          const roles = held
            .filter((h) => subjects.includes(h.subject))
            .map(({ subject, project, resource, role }) => ({ subject, project, resource, role }))
          return { user, createdAt: created_at, groups, roles }
        }),
      }
    },
    async removeUser({ user }: { user: string }, caller: Caller): Promise<object> {
      const fact = { type: userRemoved, subject: `user:${user}`, payload: { user } }
      await found(user, commit([...store.removeUser(user, now()), events.record(caller, fact)]))
      return {}
    },
    async setPassword({ user, password }: AddUser, caller: Caller): Promise<object> {
      checkPassword(user, password)
      const digest = await digestOfPassword(password)
      const fact = { type: passwordSet, subject: `user:${user}`, payload: { user } }
      const unit = [store.setPassword(user, digest), store.removeSessions(user), events.record(caller, fact)]
      await found(user, commit(unit))
      return {}
    },
  }
}

/** The way in for the first user of a server that others can reach. */
function firstUser({ now, store }: Inner, add: (command: AddUser, caller: Caller) => Promise<User>) {
  let setup: { digest: string; untilMs: number } | undefined
  return {
    /** A token that makes the first user, once, within an hour; undefined where there are users. */
    async offerSetup(): Promise<string | undefined> {
      if ((await store.users()).length > 0) return undefined
      const token = `hrs_${randomBytes(24).toString('base64url')}`
      setup = { digest: digestOf(token), untilMs: now() + setupMs }
      return token
    },
    async setUp({ token, user, password }: AddUser & { token: string }, caller: Caller): Promise<User> {
      const offered = setup
      const isRight =
        offered !== undefined &&
        offered.untilMs > now() &&
        timingSafeEqual(Buffer.from(digestOf(token)), Buffer.from(offered.digest)) &&
        (await store.users()).length === 0
      if (!isRight)
        throw new Fault('unauthenticated', 'access.setup_refused', 'this is no setup token that holds', {
          remedy: 'headrace admin user add NAME --role owner --data-dir D, while the server is stopped',
        })
      checkPassword(user, password)
      setup = undefined
      return add({ user, password, role: 'owner' }, caller)
    },
  }
}
interface AddUser {
  readonly user: string
  readonly password: string
  readonly role?: Held['role'] | undefined
}

function groupsAndRoles({ events, now, store, accountOf, commit }: Inner) {
  return {
    async regroup(
      { user, group, member }: { user: string; group: string; member: boolean },
      caller: Caller,
    ): Promise<object> {
      if ((await accountOf(user)) === undefined) throw noSuchUser(user)
      const fact = { type: userRegrouped, subject: `user:${user}`, payload: { user, group, member } }
      const change = member ? store.join(group, user) : store.leave(group, user)
      await found(user, commit([change, events.record(caller, fact)]))
      return {}
    },
    async grant({ revoke, ...held }: GrantCommand, caller: Caller): Promise<object> {
      const [kind, name = ''] = held.subject.split(':')
      if (kind === 'user' && (await accountOf(name)) === undefined) throw noSuchUser(name)
      const type = revoke ? roleRevoked : roleGranted
      const fact = { type, subject: held.subject, payload: held }
      const row = { ...held, created_at: now(), created_by: caller.actor.name }
      await found(
        name,
        commit([revoke ? store.release(held) : store.hold(row), events.record(caller, fact)]),
        'does not hold that role there',
      )
      return {}
    },
  }
}

export interface SignIn {
  readonly user: string
  readonly password: string
  readonly address: string
}
function signIns({ db, events, now, store, accountOf }: Inner) {
  const throttle = openThrottle(now)
  const remembered = openRemembered(now)
  const refuse = async ({ user, address }: SignIn, caller: Caller) => {
    throttle.failed(user, address)
    const payload = { user: user.slice(0, 120), address }
    await db.commit([events.record(caller, { type: sessionRefused, subject: 'session', payload })])
    throw new Fault('unauthenticated', 'access.password_wrong', 'user or password is wrong')
  }
  /** @throws Fault unauthenticated `access.password_wrong`, rate_limited `access.too_many_failures` */
  const checkUser = async (given: SignIn, caller: Caller): Promise<Account> => {
    const { user, password, address } = given
    const account = await accountOf(user)
    if (account !== undefined && remembered.has(user, password, account.password)) return account
    throttle.check(user, address)
    const isRight = await isPassword(password, account?.password)
    if (account?.password === undefined || !isRight) return refuse(given, caller)
    throttle.succeeded(user, address)
    remembered.add(user, password, account.password)
    return account
  }
  return {
    checkUser,
    async openSession(given: SignIn, caller: Caller): Promise<{ secret: string; ttlMs: number }> {
      const account = await checkUser(given, caller)
      const secret = randomBytes(32).toString('base64url')
      const row = {
        digest: digestOf(secret),
        user_name: account.name,
        created_at: now(),
        expires_at: now() + sessionMs,
      }
      const payload = { user: account.name, address: given.address }
      const fact = { type: sessionOpened, subject: 'session', payload }
      await db.commit([...store.insertSession(row), events.record(caller, fact)])
      return { secret, ttlMs: sessionMs }
    },
    /** The account of a session that holds; undefined else. */
    async sessionOf(secret: string): Promise<Account | undefined> {
      const row = await store.session(digestOf(secret))
      return row === undefined || row.expires_at <= now() ? undefined : accountOf(row.user_name)
    },
    async closeSession(secret: string, caller: Caller): Promise<void> {
      const fact = { type: sessionClosed, subject: 'session', payload: {} }
      await db.commit([store.removeSession(digestOf(secret)), events.record(caller, fact)])
    },
  }
}

function checkPassword(user: string, password: string): void {
  const why = passwordObjection(user, password)
  if (why !== undefined)
    throw new Fault('invalid', 'access.password_weak', why, { remedy: 'take a longer phrase' })
}
async function found(name: string, change: Promise<void>, what?: string): Promise<void> {
  try {
    await change
  } catch (error) {
    if (!isFault(error, 'db.guard_failed')) throw error
    if (what === undefined) throw noSuchUser(name)
    throw new Fault('not_found', 'access.role_not_held', `${name} ${what}`, {
      remedy: 'headrace admin user ls',
    })
  }
}
const noSuchUser = (name: string) =>
  new Fault('not_found', 'access.user_not_found', `there is no user ${name}`, {
    remedy: 'headrace admin user ls',
  })
