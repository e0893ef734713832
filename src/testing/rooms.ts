/** Platform rooms on a temporary directory, for tests of one domain. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { systemCaller } from '#base/caller.ts'
import { ManualClock } from '#base/clock.ts'
import { openFileBlobs } from '#platform/blobs/index.ts'
import { openColumnar } from '#platform/columnar/index.ts'
import { type Migration, openDb } from '#platform/db/index.ts'
import { type Block, definitionsMigrations, openDefinitions } from '#platform/definitions/index.ts'
import { eventsMigrations, openEvents } from '#platform/events/index.ts'

export interface RoomsOptions {
  readonly migrations: readonly Migration[]
  readonly blocks?: readonly Block<unknown>[]
  /** headrace.yaml, applied at once. */
  readonly definition?: string
  readonly project?: string
}

export async function openRooms(options: RoomsOptions) {
  const directory = await mkdtemp(path.join(tmpdir(), 'headrace-test-'))
  const migrations = [...eventsMigrations, ...definitionsMigrations, ...options.migrations]
  const db = await openDb({
    url: `sqlite:${path.join(directory, 'headrace.db')}`,
    migrations,
    durability: 'process',
  })
  const events = openEvents({ db })
  const blobs = await openFileBlobs({ directory: path.join(directory, 'blobs'), freeBytesMin: 0 })
  const workDirectory = path.join(directory, 'work')
  const columnar = openColumnar({ directories: [directory], temporary: path.join(directory, 'tmp') })
  const definitions = openDefinitions({
    db,
    events,
    blocks: options.blocks ?? [],
    ensureProject: async () => undefined,
  })
  const clock = new ManualClock(Date.parse('2017-03-15T00:00:00Z'))
  const caller = systemCaller(options.project ?? 'test', 'test')
  if (options.definition !== undefined) {
    const text = `version: 1\nproject: { name: ${caller.project} }\n${options.definition}`
    await definitions.apply(
      { text, file: 'headrace.yaml', root: directory, code: { tree: '0'.repeat(64), dirty: false } },
      caller,
    )
  }
  const close = async () => {
    await events.stop()
    await columnar.close()
    await db.close()
    await rm(directory, { recursive: true, force: true })
  }
  return {
    directory,
    db,
    events,
    blobs,
    columnar,
    definitions,
    clock,
    clockOf: async () => clock,
    caller,
    workDirectory,
    close,
    [Symbol.asyncDispose]: close,
  }
}
