/** Artifacts: names in tables, bytes in the blob store. A path is a key here, never a path of the disk. */
import type { Readable } from 'node:stream'
import { sql } from 'kysely'
import type { Caller } from '#base/caller.ts'
import { Fault } from '#base/errors.ts'
import type { Blobs, ByteRange } from '#platform/blobs/index.ts'
import { type Compilable, type Db, statement } from '#platform/db/index.ts'

export interface FileRow {
  project: string
  parent: string
  name: string
  digest: string | null
  size: number
  stored_at: number
}
interface Tables {
  experiments_files: FileRow
}
const depthMax = 64
const pathCharsMax = 2_000

export function openExperimentFiles({ db, blobs }: { db: Db; blobs: Blobs }) {
  const t = db.tables<Tables>()
  const rowOf = (project: string, path: string) => {
    const [parent, name] = split(path)
    return db.readFirst<FileRow>(
      t
        .selectFrom('experiments_files')
        .selectAll()
        .where('project', '=', project)
        .where('parent', '=', parent)
        .where('name', '=', name) as Compilable<FileRow>,
    )
  }
  return {
    put: (path: string, source: AsyncIterable<Uint8Array>, caller: Caller) =>
      putFile({ db, blobs }, path, source, caller),
    /** The files and folders of a folder; nothing where it is none. */
    list: (path: string, caller: Caller): Promise<FileRow[]> =>
      db.read(
        t
          .selectFrom('experiments_files')
          .selectAll()
          .where('project', '=', caller.project)
          .where('parent', '=', path)
          .orderBy('name') as Compilable<FileRow>,
      ),
    /** @throws Fault not_found, invalid where it is a folder */
    async find(path: string, caller: Caller): Promise<{ digest: string; size: number }> {
      const row = await rowOf(caller.project, path)
      if (row === undefined)
        throw new Fault('not_found', 'experiments.file_not_found', `No such artifact: '${path}'`)
      if (row.digest === null)
        throw new Fault('invalid', 'experiments.file_is_folder', `'${path}' is a directory`)
      return { digest: row.digest, size: row.size }
    },
    open: (digest: string, range?: ByteRange): Promise<Readable> => blobs.open(digest, range),
    async remove(path: string, caller: Caller): Promise<void> {
      const [parent, name] = split(path)
      const below = `${path.replaceAll(/[\\%_]/g, (c) => `\\${c}`)}/%`
      const inFolder = t.deleteFrom('experiments_files').where('project', '=', caller.project)
      await db.commit([
        statement(inFolder.where('parent', '=', parent).where('name', '=', name)),
        statement(inFolder.where('parent', '=', path)),
        statement(inFolder.where(sql<boolean>`parent like ${below} escape '\\'`)),
      ])
    },
  }
}
export type ExperimentFiles = ReturnType<typeof openExperimentFiles>

/** Folders above a file are rows too, so that a listing is one look at an index. */
async function putFile(
  { db, blobs }: { db: Db; blobs: Blobs },
  path: string,
  source: AsyncIterable<Uint8Array>,
  caller: Caller,
): Promise<void> {
  const t = db.tables<Tables>()
  const names = path.split('/')
  if (names.length > depthMax || path.length > pathCharsMax)
    throw new Fault('invalid', 'experiments.path_invalid', 'the path is too deep or too long')
  const { digest, size } = await blobs.put(source)
  const at = { project: caller.project, stored_at: Date.now() }
  const folders = names.slice(1).map((_, i) => {
    const [parent, name] = split(names.slice(0, i + 1).join('/'))
    const row: FileRow = { ...at, parent, name, digest: null, size: 0 }
    return statement(
      t
        .insertInto('experiments_files')
        .values(row)
        .onConflict((c) => c.columns(['project', 'parent', 'name']).doNothing()),
    )
  })
  const [parent, name] = split(path)
  const file = t
    .insertInto('experiments_files')
    .values({ ...at, parent, name, digest, size })
    .onConflict((c) =>
      c.columns(['project', 'parent', 'name']).doUpdateSet({ digest, size, stored_at: at.stored_at }),
    )
  await db.commit([...folders, statement(file)])
}

function split(path: string): [string, string] {
  const at = path.lastIndexOf('/')
  return at < 0 ? ['', path] : [path.slice(0, at), path.slice(at + 1)]
}
