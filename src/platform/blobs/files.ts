/**
 * The blob store on the file system: temporary file, fsync, rename, fsync of the folder. A sidecar keeps a SHA-256 per
 * MiB, so that ranges are verified in constant memory. Read next: trees.ts.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import {
  constants,
  copyFile,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  statfs,
} from 'node:fs/promises'
import path from 'node:path'
import { Readable } from 'node:stream'
import type { Sha256 } from '#base/digest.ts'
import { Fault } from '#base/errors.ts'
import { newId } from '#base/ids.ts'

export interface BlobRef {
  readonly digest: Sha256
  readonly size: number
}
export interface BlobStat extends BlobRef {
  readonly storedAtMs: number
}
export interface ByteRange {
  /** First byte. */
  readonly start: number
  /** Last byte, included. */
  readonly end: number
}
export interface PutOptions {
  /** Refuse the bytes where they are others. */
  readonly expected?: Sha256
  readonly signal?: AbortSignal
}

export interface Blobs {
  /** @throws Fault invalid `blobs.digest_differs`, unavailable `blobs.disk_full` */
  put(source: AsyncIterable<Uint8Array> | Uint8Array | string, options?: PutOptions): Promise<BlobRef>
  putFile(file: string): Promise<BlobRef>
  has(digest: Sha256): Promise<boolean>
  stat(digest: Sha256): Promise<BlobStat | undefined>
  /** Each MiB is verified before a byte of it leaves. @throws Fault not_found, internal `blobs.corrupt` */
  open(digest: Sha256, range?: ByteRange): Promise<Readable>
  bytes(digest: Sha256, bytesMax?: number): Promise<Buffer>
  /** A local read-only file of the bytes. */
  localPath(digest: Sha256): Promise<string>
  /** Copies (or clones, where the file system can) the bytes to a path. */
  checkout(digest: Sha256, to: string): Promise<void>
  /** Removes blobs that nobody uses and that are older than the grace; an upload renews the age. */
  collect(isUsed: (digest: Sha256) => boolean, graceMs: number): Promise<{ removed: number; bytes: number }>
}

const chunkBytes = 1024 * 1024
const bytesMaxDefault = 64 * 1024 * 1024
const digestPattern = /^[0-9a-f]{64}$/

interface Sidecar {
  readonly size: number
  readonly chunks: readonly Sha256[]
}

export interface FileBlobsOptions {
  /** Of one process: the data directory is locked. */
  readonly directory: string
  readonly freeBytesMin?: number
  /** What the disk has left. */
  readonly freeBytes?: () => Promise<number>
}
export async function openFileBlobs({ directory, ...options }: FileBlobsOptions): Promise<Blobs> {
  const incoming = path.join(directory, 'incoming')
  // What an upload left when the power went is nobody's.
  await rm(incoming, { recursive: true, force: true })
  await mkdir(incoming, { recursive: true })
  const freeBytes = options.freeBytes ?? (() => freeBytesOf(directory))
  return new FileBlobs(directory, incoming, {
    freeBytes,
    freeBytesMin: options.freeBytesMin ?? freeBytesMinDefault,
  })
}
const freeBytesMinDefault = 256 * 1024 * 1024
/** How much may come in between two looks at the disk. */
const lookEveryBytes = 64 * 1024 * 1024

async function freeBytesOf(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory)
  return bavail * bsize
}
type Space = Required<Pick<FileBlobsOptions, 'freeBytes' | 'freeBytesMin'>>

class FileBlobs implements Blobs {
  readonly #directory: string
  readonly #incoming: string
  readonly #space: Space
  /** What is being kept or removed: one at a time for a digest, so that neither undoes the other. */
  readonly #busy = new Map<Sha256, Promise<unknown>>()

  constructor(directory: string, incoming: string, space: Space) {
    this.#directory = directory
    this.#incoming = incoming
    this.#space = space
  }

