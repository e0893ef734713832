/** A PostgreSQL of our own for tests: from Debian's package, as an unprivileged user, in a temporary folder. */
import { execFile, spawn } from 'node:child_process'
import { chown, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

export interface Postgres {
  /** The address of a new, empty database. */
  freshUrl(): Promise<string>
  stop(): Promise<void>
}

/** Undefined where there is none and none can be installed. */
export async function startPostgres(): Promise<Postgres | undefined> {
  const bin = (await findBin()) ?? (await install().then(findBin, () => undefined))
  if (bin === undefined) return undefined
  const root = await mkdtemp(path.join(tmpdir(), 'headrace-postgres-'))
  const owner = await unprivileged()
  if (owner.uid !== undefined) await chown(root, owner.uid, owner.gid ?? owner.uid)
  const data = path.join(root, 'data')
  await run(
    path.join(bin, 'initdb'),
    ['-D', data, '-U', 'headrace', '--auth=trust', '-E', 'UTF8', '--no-sync'],
    owner,
  )
  const port = 20_000 + Math.floor(Math.random() * 20_000)
  const server = spawn(
    path.join(bin, 'postgres'),
    ['-D', data, '-k', root, '-p', String(port), '-h', '127.0.0.1', '-F'],
    { ...owner, stdio: 'ignore' },
  )
  const psql = (sql: string) =>
    run(path.join(bin, 'psql'), [
      '-h',
      '127.0.0.1',
      '-p',
      String(port),
      '-U',
      'headrace',
      '-d',
      'postgres',
      '-c',
      sql,
    ])
  for (let i = 0; ; i++) {
    try {
      await psql('select 1')
      break
    } catch (error) {
      if (i > 100) throw error
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
  let databases = 0
  return {
    async freshUrl() {
      const name = `test_${++databases}`
      await psql(`create database ${name}`)
      return `postgres://headrace@127.0.0.1:${port}/${name}`
    },
    async stop() {
      const gone = new Promise((resolve) => server.once('exit', resolve))
      server.kill('SIGINT')
      await gone
      await rm(root, { recursive: true, force: true })
    },
  }
}

async function findBin(): Promise<string | undefined> {
  const versions = await readdir('/usr/lib/postgresql').catch(() => [])
  const newest = versions.sort((a, b) => Number(b) - Number(a))[0]
  return newest === undefined ? undefined : `/usr/lib/postgresql/${newest}/bin`
}

async function install(): Promise<void> {
  if (process.getuid?.() !== 0) throw new Error('only root installs packages')
  await run('apt-get', ['install', '-y', '--no-install-recommends', 'postgresql'], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  })
}

/** PostgreSQL refuses to run as root. */
async function unprivileged(): Promise<{ uid?: number; gid?: number }> {
  if (process.getuid?.() !== 0) return {}
  for (const name of ['postgres', 'nobody']) {
    const uid = await run('id', ['-u', name]).catch(() => undefined)
    if (uid === undefined) continue
    return { uid: Number(uid.stdout), gid: Number((await run('id', ['-g', name])).stdout) }
  }
  return {}
}
