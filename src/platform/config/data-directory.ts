/** The data directory: its format, and the lock that keeps a second server out. */
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { Fault } from '#base/errors.ts'

const format = 1
export interface DataDirectory {
  readonly path: string
  readonly isNew: boolean
  release(): Promise<void>
}

/** @throws Fault conflict `data.locked`, precondition_failed `data.newer_format` */
export async function openDataDirectory(directory: string): Promise<DataDirectory> {
  const root = path.resolve(directory)
  await mkdir(root, { recursive: true, mode: 0o700 })
  const release = await lock(path.join(root, 'server.lock'))
  try {
    const isNew = await checkFormat(path.join(root, 'format.json'))
    return { path: root, isNew, release }
  } catch (error) {
    await release()
    throw error
  }
}

async function checkFormat(file: string): Promise<boolean> {
  const text = await readFile(file, 'utf8').catch(() => undefined)
  if (text === undefined) {
    await writeDurably(file, `${JSON.stringify({ format })}\n`)
    return true
  }
  const found = formatOf(text)
  if (found === undefined) {
    throw new Fault('precondition_failed', 'data.format_unreadable', `${file} does not say a format`, {
      remedy: `where this is Headrace's directory, write {"format":${format}} to it, or restore a backup`,
    })
  }
  if (found > format) {
    throw new Fault(
      'precondition_failed',
      'data.newer_format',
      `the data directory has format ${found}; this Headrace knows ${format}`,
      {
        remedy: 'start the newer version, or restore a backup of the older one',
      },
    )
  }
  return false
}

function formatOf(text: string): number | undefined {
  try {
    const found = (JSON.parse(text) as { format?: unknown } | null)?.format
    return typeof found === 'number' ? found : undefined
  } catch {
    return undefined
  }
}

/** Whole or not at all, also after a power cut: bytes first, then the name, then the folder that holds the name. */
async function writeDurably(file: string, text: string): Promise<void> {
  const temporary = `${file}.new`
  const handle = await open(temporary, 'w', 0o600)
  await handle.writeFile(text)
  await handle.sync()
  await handle.close()
  await rename(temporary, file)
  const folder = await open(path.dirname(file))
  await folder.sync().finally(() => folder.close())
}

/** The lock names its holder: process id and start, so that the id of a dead server is not taken for a living one. */
async function lock(file: string): Promise<() => Promise<void>> {
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      const handle = await open(file, 'wx')
      await handle.writeFile(JSON.stringify({ pid: process.pid, started: await startOf(process.pid) }))
      await handle.sync()
      await handle.close()
      return () => rm(file, { force: true })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      const holder = await readHolder(file)
      if (holder !== undefined && (await isAlive(holder))) throw locked(file, holder.pid)
      await rm(file, { force: true })
    }
  }
  throw locked(file, 0)
}

interface Holder {
  readonly pid: number
  readonly started: string
}
async function readHolder(file: string): Promise<Holder | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8'))
  } catch {
    return undefined
  }
}

async function isAlive({ pid, started }: Holder): Promise<boolean> {
  try {
    process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
  return pid !== process.pid && (await startOf(pid)) === started
}

/** When a process started, where the system tells (Linux: field 22 of /proc/PID/stat); else an empty text. */
async function startOf(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? ''
}

const locked = (file: string, pid: number) =>
  new Fault('conflict', 'data.locked', `another server (process ${pid}) uses ${path.dirname(file)}`, {
    remedy: 'stop it, or give this one another --data-dir',
  })
