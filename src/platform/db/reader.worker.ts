/** A reader of a SQLite file: every question sees one committed snapshot, and nothing here can write. */
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'

const statementsCachedMax = 500
const { file } = workerData as { file: string }
const port = parentPort
if (port === null) throw new Error('a reader runs as a worker thread')

const db = new DatabaseSync(file)
// `vacuum into` writes another file, which query_only would refuse; hence only while it runs.
db.exec('pragma busy_timeout=5000; pragma query_only=on; pragma cache_size=-8192')

const prepared = new Map<string, StatementSync>()
function prepare(sql: string): StatementSync {
  let found = prepared.get(sql)
  if (found === undefined) {
    found = db.prepare(sql)
    if (prepared.size >= statementsCachedMax) prepared.clear()
    prepared.set(sql, found)
  }
  return found
}

port.on(
  'message',
  (message: 'close' | { id: number; sql: string; parameters: (string | number | null)[] }) => {
    if (message === 'close') {
      db.close()
      port.close()
      return
    }
    const { id, sql, parameters } = message
    try {
      if (sql.startsWith('vacuum into')) port.postMessage({ id, rows: copyInto(String(parameters[0])) })
      else port.postMessage({ id, rows: prepare(sql).all(...parameters) })
    } catch (error) {
      port.postMessage({ id, why: (error as Error).message })
    }
  },
)

function copyInto(to: string): unknown[] {
  db.exec('pragma query_only=off')
  try {
    db.prepare('vacuum into ?').run(to)
    return []
  } finally {
    db.exec('pragma query_only=on')
  }
}
