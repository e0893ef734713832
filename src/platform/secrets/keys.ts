/**
 * The keys that secrets are encrypted with: a file of mode 0600 beside the database, made at the first secret, or
 * HEADRACE_SECRET_KEY. The first is used for what is new, the others open what is older. Read next: seal.ts.
 */
import { randomBytes } from 'node:crypto'
import { open, readFile, rename, rm, stat } from 'node:fs/promises'
import { Fault } from '#base/errors.ts'
import { sha256 } from '#base/digest.ts'

export interface Key {
  /** Says which key, and nothing about it. */
  readonly id: string
  readonly bytes: Buffer
}
export interface Keys {
  /** Newest first; empty where none was made yet. */
  all(): Promise<readonly Key[]>
  /** The key for what is new; made where there is none. */
  current(): Promise<Key>
  /** Puts a new key first, keeping the others. @throws Fault unsupported where the key comes from the environment */
  begin(): Promise<Key>
  /** Forgets all but the first. */
  finish(): Promise<void>
}
export interface KeysOptions {
  readonly file: string
  /** Keys from the environment, newest first, with commas. They win over the file. */
  readonly given: string | undefined
}

export function openKeys({ file, given }: KeysOptions): Keys {
  let known: Promise<readonly Key[]> | undefined
  const all = () => {
    known ??= given === undefined ? keysIn(file) : Promise.resolve(keysOf(given, 'HEADRACE_SECRET_KEY'))
    known.catch(() => {
      known = undefined
    })
    return known
  }
  const keep = async (keys: readonly Key[]) => {
    await writeKeys(file, keys)
    known = Promise.resolve(keys)
  }
  const begin = async () => {
    if (given !== undefined)
      throw new Fault('unsupported', 'secrets.key_given', 'the key comes from HEADRACE_SECRET_KEY', {
        remedy: 'put the new key before the old one, with a comma, start again, then rotate',
      })
    const bytes = randomBytes(32)
    const key = { id: idOf(bytes), bytes }
    await keep([key, ...(await all())])
    return key
  }
  let making: Promise<Key> | undefined
  return {
    all,
    async current() {
      const first = (await all())[0]
      if (first !== undefined) return first
      making ??= begin()
      return making
    },
    begin,
    async finish() {
      if (given === undefined) await keep((await all()).slice(0, 1))
    },
  }
}

const idOf = (bytes: Buffer) => sha256(bytes).slice(0, 12)

function keysOf(text: string, where: string): Key[] {
  return text
    .split(/[,\s]+/)
    .filter((part) => part !== '')
    .map((part) => {
      const bytes = Buffer.from(part, /^[0-9a-f]{64}$/i.test(part) ? 'hex' : 'base64')
      if (bytes.length !== 32)
        throw new Fault('invalid', 'secrets.key_invalid', `a key in ${where} does not have 32 bytes`, {
          remedy: 'make one with: openssl rand -hex 32',
        })
      return { id: idOf(bytes), bytes }
    })
}

async function keysIn(file: string): Promise<Key[]> {
  const found = await stat(file).catch(() => undefined)
  if (found === undefined) return []
  if ((found.mode & 0o077) !== 0)
    throw new Fault('precondition_failed', 'secrets.key_open', `others may read ${file}`, {
      remedy: `chmod 600 ${file}, and rotate: headrace admin secret rotate`,
    })
  return keysOf(await readFile(file, 'utf8'), file)
}

/** Whole or not at all: a temporary file, fsync, rename. */
async function writeKeys(file: string, keys: readonly Key[]): Promise<void> {
  const next = `${file}.new`
  await rm(next, { force: true })
  const handle = await open(next, 'wx', 0o600)
  try {
    await handle.writeFile(keys.map((k) => `${k.bytes.toString('hex')}\n`).join(''))
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(next, file)
}
