/**
 * The one writer of a SQLite file, in a thread of its own. It takes whatever units wait, runs them in one transaction
 * with a savepoint each, and answers after the commit, which is the fsync. Hot path: no allocation that can be spared.
 */
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'
import type { Statement } from './query.ts'
import type { WorkerFailure } from './sqlite.ts'

const statementsCachedMax = 500
const { file, durability } = workerData as { file: string; durability: 'fsync' | 'process' }
const port = parentPort
if (port === null) throw new Error('the writer runs as a worker thread')

let db: DatabaseSync
try {
  mkdirSync(dirname(file), { recursive: true })
  db = new DatabaseSync(file)
  db.exec(`pragma busy_timeout=5000; pragma journal_mode=wal; pragma synchronous=${durability === 'fsync' ? 'full' : 'normal'};
    pragma cache_size=-16384; pragma foreign_keys=on; pragma journal_size_limit=67108864`)
  port.postMessage({ opened: true })
} catch (error) {
  port.postMessage({ opened: false, why: `${file}: ${(error as Error).message}` })
}

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

port.on('message', (message: (readonly Statement[])[] | 'close') => {
  if (message === 'close') {
    db?.close()
    port.close()
    return
  }
  port.postMessage(group(message))
})

function group(units: readonly (readonly Statement[])[]): (null | WorkerFailure)[] {
  try {
    prepare('begin immediate').run()
    const out = units.map(attempt)
    prepare('commit').run()
    return out
  } catch (error) {
    if (db.isTransaction) db.exec('rollback')
    const failure = failureOf(error, 0, 'commit')
    return units.map(() => failure)
  }
}

function attempt(unit: readonly Statement[]): null | WorkerFailure {
  let at = 0
  prepare('savepoint unit').run()
  try {
    for (; at < unit.length; at++) {
      const { sql, parameters, expect } = unit[at] as Statement
      const { changes } = prepare(sql).run(...parameters)
      if (expect !== undefined && Number(changes) !== expect) throw guardFailed
    }
    prepare('release unit').run()
    return null
  } catch (error) {
    // A full disk may have ended the whole transaction: the group fails then, not this unit alone.
    if (!db.isTransaction) throw error
    prepare('rollback to unit').run()
    prepare('release unit').run()
    return error === guardFailed
      ? { error: 'guard', why: '', at, sql: '' }
      : failureOf(error, at, unit[at]?.sql ?? '')
  }
}

const guardFailed = new Error('guard')

function failureOf(error: unknown, at: number, sql: string): WorkerFailure {
  const { errcode = 0, message } = error as Error & { errcode?: number }
  const primary = errcode & 0xff
  // https://www.sqlite.org/rescode.html: 13 full, 2067 unique, 1555 primary key
  if (primary === 13) return { error: 'full', why: message, at, sql }
  if (errcode === 2067 || errcode === 1555) return { error: 'duplicate', why: message, at, sql }
  return { error: 'failed', why: message, at, sql }
}
