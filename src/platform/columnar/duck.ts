/**
 * DuckDB behind a narrow face. The engine works on threads of its own; each call has a connection and sees its files as
 * views. No network, no extensions from outside, memory-limited, UTC. Loaded with the first question.
 */
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import type { DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { Fault } from '#base/errors.ts'

export interface QueryOptions {
  /** View name → the Parquet, CSV or JSON-lines files behind it, by ending; `.parquet` is assumed where there is none. */
  readonly files?: Readonly<Record<string, string | readonly string[]>>
  /** `$name` parameters. */
  readonly params?: Readonly<Record<string, string | number | boolean | null>>
  readonly signal?: AbortSignal
  readonly rowsMax?: number
  /**
   * CSV columns are truth values, whole numbers, numbers or text, decided over the whole file; never dates. Empty cells and
   * the usual words for nothing (`NA`, `NaN`, `null`) are null. What data people's own tools read.
   */
  readonly plainCsv?: boolean
  /** Adds `filename` and `file_row_number` (0-based) to Parquet views. */
  readonly provenance?: boolean
}
export interface Column {
  readonly name: string
  /** DuckDB's name of the type: BIGINT, DOUBLE, VARCHAR, TIMESTAMP, DATE … */
  readonly type: string
}
export interface Columnar {
  /** Rows safe for JSON: numbers, strings, booleans, null; dates `YYYY-MM-DD`, timestamps ISO in UTC. */
  query<R>(sql: string, options?: QueryOptions): Promise<R[]>
  /** The numbers of a query of one column of DOUBLE without nulls, a chunk at a time: millions of them. */
  numbers(sql: string, options?: QueryOptions): Promise<Float64Array>
  /** Writes the rows of a query as Parquet; the same rows in the same order give the same bytes. */
  writeParquet(sql: string, options: QueryOptions & { readonly to: string }): Promise<{ rows: number }>
  schemaOf(files: string | readonly string[], options?: Pick<QueryOptions, 'plainCsv'>): Promise<Column[]>
  close(): Promise<void>
}
export interface ColumnarOptions {
  /** Everything that questions may read or write lies below these directories. */
  readonly directories: readonly string[]
  readonly temporary: string
  readonly memoryMb?: number
  readonly threads?: number
}

const rowsMaxDefault = 100_000
const idleMs = 10_000
const viewPattern = /^[a-z_][a-z0-9_]*$/i

export function openColumnar(options: ColumnarOptions): Columnar {
  return new Duck(options)
}

class Duck implements Columnar {
  readonly #options: ColumnarOptions
  #instance: Promise<DuckDBInstance> | undefined
  #connections = 0
  #idle: NodeJS.Timeout | undefined

  constructor(options: ColumnarOptions) {
    this.#options = options
  }

  query<R>(sql: string, options: QueryOptions = {}): Promise<R[]> {
    return this.#with(options, async (connection) => {
      const reader = await connection.runAndReadUntil(
        sql,
        (options.rowsMax ?? rowsMaxDefault) + 1,
        params(options),
      )
      const rows = reader.getRowObjectsJS() as Record<string, unknown>[]
      if (rows.length > (options.rowsMax ?? rowsMaxDefault)) {
        throw new Fault(
          'too_large',
          'columnar.too_many_rows',
          `the answer has more than ${options.rowsMax ?? rowsMaxDefault} rows`,
        )
      }
      const types = reader.columnNames().map((name, i) => [name, reader.columnType(i).toString()] as const)
      const dates = new Set(types.filter(([, type]) => type === 'DATE').map(([name]) => name))
      return rows.map((row) => plainRow(row, dates) as R)
    })
  }

  writeParquet(sql: string, options: QueryOptions & { readonly to: string }): Promise<{ rows: number }> {
    return this.#with(options, async (connection) => {
      const copy = `copy (${sql}) to ${quoted(options.to)} (format parquet, compression zstd, row_group_size 122880)`
      const reader = await connection.runAndReadAll(copy, params(options))
      return { rows: Number(reader.getRows()[0]?.[0] ?? 0) }
    })
  }

  numbers(sql: string, options: QueryOptions = {}): Promise<Float64Array> {
    return this.#with(options, async (connection) => {
      const result = await connection.stream(sql, params(options))
      const chunks: Float64Array[] = []
      let total = 0
      for (;;) {
        const chunk = await result.fetchChunk()
        if (chunk === null || chunk.rowCount === 0) break
        const { items } = chunk.getColumnVector(0) as unknown as { items: Float64Array }
        chunks.push(items)
        total += items.length
      }
      const all = new Float64Array(total)
      let at = 0
      for (const chunk of chunks) {
        all.set(chunk, at)
        at += chunk.length
      }
      return all
    })
  }

  async schemaOf(
    files: string | readonly string[],
    options: Pick<QueryOptions, 'plainCsv'> = {},
  ): Promise<Column[]> {
    const rows = await this.query<{ column_name: string; column_type: string }>(
      'describe select * from probe',
      { ...options, files: { probe: files } },
    )
    return rows.map((row) => ({ name: row.column_name, type: row.column_type }))
  }

  async close(): Promise<void> {
    clearTimeout(this.#idle)
    // Taken at once: a question that comes while it closes opens another.
    const instance = this.#instance
    this.#instance = undefined
    ;(await instance?.catch(() => undefined))?.closeSync()
  }

  async #with<T>(options: QueryOptions, work: (connection: DuckDBConnection) => Promise<T>): Promise<T> {
    options.signal?.throwIfAborted()
    clearTimeout(this.#idle)
    this.#instance ??= open(this.#options)
    this.#connections++
    const connection = await this.#instance
      .then((instance) => instance.connect())
      .catch((error) => {
        this.#connections--
        throw error
      })
    const interrupt = () => connection.interrupt()
    options.signal?.addEventListener('abort', interrupt, { once: true })
    try {
      for (const [view, files] of Object.entries(options.files ?? {}))
        await connection.run(viewSql(view, files, options))
      return await work(connection)
    } catch (error) {
      options.signal?.throwIfAborted()
      throw faultOf(error)
    } finally {
      options.signal?.removeEventListener('abort', interrupt)
      connection.closeSync()
      if (--this.#connections === 0) this.#idle = setTimeout(() => void this.#rest(), idleMs).unref()
    }
  }

  /** An engine that nobody asks keeps its buffers: some 60 MB after a night's work. It opens again in 30 ms. */
  async #rest(): Promise<void> {
    if (this.#connections === 0) await this.close()
  }
}

const params = ({ params: given }: QueryOptions) => (given === undefined ? undefined : { ...given })

async function open(options: ColumnarOptions): Promise<DuckDBInstance> {
  const { DuckDBInstance } = await import('@duckdb/node-api')
  await mkdir(options.temporary, { recursive: true })
  const instance = await DuckDBInstance.create(':memory:', {
    threads: String(options.threads ?? 2),
    memory_limit: `${options.memoryMb ?? 1_024}MB`,
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    temp_directory: options.temporary,
  })
  const connection = await instance.connect()
  const allowed = [...options.directories, options.temporary].map((d) => quoted(path.join(d, path.sep)))
  // The order matters: once external access is off, neither list can be changed again.
  await connection.run(`set allowed_directories = [${allowed.join(', ')}]`)
  await connection.run(`set preserve_insertion_order = true`)
  await connection.run(`set enable_external_access = false`)
  await connection.run(`set lock_configuration = true`)
  connection.closeSync()
  return instance
}

const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`
/** What stands for nothing in a CSV. */
const nothing = ['', 'NA', 'N/A', 'n/a', '<NA>', '#N/A', 'NaN', 'nan', '-nan', '-NaN', 'null', 'NULL', 'None']
const plainCsv = `, header = true, auto_type_candidates = ['BOOLEAN', 'BIGINT', 'DOUBLE', 'VARCHAR'], sample_size = -1, nullstr = [${nothing.map((t) => quoted(t)).join(', ')}]`

function viewSql(view: string, files: string | readonly string[], options: QueryOptions): string {
  if (!viewPattern.test(view))
    throw new Fault('invalid', 'columnar.view_name', `\`${view}\` cannot name a view`)
  const list = typeof files === 'string' ? [files] : files
  const first = list[0] ?? ''
  const names = `[${list.map(quoted).join(', ')}]`
  if (/\.csv(\.gz)?$/.test(first))
    return `create temp view ${view} as select * from read_csv(${names}${options.plainCsv === true ? plainCsv : ''})`
  if (/\.(jsonl|ndjson)$/.test(first))
    return `create temp view ${view} as select * from read_json(${names}, format='newline_delimited')`
  return `create temp view ${view} as select * from read_parquet(${names}, union_by_name = true${options.provenance === true ? ', filename = true, file_row_number = true' : ''})`
}

const plainRow = (row: Record<string, unknown>, dates: ReadonlySet<string>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plain(value, dates.has(name))]))

function plain(value: unknown, isDate: boolean): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
  if (value instanceof Date) return isDate ? value.toISOString().slice(0, 10) : value.toISOString()
  if (Array.isArray(value)) return value.map((v) => plain(v, isDate))
  if (value !== null && typeof value === 'object' && Object.getPrototypeOf(value) === Object.prototype) {
    return plainRow(value as Record<string, unknown>, new Set())
  }
  return value ?? null
}

function faultOf(error: unknown): unknown {
  if (error instanceof Fault) return error
  const message = ((error as Error).message ?? String(error)).split('\n')[0] ?? ''
  if (/Permission Error|disabled by configuration/.test(message)) {
    return new Fault(
      'forbidden',
      'columnar.outside',
      'the question reaches for a file or address that it was not given',
    )
  }
  if (/Out of Memory/.test(message)) {
    return new Fault(
      'unavailable',
      'columnar.out_of_memory',
      'the question needs more memory than it may use',
      { remedy: 'ask for fewer rows or columns' },
    )
  }
  return new Fault('invalid', 'columnar.failed', message.slice(0, 500))
}
