/** The prediction log: gathered in memory, written as Parquet segments. What was not flushed is lost with the process;
 * a prediction's id still leads to its revision. */
import { mkdir, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { newId } from '#base/ids.ts'
import type { Blobs } from '#platform/blobs/index.ts'
import type { Columnar } from '#platform/columnar/index.ts'
import type { Db } from '#platform/db/index.ts'
import type { Logged } from './model.ts'
import type { ServingStore } from './store.ts'

export interface LogDeps {
  readonly db: Db
  readonly blobs: Blobs
  readonly columnar: Columnar
  readonly store: ServingStore
  readonly workDirectory: string
}
const bufferedMax = 5_000
const bufferedLimit = 200_000
const flushEveryMs = 5_000
const columns = `{id: 'VARCHAR', revision: 'BIGINT', role: 'VARCHAR', key: 'VARCHAR', for_day: 'VARCHAR', value: 'DOUBLE', features: 'VARCHAR', at_ms: 'BIGINT'}`

export class PredictionLog {
  readonly #deps: LogDeps
  readonly #buffers = new Map<string, Logged[]>()
  readonly #timer: NodeJS.Timeout
  #flushing: Promise<void> = Promise.resolve()

  constructor(deps: LogDeps) {
    this.#deps = deps
    this.#timer = setInterval(() => void this.flush().catch(() => undefined), flushEveryMs)
    this.#timer.unref()
  }

  append(project: string, endpoint: string, rows: readonly Logged[]): void {
    const name = `${project}/${endpoint}`
    const buffer = this.#buffers.get(name) ?? []
    if (buffer.length === 0) this.#buffers.set(name, buffer)
    // Past the limit (the disk does not take them) the oldest matter least: drop the new ones, the answers go on.
    if (buffer.length < bufferedLimit) buffer.push(...rows)
    if (buffer.length >= bufferedMax) void this.flush().catch(() => undefined)
  }

  flush(): Promise<void> {
    const next = this.#flushing.then(() => this.#write())
    this.#flushing = next.catch(() => undefined)
    return next
  }

  async rows(project: string, endpoint: string, from: string, to: string): Promise<Logged[]> {
    await this.flush()
    const segments = await this.#deps.store.segments(project, endpoint, from, to)
    if (segments.length === 0) return []
    const files = await Promise.all(segments.map((s) => this.#deps.blobs.localPath(s.digest)))
    const sql = 'select * from s where for_day >= $from and for_day <= $to order by at_ms, id'
    const rows = await this.#deps.columnar.query<Logged & { key: string; features: string }>(sql, {
      files: { s: files },
      params: { from, to },
      rowsMax: 2_000_000,
    })
    return rows.map((r) => ({ ...r, key: JSON.parse(r.key), features: JSON.parse(r.features) }))
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.flush()
  }

  async #write(): Promise<void> {
    for (const [name, rows] of this.#buffers) {
      this.#buffers.delete(name)
      try {
        await this.#segment(name, rows)
      } catch (error) {
        this.#buffers.set(name, [...rows, ...(this.#buffers.get(name) ?? [])])
        throw error
      }
    }
  }

  async #segment(name: string, rows: readonly Logged[]): Promise<void> {
    const [project = '', endpoint = ''] = name.split('/')
    const { workDirectory, columnar, blobs, db, store } = this.#deps
    await mkdir(workDirectory, { recursive: true })
    const text = path.join(workDirectory, `${newId()}.jsonl`)
    const target = `${text}.parquet`
    try {
      const lines = rows.map((r) =>
        JSON.stringify({ ...r, key: JSON.stringify(r.key), features: JSON.stringify(r.features) }),
      )
      await writeFile(text, `${lines.join('\n')}\n`)
      const sql = `select * from read_json('${text.replaceAll("'", "''")}', format = 'newline_delimited', columns = ${columns})`
      await columnar.writeParquet(sql, { to: target })
      const { digest } = await blobs.putFile(target)
      const days = rows.map((r) => r.for_day).sort()
      await db.commit([
        store.insertSegment({
          project,
          endpoint,
          id: newId(),
          first_day: days[0] ?? '',
          last_day: days.at(-1) ?? '',
          rows: rows.length,
          digest,
        }),
      ])
    } finally {
      await rm(text, { force: true })
      await rm(target, { force: true })
    }
  }
}
