/** A user made while no server runs: the way in for the first one, and for whoever forgot the owner's password. */
import path from 'node:path'
import type { Caller } from '#base/caller.ts'
import { Fault } from '#base/errors.ts'
import { openDataDirectory, readSettings } from '#platform/config/index.ts'
import { openDb } from '#platform/db/index.ts'
import { openEvents } from '#platform/events/index.ts'
import { migrations } from '../app.ts'
import { openAccess } from '../domains/access/index.ts'
import { keepBeforeUpgrade } from './backup.ts'

const roles = ['viewer', 'contributor', 'approver', 'owner'] as const

/** @throws Fault conflict where a server runs on the data, or there is such a user; invalid for role and password */
export async function addUser(words: {
  readonly dataDir: string
  readonly user: string
  readonly password: string
  readonly role: string | undefined
}): Promise<{ readonly user: string }> {
  const role = roles.find((known) => known === words.role)
  if (words.role !== undefined && role === undefined)
    throw new Fault('invalid', 'access.role_unknown', `there is no role ${words.role}`, {
      remedy: `roles are ${roles.join(', ')}`,
    })
  const settings = readSettings({ dataDir: words.dataDir })
  const data = await openDataDirectory(settings.dataDir)
  try {
    const db = await openDb({
      url: settings.databaseUrl ?? `sqlite:${path.join(data.path, 'headrace.db')}`,
      migrations,
      durability: 'fsync',
      threads: undefined,
      beforeUpgrade: (database) => keepBeforeUpgrade(database, path.join(data.path, 'backups')),
    })
    try {
      const access = openAccess({
        db,
        events: openEvents({ db }),
        definitions: noDefinitions,
        trustLoopback: false,
      })
      const { user } = await access.users.addUser({ ...words, role }, atTheMachine)
      return { user }
    } finally {
      await db.close()
    }
  } finally {
    await data.release()
  }
}

/** Who may write into the data directory owns it. */
const atTheMachine: Caller = {
  actor: { kind: 'user', name: 'owner' },
  project: 'default',
  requestId: 'offline',
  grants: ['*:*'],
}
const noDefinitions = (): never => {
  throw new Fault('internal', 'access.no_definitions', 'users are made without definitions')
}
