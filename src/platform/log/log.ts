/**
 * The server's log: one wide JSON line a request or failure, appended without the caller waiting, rotated by size. Knows
 * no domain. What cannot be written is counted, never thrown: a full disk must not end the server.
 */
import { mkdir, open, rename, rm, stat, type FileHandle } from 'node:fs/promises'
import path from 'node:path'

export interface LogOptions {
  readonly directory: string
  /** `info` writes all, `error` what failed with 5xx, `silent` nothing. */
  readonly level: 'silent' | 'error' | 'info'
  /** A file that has grown past this is put aside. */
  readonly fileBytesMax?: number
  /** Files put aside that are kept. */
  readonly filesMax?: number
  readonly now?: () => number
}
export interface Log {
  readonly file: string
  /** Adds the time and appends the line soon; `status` of 500 and above counts as an error. */
  write(line: Readonly<Record<string, unknown>>): void
  /** Lines that could not be written, or came faster than the disk takes them. */
  readonly dropped: number
  /** Writes what waits, and closes the file. */
  close(): Promise<void>
}

const fileBytesMaxDefault = 16 * 1024 * 1024
const filesMaxDefault = 5
// Lines beyond this wait for a disk that is too slow; they are dropped and counted rather than kept in memory.
const waitingBytesMax = 4 * 1024 * 1024

export function openLog(options: LogOptions): Log {
  const file = path.join(options.directory, 'server.log')
  const { fileBytesMax = fileBytesMaxDefault, filesMax = filesMaxDefault, now = Date.now } = options
  let waiting: string[] = []
  let waitingBytes = 0
  let dropped = 0
  let size = 0
  let handle: FileHandle | undefined
  let writing: Promise<void> | undefined

  const opened = async (): Promise<FileHandle> => {
    if (handle !== undefined) return handle
    await mkdir(options.directory, { recursive: true })
    size = (await stat(file).catch(() => undefined))?.size ?? 0
    handle = await open(file, 'a', 0o600)
    return handle
  }
  const putAside = async () => {
    await handle?.close()
    handle = undefined
    await rotate(file, filesMax)
  }
  const drain = async () => {
    while (waiting.length > 0) {
      const lines = waiting
      const text = Buffer.from(lines.join(''))
      waiting = []
      waitingBytes = 0
      try {
        if ((await opened()) && size > 0 && size + text.length > fileBytesMax) await putAside()
        await (await opened()).appendFile(text)
        size += text.length
      } catch {
        dropped += lines.length
      }
    }
  }
  return {
    file,
    get dropped() {
      return dropped
    },
    write(line) {
      const isError = Number(line.status ?? 0) >= 500
      if (options.level === 'silent' || (options.level === 'error' && !isError)) return
      const text = `${JSON.stringify({ at: new Date(now()).toISOString(), level: isError ? 'error' : 'info', ...line })}\n`
      if (waitingBytes + text.length > waitingBytesMax) {
        dropped++
        return
      }
      waiting.push(text)
      waitingBytes += text.length
      writing ??= drain().finally(() => {
        writing = undefined
      })
    },
    async close() {
      while (writing !== undefined) await writing
      await handle?.close()
      handle = undefined
    },
  }
}

/** `server.log` becomes `server.log.1`, that becomes `.2`, and the oldest goes. */
async function rotate(file: string, filesMax: number): Promise<void> {
  await rm(`${file}.${filesMax}`, { force: true })
  for (let i = filesMax - 1; i >= 1; i--)
    await rename(`${file}.${i}`, `${file}.${i + 1}`).catch(() => undefined)
  await rename(file, `${file}.1`)
}
