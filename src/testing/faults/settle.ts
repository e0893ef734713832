/** After a kill on the fault layer: puts back every byte that was never fsynced, newest first. Read next: undo.c. */
import { readdirSync } from 'node:fs'
import { open, readFile, rm, stat } from 'node:fs/promises'
import path from 'node:path'

const headerBytes = 56
interface Undo {
  readonly kind: 'W' | 'T'
  readonly sequence: number
  readonly offset: number
  readonly oldSize: number
  readonly bytes: Buffer
}

/** How many writes were taken back. @param root folder that was watched */
export async function settle(root: string, journal: string): Promise<number> {
  const open = unsettled(await readFile(journal).catch(() => Buffer.alloc(0)))
  await rm(journal, { force: true })
  let undone = 0
  for (const file of filesBelow(root)) {
    const { dev, ino } = await stat(file)
    const undos = open.get(`${dev}:${ino}`) ?? []
    if (undos.length > 0) await takeBack(file, undos)
    undone += undos.length
  }
  return undone
}

/** Per inode what was written and not settled, oldest first. */
function unsettled(journal: Buffer): Map<string, Undo[]> {
  const found = new Map<string, Undo[]>()
  for (let at = 0; at + headerBytes <= journal.length; ) {
    const kind = String.fromCharCode(journal[at] ?? 0)
    const word = (i: number) => Number(journal.readBigUInt64LE(at + 8 + 8 * i))
    const [sequence, dev, inode, offset, length, oldSize] = [0, 1, 2, 3, 4, 5].map(word) as [
      number,
      number,
      number,
      number,
      number,
      number,
    ]
    const key = `${dev}:${inode}`
    if (kind === 'G') found.delete(key)
    else if (kind === 'S')
      found.set(
        key,
        (found.get(key) ?? []).filter((undo) => undo.sequence >= offset),
      )
    else {
      const bytes = journal.subarray(at + headerBytes, at + headerBytes + length)
      found.set(key, [
        ...(found.get(key) ?? []),
        { kind: kind as 'W' | 'T', sequence, offset, oldSize, bytes },
      ])
    }
    at += headerBytes + (kind === 'W' || kind === 'T' ? length : 0)
  }
  return found
}

async function takeBack(file: string, undos: readonly Undo[]): Promise<void> {
  const handle = await open(file, 'r+')
  for (const { offset, oldSize, bytes } of [...undos].reverse()) {
    await handle.truncate(oldSize)
    if (bytes.length > 0) await handle.write(bytes, 0, bytes.length, offset)
  }
  await handle.sync()
  await handle.close()
}

const filesBelow = (root: string): string[] =>
  readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
