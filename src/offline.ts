/** The verbs that need no server, handed to the CLI: files are read by the columnar engine, formulas live in stats. */
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import path from 'node:path'
import { Fault } from '#base/errors.ts'
import { type Columnar, openColumnar } from '#platform/columnar/index.ts'
import type { DriftReport, FairnessReport, SuiteResult } from './cli/index.ts'
import { driftOf } from './app/drift-files.ts'
import { fairnessOf } from './app/fairness-files.ts'

const memoryMb = 2_048
const invalid = (message: string) => new Fault('invalid', 'offline.words', message)
export const tableEndings = /\.(parquet|csv|csv\.gz|jsonl|ndjson)$/

/** Work with an engine that sees the directories of these files and its own, and nothing else. */
async function withEngine<T>(paths: readonly string[], work: (columnar: Columnar) => Promise<T>): Promise<T> {
  for (const file of paths) {
    const found = await stat(file).catch(() => undefined)
    if (found === undefined || !found.isFile()) throw invalid(`there is no file ${file}`)
    if (found.size === 0) throw invalid(`${file} is empty`)
  }
  const temporary = await mkdtemp(path.join(tmpdir(), 'headrace-offline-'))
  const directories = [...new Set(paths.map((file) => path.dirname(file)))]
  const columnar = openColumnar({ directories, temporary, memoryMb, threads: availableParallelism() })
  try {
    return await work(columnar)
  } finally {
    await columnar.close()
    await rm(temporary, { recursive: true, force: true })
  }
}

function tablePath(given: string): string {
  if (!tableEndings.test(given))
    throw invalid(`${given} is no Parquet, CSV or JSON-lines file (.parquet, .csv, .jsonl)`)
  return path.resolve(given)
}

export async function drift(words: {
  reference: string
  current: string
  method?: string
}): Promise<DriftReport> {
  const [reference, current] = [tablePath(words.reference), tablePath(words.current)]
  return withEngine([reference, current], (columnar) =>
    driftOf(columnar, {
      reference,
      current,
      ...(words.method === undefined ? {} : { method: words.method }),
    }),
  )
}

export async function fairness(words: Parameters<typeof fairnessOf>[1]): Promise<FairnessReport> {
  const data = tablePath(words.data)
  return withEngine([data], (columnar) => fairnessOf(columnar, { ...words, data }))
}

export async function suiteCheck(words: {
  paths: readonly string[]
  suite: string
  resultFormat?: string
}): Promise<SuiteResult> {
  const { checkSuite, fileTable, parseJson, readSuite, testTable } = await import(
    './domains/validation/index.ts'
  )
  const read = async <T>(file: string, understand: (document: unknown) => T): Promise<T> => {
    const text = await readFile(file, 'utf8').catch((error: Error) => {
      throw invalid(`${file} cannot be read: ${error.message}`)
    })
    try {
      return understand(parseJson(text))
    } catch (error) {
      throw invalid(`${file}: ${(error as Error).message}`)
    }
  }
  const suite = await read(words.suite, readSuite)
  const paths = words.paths.filter((file) => tableEndings.test(file) || file.endsWith('.json'))
  const [first] = paths
  if (first === undefined) throw invalid('there is no Parquet, CSV, JSON-lines or data set file to check')
  return withEngine(paths, async (columnar) => {
    const isTest = first.endsWith('.json')
    const table = isTest ? await read(first, testTable) : await fileTable(columnar, paths)
    const format = words.resultFormat === undefined ? {} : { resultFormat: words.resultFormat }
    return checkSuite(columnar, table, suite, { now: new Date(), allowSql: true, ...format })
  })
}

export async function addUser(words: {
  dataDir: string
  user: string
  password: string
  role: string | undefined
}): Promise<{ user: string }> {
  return (await import('./app/first-user.ts')).addUser(words)
}