  async put(
    source: AsyncIterable<Uint8Array> | Uint8Array | string,
    options: PutOptions = {},
  ): Promise<BlobRef> {
    await this.#checkSpace()
    const temporary = path.join(this.#incoming, newId())
    try {
      const watched = this.#watched(chunksOf(source))
      const { digest, sidecar } = await writeHashed(watched, temporary, options.signal)
      if (options.expected !== undefined && options.expected !== digest)
        throw digestDiffers(options.expected, digest)
      await this.#alone(digest, () => this.#keep(temporary, digest, sidecar))
      return { digest, size: sidecar.size }
    } catch (error) {
      throw diskFault(error)
    } finally {
      await Promise.all([temporary, `${temporary}.chunks`].map((file) => rm(file, { force: true })))
    }
  }

  putFile(file: string): Promise<BlobRef> {
    return this.put(createReadStream(file, { highWaterMark: chunkBytes }))
  }

  async has(digest: Sha256): Promise<boolean> {
    return (await this.stat(digest)) !== undefined
  }

  async stat(digest: Sha256): Promise<BlobStat | undefined> {
    const found = await stat(this.#pathOf(digest)).catch(() => undefined)
    return found && { digest, size: found.size, storedAtMs: found.mtimeMs }
  }

  async open(digest: Sha256, range?: ByteRange): Promise<Readable> {
    const sidecar = await this.#sidecarOf(digest)
    return Readable.from(verified(this.#pathOf(digest), digest, sidecar, range), { objectMode: false })
  }

  async bytes(digest: Sha256, bytesMax = bytesMaxDefault): Promise<Buffer> {
    const { size } = await this.#sidecarOf(digest)
    if (size > bytesMax)
      throw new Fault('too_large', 'blobs.too_large', `${size} bytes are more than ${bytesMax} at once`)
    const parts: Buffer[] = []
    for await (const part of await this.open(digest)) parts.push(part as Buffer)
    return Buffer.concat(parts)
  }

  async localPath(digest: Sha256): Promise<string> {
    if (!(await this.has(digest))) throw noSuchBlob(digest)
    return this.#pathOf(digest)
  }

  async checkout(digest: Sha256, to: string): Promise<void> {
    await copyFile(await this.localPath(digest), to, constants.COPYFILE_FICLONE)
  }

  async collect(
    isUsed: (digest: Sha256) => boolean,
    graceMs: number,
  ): Promise<{ removed: number; bytes: number }> {
    const before = Date.now() - graceMs
    const total = { removed: 0, bytes: 0 }
    for (const folder of await readdir(this.#directory)) {
      if (!/^[0-9a-f]{2}$/.test(folder)) continue
      const names = await readdir(path.join(this.#directory, folder))
      for (const name of names.filter((n) => digestPattern.test(n) && !isUsed(n))) {
        const file = path.join(this.#directory, folder, name)
        const bytes = await this.#alone(name, () => removeOlder(file, before))
        if (bytes === undefined) continue
        total.removed++
        total.bytes += bytes
      }
    }
    return total
  }

  async #keep(temporary: string, digest: Sha256, sidecar: Sidecar): Promise<void> {
    const target = this.#pathOf(digest)
    await mkdir(path.dirname(target), { recursive: true })
    const text = JSON.stringify(sidecar)
    if ((await readFile(`${target}.chunks`, 'utf8').catch(() => undefined)) !== text) {
      await writeDurably(`${temporary}.chunks`, text)
      await rename(`${temporary}.chunks`, `${target}.chunks`)
    }
    // Also over what is there: these bytes are right, those may have rotted; and the blob is young again.
    await rename(temporary, target)
    await syncFolder(path.dirname(target))
  }

  async #alone<T>(digest: Sha256, work: () => Promise<T>): Promise<T> {
    const before = this.#busy.get(digest)
    const mine = (before ?? Promise.resolve()).then(work, work)
    this.#busy.set(digest, mine)
    try {
      return await mine
    } finally {
      if (this.#busy.get(digest) === mine) this.#busy.delete(digest)
    }
  }

  /** The same bytes, as long as the disk has room for more. */
  async *#watched(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    let since = 0
    for await (const part of source) {
      since += part.length
      if (since > lookEveryBytes) {
        since = 0
        await this.#checkSpace()
      }
      yield part
    }
  }

  async #sidecarOf(digest: Sha256): Promise<Sidecar> {
    try {
      return JSON.parse(await readFile(`${this.#pathOf(digest)}.chunks`, 'utf8'))
    } catch {
      throw noSuchBlob(digest)
    }
  }

  #pathOf(digest: Sha256): string {
    if (!digestPattern.test(digest))
      throw new Fault('invalid', 'blobs.digest_invalid', 'a digest is 64 lower-case hex digits')
    return path.join(this.#directory, digest.slice(0, 2), digest)
  }

  /** Ingest stops before the disk is full, so that the database and the logs still can write. */
  async #checkSpace(): Promise<void> {
    if ((await this.#space.freeBytes()) < this.#space.freeBytesMin) throw diskFull()
  }
}

/** An upload of the same bytes has renewed the age, and its caller sees to it that none comes in between. */
async function removeOlder(file: string, beforeMs: number): Promise<number | undefined> {
  const found = await stat(file).catch(() => undefined)
  if (found === undefined || found.mtimeMs > beforeMs) return undefined
  await rm(file, { force: true })
  await rm(`${file}.chunks`, { force: true })
  return found.size
}

async function* chunksOf(
  source: AsyncIterable<Uint8Array> | Uint8Array | string,
): AsyncGenerator<Uint8Array> {
  if (typeof source === 'string') yield Buffer.from(source)
  else if (source instanceof Uint8Array) yield source
  else yield* source
}

/** Writes to a new file with whole and per-MiB digests, and fsyncs it. */
async function writeHashed(source: AsyncIterable<Uint8Array>, to: string, signal: AbortSignal | undefined) {
  const whole = createHash('sha256')
  const chunks: Sha256[] = []
  let chunk = createHash('sha256')
  let filled = 0
  let size = 0
  const file = await open(to, 'wx', 0o444)
  try {
    for await (const part of source) {
      signal?.throwIfAborted()
      whole.update(part)
      size += part.length
      for (let at = 0; at < part.length; ) {
        const slice = part.subarray(at, at + chunkBytes - filled)
        chunk.update(slice)
        filled += slice.length
        at += slice.length
        if (filled < chunkBytes) continue
        chunks.push(chunk.digest('hex'))
        chunk = createHash('sha256')
        filled = 0
      }
      // Unlike write, this goes on where a write was short.
      await file.writeFile(part)
    }
    if (filled > 0) chunks.push(chunk.digest('hex'))
    await file.sync()
  } finally {
    await file.close()
  }
  return { digest: whole.digest('hex'), sidecar: { size, chunks } }
}

/** Bytes of a range, each MiB checked before any of it is yielded. */
async function* verified(
  file: string,
  digest: Sha256,
  sidecar: Sidecar,
  range: ByteRange | undefined,
): AsyncGenerator<Buffer> {
  const start = range?.start ?? 0
  const end = Math.min(range?.end ?? sidecar.size - 1, sidecar.size - 1)
  if (sidecar.size === 0 || start > end) return
  const handle = await open(file, 'r')
  try {
    for (let index = Math.floor(start / chunkBytes); index * chunkBytes <= end; index++) {
      const from = index * chunkBytes
      const buffer = Buffer.alloc(Math.min(chunkBytes, sidecar.size - from))
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, from)
      const seen = createHash('sha256').update(buffer).digest('hex')
      if (bytesRead !== buffer.length || seen !== sidecar.chunks[index]) throw corrupt(digest, from)
      yield buffer.subarray(Math.max(0, start - from), Math.min(buffer.length, end - from + 1))
    }
  } finally {
    await handle.close()
  }
}

async function writeDurably(file: string, text: string): Promise<void> {
  const handle = await open(file, 'wx')
  try {
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

const noSuchBlob = (digest: Sha256) => new Fault('not_found', 'blobs.not_found', `there is no blob ${digest}`)
const corrupt = (digest: Sha256, at: number) =>
  new Fault(
    'internal',
    'blobs.corrupt',
    `the stored bytes of ${digest} changed on the disk near byte ${at}`,
    {
      remedy: 'restore this blob from a backup, or ingest its source again',
    },
  )
const digestDiffers = (expected: Sha256, seen: Sha256) =>
  new Fault('invalid', 'blobs.digest_differs', `the bytes have digest ${seen}, not ${expected}`, {
    remedy: 'send them again',
  })
const diskFull = () =>
  new Fault(
    'unavailable',
    'blobs.disk_full',
    'the disk of the data directory is nearly full; nothing was written',
    {
      remedy: 'free some space; the server goes on by itself',
    },
  )

function diskFault(error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException).code
  return code === 'ENOSPC' || code === 'EDQUOT' ? diskFull() : error
}
