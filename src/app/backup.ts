/** A backup while serving: the database as of one moment, then the blobs that it may name, each verified as it is read. */
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createWriteStream } from 'node:fs'
import { Fault } from '#base/errors.ts'
import type { Blobs } from '#platform/blobs/index.ts'
import type { Db } from '#platform/db/index.ts'

/** What a server of an older version left, kept before this one changes it: the database as it was. Blobs do not change. */
export async function keepBeforeUpgrade(
  db: Pick<Db, 'backup' | 'dialect'>,
  directory: string,
): Promise<void> {
  // A PostgreSQL has its own backups; its data is not in this directory.
  if (db.dialect !== 'sqlite') return
  await mkdir(directory, { recursive: true })
  const stamp = new Date().toISOString().replaceAll(/[:.]/g, '-')
  await db.backup(path.join(directory, `before-upgrade-${stamp}.db`))
}

export async function backup(
  deps: { db: Db; blobs: Blobs; blobsDirectory: string },
  to: string,
): Promise<{ files: number; bytes: number }> {
  if (!path.isAbsolute(to))
    throw new Fault('invalid', 'backup.path_relative', 'give the folder of the backup as an absolute path')
  await mkdir(path.dirname(to), { recursive: true })
  await mkdir(to).catch(() => {
    throw new Fault('conflict', 'backup.exists', `${to} exists already`, { remedy: 'name a new folder' })
  })
  // The database first: every blob that it names was on the disk before.
  await deps.db.backup(path.join(to, 'headrace.db'))
  let files = 0
  let bytes = 0
  for (const folder of (await readdir(deps.blobsDirectory)).filter((f) => /^[0-9a-f]{2}$/.test(f))) {
    for (const digest of (await readdir(path.join(deps.blobsDirectory, folder))).filter((f) =>
      /^[0-9a-f]{64}$/.test(f),
    )) {
      const found = await deps.blobs.stat(digest)
      if (found === undefined) continue
      await mkdir(path.join(to, 'blobs', folder), { recursive: true })
      await pipeline(await deps.blobs.open(digest), createWriteStream(path.join(to, 'blobs', folder, digest)))
      files++
      bytes += found.size
    }
  }
  await writeFile(path.join(to, 'backup.json'), JSON.stringify({ format: 1, files, bytes }))
  return { files, bytes }
}
