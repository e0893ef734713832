/** The native API of users, groups, roles, sessions and the first user. */
import { z } from 'zod'
import type { Caller } from '#base/caller.ts'
import { Fault } from '#base/errors.ts'
import { endpoint, identityOf, rawRoute, type Route } from '#platform/http/index.ts'
import { GrantCommand, NewUser, User, UserName, Why } from './model.ts'
import type { Access } from './operations.ts'
import { roles } from './rules.ts'
import { sessionCookie, sessionSecretOf } from './sessions.ts'

const done = z.object({})

export const usersEndpoints = ({ users }: Access): Route[] => [
  endpoint({
    id: 'users.list',
    method: 'GET',
    path: '/api/v1/users',
    summary: 'Users with their groups and roles',
    permission: 'user:list',
    input: z.strictObject({}),
    output: z.object({ users: z.array(User) }),
    run: users.listUsers,
  }),
  endpoint({
    id: 'users.add',
    method: 'POST',
    path: '/api/v1/users',
    summary: 'Make a user',
    permission: 'user:change',
    status: 201,
    input: NewUser.extend({ role: z.enum(roles).optional() }),
    output: User,
    run: users.addUser,
  }),
  endpoint({
    id: 'users.remove',
    method: 'DELETE',
    path: '/api/v1/users/:user',
    summary: 'Remove a user, its sessions and its tokens',
    permission: 'user:change',
    input: z.strictObject({ user: UserName }),
    output: done,
    run: users.removeUser,
  }),
  endpoint({
    id: 'users.setPassword',
    method: 'PUT',
    path: '/api/v1/users/:user/password',
    summary: 'Give a user another password; its sessions end',
    permission: 'user:change',
    input: NewUser,
    output: done,
    run: users.setPassword,
  }),
  endpoint({
    id: 'users.regroup',
    method: 'PUT',
    path: '/api/v1/users/:user/groups/:group',
    summary: 'Put a user in a group, or take it out',
    permission: 'user:change',
    input: z.strictObject({ user: UserName, group: UserName, member: z.boolean().default(true) }),
    output: done,
    run: users.regroup,
  }),
  endpoint({
    id: 'users.grant',
    method: 'POST',
    path: '/api/v1/grants',
    summary: 'Give a user or a group a role, or take it back',
    permission: 'user:change',
    input: GrantCommand,
    output: done,
    run: users.grant,
  }),
  endpoint({
    id: 'users.why',
    method: 'GET',
    path: '/api/v1/why-can',
    summary: 'Which role lets a user do something, or that none does',
    permission: 'user:list',
    input: z.strictObject({
      user: UserName,
      action: z.string().regex(/^[a-z_-]+:[a-z_-]+$/, 'an action is noun:verb, as in model:promote'),
      resource: z.string().max(200).default(''),
    }),
    output: Why,
    run: users.why,
  }),
  endpoint({
    id: 'users.setUp',
    method: 'POST',
    path: '/api/v1/setup',
    summary: 'Make the first user, with the token that the server printed',
    permission: 'public',
    status: 201,
    input: NewUser.extend({ token: z.string().max(200) }),
    output: User,
    run: users.setUp,
  }),
]

const SignIn = z.strictObject({ user: z.string().min(1).max(200), password: z.string().max(1_024) })

/** `cookiePath` is where the browser sends the cookie; `isSecure` says whether users come by https. */
export const sessionRoutes = (
  { users, whoIs }: Access,
  at: { readonly cookiePath: string; readonly isSecure: boolean },
): Route[] => [
  rawRoute({
    id: 'session.open',
    method: 'POST',
    path: '/api/v1/session',
    summary: 'Sign in: a user and its password for a cookie',
    permission: 'public',
    bodyBytesMax: 16_384,
    async handle(request, reply, caller) {
      const given = SignIn.safeParse(request.body)
      if (!given.success)
        throw new Fault('invalid', 'access.sign_in_invalid', 'send { "user": …, "password": … } as JSON')
      const { address, proto } = request.reach
      const { secret, ttlMs } = await users.openSession({ ...given.data, address }, caller)
      const isSecure = at.isSecure || proto === 'https'
      reply.header('set-cookie', sessionCookie(secret, { path: at.cookiePath, ttlMs, isSecure }))
      return { user: given.data.user }
    },
  }),
  rawRoute({
    id: 'session.get',
    method: 'GET',
    path: '/api/v1/session',
    summary: 'Who this request is',
    permission: 'public',
    async handle(request, reply) {
      reply.header('cache-control', 'no-store')
      const caller = await whoIs({ ...identityOf(request), actingAs: undefined })
      return caller === undefined
        ? { signedIn: false }
        : {
            signedIn: true,
            actor: caller.actor.name,
            byCookie: caller.bySession === true,
            grants: caller.grants,
          }
    },
  }),
  rawRoute({
    id: 'session.close',
    method: 'DELETE',
    path: '/api/v1/session',
    summary: 'Sign out',
    permission: 'public',
    async handle(request, reply, caller: Caller) {
      const secret = sessionSecretOf(request.headers.cookie)
      if (secret !== undefined) await users.closeSession(secret, caller)
      const isSecure = at.isSecure || request.reach.proto === 'https'
      reply.header('set-cookie', sessionCookie('', { path: at.cookiePath, ttlMs: 0, isSecure }))
      return {}
    },
  }),
]
