/** Files of a version: taken in once, known by digest, checked to be readable before anything names them. */
import { mkdir, open, rm } from 'node:fs/promises'
import path from 'node:path'
import { sha256 } from '#base/digest.ts'
import { Fault, isFault } from '#base/errors.ts'
import { newId } from '#base/ids.ts'
import type { BlobRef, Blobs } from '#platform/blobs/index.ts'
import type { Column, Columnar } from '#platform/columnar/index.ts'
import type { Db } from '#platform/db/index.ts'
import type { VersionFile } from './model.ts'
import { quarantineText } from './rules.ts'
import type { DatasetsStore } from './store.ts'

export interface FileDeps {
  readonly db: Db
  readonly blobs: Blobs
  readonly columnar: Columnar
  readonly store: DatasetsStore
  /** A folder for short-lived files that questions may read and write. */
  readonly workDirectory: string
}
export interface KnownFile extends VersionFile {
  readonly schema: readonly Column[]
}

/** Stores a local file's bytes; text tables become Parquet on the way in. @throws Fault `datasets.unreadable_file` */
export async function takeIn(
  deps: FileDeps,
  name: string,
  local: string,
): Promise<{ path: string; ref: BlobRef }> {
  const ending = /\.(csv|jsonl|ndjson)$/.exec(name)
  if (ending === null) {
    await checkParquet(name, local)
    return { path: name, ref: await deps.blobs.putFile(local) }
  }
  await mkdir(deps.workDirectory, { recursive: true })
  const raw = await deps.blobs.putFile(local)
  const copy = path.join(deps.workDirectory, `${newId()}${ending[0]}`)
  const target = path.join(deps.workDirectory, `${newId()}.parquet`)
  try {
    await deps.blobs.checkout(raw.digest, copy)
    await deps.columnar.writeParquet('select * from given', { files: { given: copy }, to: target })
    return { path: name.replace(/\.\w+$/, '.parquet'), ref: await deps.blobs.putFile(target) }
  } catch (error) {
    throw unreadable(name, error)
  } finally {
    await rm(copy, { force: true })
    await rm(target, { force: true })
  }
}

/** Parquet starts and ends with PAR1; a file cut short does not end so. */
async function checkParquet(name: string, local: string): Promise<void> {
  const handle = await open(local, 'r')
  try {
    const { size } = await handle.stat()
    const ends = Buffer.alloc(8)
    if (size >= 12) {
      await handle.read(ends, 0, 4, 0)
      await handle.read(ends, 4, 4, size - 4)
    }
    if (ends.toString('latin1') !== 'PAR1PAR1')
      throw unreadable(name, new Error('it is not whole Parquet: its head or its end is missing'))
  } finally {
    await handle.close()
  }
}

/** Rows and schema of stored files, each read once and remembered by digest. */
export async function learn(
  deps: FileDeps,
  files: readonly { path: string; ref: BlobRef }[],
): Promise<KnownFile[]> {
  const facts = new Map((await deps.store.factsOf(files.map((f) => f.ref.digest))).map((f) => [f.digest, f]))
  const known: KnownFile[] = []
  for (const { path: name, ref } of files) {
    const fact = facts.get(ref.digest) ?? (await scan(deps, name, ref))
    known.push({
      path: name,
      digest: ref.digest,
      size: ref.size,
      rows: fact.rows,
      schema: JSON.parse(fact.schema),
    })
  }
  return known
}

async function scan(deps: FileDeps, name: string, ref: BlobRef): Promise<{ rows: number; schema: string }> {
  try {
    const file = await deps.blobs.localPath(ref.digest)
    const schema = JSON.stringify(await deps.columnar.schemaOf(file))
    const [count] = await deps.columnar.query<{ n: number }>('select count(*) as n from f', {
      files: { f: file },
    })
    await deps.db.commit([deps.store.insertFacts(ref.digest, count?.n ?? 0, schema)])
    return { rows: count?.n ?? 0, schema }
  } catch (error) {
    if (isFault(error, 'columnar.failed')) throw unreadable(name, error)
    throw error
  }
}

const unreadable = (name: string, error: unknown) =>
  new Fault('invalid', 'datasets.unreadable_file', `${name} cannot be read: ${(error as Error).message}`, {
    remedy: 'write the file again, whole, and repeat; nothing of it was taken in',
  })

/** A local file without the quarantined rows; made once for the same file and rows. */
export async function withoutRows(deps: FileDeps, digest: string, rows: readonly number[]): Promise<string> {
  if (rows.length === 0) return deps.blobs.localPath(digest)
  const quarantine = sha256(quarantineText(rows))
  const made = await deps.store.filteredOf(digest, quarantine)
  if (made !== undefined && (await deps.blobs.has(made))) return deps.blobs.localPath(made)
  await mkdir(deps.workDirectory, { recursive: true })
  const to = path.join(deps.workDirectory, `${newId()}.parquet`)
  try {
    const sql = `select * exclude (filename, file_row_number) from f
      where file_row_number not in (select unnest(cast($rows as json)::bigint[])) order by file_row_number`
    const files = { f: await deps.blobs.localPath(digest) }
    await deps.columnar.writeParquet(sql, {
      files,
      provenance: true,
      params: { rows: JSON.stringify(rows) },
      to,
    })
    const ref = await deps.blobs.putFile(to)
    await deps.db.commit([deps.store.insertFiltered(digest, quarantine, ref.digest)])
    return await deps.blobs.localPath(ref.digest)
  } finally {
    await rm(to, { force: true })
  }
}
