/**
 * The threads of a SQLite file. Starting them needs none of the query builder, so that a server starts them first and
 * they open the file while the rest still loads (measured: 0.2 s of 0.9 s to the first answer).
 */
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Worker } from 'node:worker_threads'
import { startThread } from '#base/thread.ts'

export interface SqliteThreads {
  readonly file: string
  readonly writer: Worker
  readonly reader: Worker
  readonly opened: Promise<{ readonly opened: boolean; readonly why?: string }>
}

export function startSqliteThreads(file: string, durability: 'fsync' | 'process'): SqliteThreads {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  const writer = startThread(new URL('./writer.worker.ts', import.meta.url), {
    workerData: { file, durability },
  })
  const opened = new Promise<{ opened: boolean; why?: string }>((resolve) => {
    writer.once('message', resolve)
    writer.once('error', (error) => resolve({ opened: false, why: error.message }))
  })
  const reader = startReader(file)
  reader.unref()
  // Until it has opened the writer keeps the process alive: nothing else may be under way yet.
  void opened.then(() => writer.unref())
  return { file, writer, reader, opened }
}

export function startReader(file: string): Worker {
  const reader = startThread(new URL('./reader.worker.ts', import.meta.url), { workerData: { file } })
  // A reader that cannot open says so with its first question.
  reader.on('error', () => undefined)
  return reader
}
