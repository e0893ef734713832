/**
 * Secrets by project and name: sealed at rest, opened just in time for a step, never in a reply, an event or a backup.
 * Read next: keys.ts, seal.ts, masker.ts.
 */
import { z } from 'zod'
import type { Caller } from '#base/caller.ts'
import { Fault, isFault } from '#base/errors.ts'
import type { Db } from '#platform/db/index.ts'
import { defineEvent } from '#platform/events/event.ts'
import type { Events } from '#platform/events/index.ts'
import type { Key, Keys } from './keys.ts'
import { secretCharsMin } from './masker.ts'
import { digestOfSecret, seal, unseal } from './seal.ts'
import { type SecretRow, secretsStore } from './store.ts'

export const SecretName = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_.-]{0,127}$/, 'a name has letters, digits, `_`, `-` and `.`')
const valueCharsMax = 65_536
export const secretValue = z.string().max(valueCharsMax)

export const secretSet = defineEvent('secrets.secret.set', z.object({ name: z.string() }))
export const secretRemoved = defineEvent('secrets.secret.removed', z.object({ name: z.string() }))
export const secretUsed = defineEvent(
  'secrets.secret.used',
  z.object({ names: z.array(z.string()), by: z.string() }),
)
export const keyRotated = defineEvent('secrets.key.rotated', z.object({ secrets: z.number() }))

export const Secret = z.object({ name: z.string(), updatedAt: z.number(), updatedBy: z.string() })
export type Secret = z.output<typeof Secret>

export interface Secrets {
  set(command: { name: string; value: string }, caller: Caller): Promise<Secret>
  list(_: object, caller: Caller): Promise<{ secrets: Secret[] }>
  remove(command: { name: string }, caller: Caller): Promise<object>
  names(project: string): Promise<string[]>
  /** Stands for the value in cache keys. @throws Fault not_found `secrets.not_found` */
  digest(project: string, name: string): Promise<string>
  /** The values, for whom is on record. @throws Fault not_found `secrets.not_found` */
  reveal(command: { names: readonly string[]; by: string }, caller: Caller): Promise<Map<string, string>>
  /** Seals every value anew under a new key. */
  rotate(_: object, caller: Caller): Promise<{ secrets: number }>
}

export interface SecretsDeps {
  readonly db: Db
  readonly events: Pick<Events, 'record'>
  readonly keys: Keys
}

export function openSecrets(deps: SecretsDeps): Secrets {
  const { db, events, keys } = deps
  const store = secretsStore(db)
  const one = async (project: string, name: string) =>
    (await store.one(project, name)) ?? Promise.reject(noSuchSecret(name))
  const keyForNew = async (): Promise<Key> => {
    if ((await keys.all()).length === 0 && (await store.all()).length > 0) throw keyMissing()
    return keys.current()
  }
  return {
    async set({ name, value }, caller) {
      if (value.trim().length < secretCharsMin)
        throw new Fault('invalid', 'secrets.too_short', `\`${name}\` is too short to be kept out of logs`, {
          remedy: `a secret has at least ${secretCharsMin} characters`,
        })
      const key = await keyForNew()
      const place = { project: caller.project, name }
      const now = Date.now()
      const row: SecretRow = {
        ...place,
        key_id: key.id,
        sealed: seal(key, place, value),
        digest: digestOfSecret(key, place, value),
        created_at: now,
        updated_at: now,
        updated_by: caller.actor.name,
      }
      const fact = { type: secretSet, subject: `secret:${name}`, payload: { name } }
      await db.commit([store.put(row), events.record(caller, fact)])
      return secretOf(row)
    },
    async list(_, caller) {
      return { secrets: (await store.list(caller.project)).map(secretOf) }
    },
    async remove({ name }, caller) {
      const fact = { type: secretRemoved, subject: `secret:${name}`, payload: { name } }
      try {
        await db.commit([store.remove(caller.project, name), events.record(caller, fact)])
      } catch (error) {
        throw isFault(error, 'db.guard_failed') ? noSuchSecret(name) : error
      }
      return {}
    },
    names: async (project) => (await store.list(project)).map((row) => row.name),
    digest: async (project, name) => (await one(project, name)).digest,
    async reveal({ names, by }, caller) {
      const values = new Map<string, string>()
      for (const name of names) {
        const row = await one(caller.project, name)
        values.set(name, unseal(await keyOf(keys, row), row, row.sealed))
      }
      const fact = { type: secretUsed, subject: `secret:${names[0]}`, payload: { names: [...names], by } }
      if (names.length > 0) await db.commit([events.record(caller, fact)])
      return values
    },
    rotate: (_, caller) => rotate(deps, caller),
  }
}

/** First the new key is safe on the disk beside the old one, then every value moves in one unit, then the old one goes. */
async function rotate({ db, events, keys }: SecretsDeps, caller: Caller): Promise<{ secrets: number }> {
  const store = secretsStore(db)
  const isGiven = (error: unknown) => isFault(error, 'secrets.key_given')
  const key = await keys.begin().catch((error) => (isGiven(error) ? keys.current() : Promise.reject(error)))
  const moves = []
  const rows = (await store.all()).filter((row) => row.key_id !== key.id)
  for (const row of rows) {
    const value = unseal(await keyOf(keys, row), row, row.sealed)
    moves.push(store.reseal(row, { key_id: key.id, sealed: seal(key, row, value) }))
  }
  const fact = { type: keyRotated, subject: 'secrets', payload: { secrets: rows.length } }
  await db.commit([...moves, events.record(caller, fact)])
  await keys.finish()
  return { secrets: rows.length }
}

async function keyOf(keys: Keys, row: SecretRow): Promise<Key> {
  const key = (await keys.all()).find((k) => k.id === row.key_id)
  if (key === undefined) throw keyMissing()
  return key
}

const secretOf = (row: SecretRow): Secret => ({
  name: row.name,
  updatedAt: row.updated_at,
  updatedBy: row.updated_by,
})
const keyMissing = () =>
  new Fault('precondition_failed', 'secrets.key_missing', 'the key of the stored secrets is not here', {
    remedy: 'put secret.key back into the data directory, or give HEADRACE_SECRET_KEY',
  })
const noSuchSecret = (name: string) =>
  new Fault('not_found', 'secrets.not_found', `there is no secret \`${name}\` in this project`, {
    remedy: `set it: headrace admin secret set ${name}`,
  })
