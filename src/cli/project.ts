/** The project in a directory: its file, its code as a tree, its commit; and applying it to a server. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { canonicalJson } from '#base/digest.ts'
import { type Client, CliError } from './client.ts'

const ignored = new Set(['.git', '.headrace', 'data', 'node_modules', '__pycache__', '.venv', 'venv'])
const filesMax = 5_000

const definitionFiles = ['headrace.yaml', 'headrace.yml', 'headrace.config.ts'] as const

/** The one file that says what the project is. @throws CliError 2 where there is none, or more than one */
async function findFile(directory: string): Promise<string> {
  const candidates = definitionFiles.map((name) => path.join(directory, name))
  const there = await Promise.all(candidates.map((file) => stat(file).catch(() => undefined)))
  const [file, another] = candidates.filter((_, i) => there[i] !== undefined)
  if (file !== undefined && another !== undefined)
    throw new CliError(
      2,
      `${directory} has both ${path.basename(file)} and ${path.basename(another)}`,
      'keep one of them: a project has one definition',
    )
  if (file !== undefined) return file
  throw new CliError(
    2,
    `there is no headrace.yaml in ${directory}`,
    'go to the project, or make one: headrace init',
  )
}

/** The definition of a project as text; that of a typed twin is the JSON which it evaluates to. */
export async function readDefinition(directory: string): Promise<{ file: string; text: string }> {
  const file = await findFile(directory)
  const text = file.endsWith('.ts')
    ? await (await import('./twin.ts')).evaluateTwin(file)
    : await readFile(file, 'utf8')
  return { file: path.basename(file), text }
}

const projectName = /(?:^|[{,])\s*project:\s*(?:\{\s*name:\s*|\n\s+name:\s*)?["'`]?([a-z0-9][\w.-]*)/m

/** `project: NAME` by a look at the text: the CLI needs the name before anything is parsed or evaluated. */
export async function projectNameIn(directory: string): Promise<string | undefined> {
  for (const name of definitionFiles) {
    const text = await readFile(path.join(directory, name), 'utf8').catch(() => '')
    const found = projectName.exec(text)?.[1]
    if (found !== undefined) return found
  }
  return undefined
}

/** Uploads what the server has not, and applies the file. */
export async function applyProject(
  client: Client,
  directory: string,
  options: { plan?: boolean; codeFrom?: string } = {},
) {
  const { file, text } = await readDefinition(directory)
  if (options.plan) return client.call('POST', '/api/v1/plan', { text, file })
  const files = []
  for (const name of await walk(directory, '')) {
    const bytes = await readFile(path.join(directory, name))
    const { mode } = await stat(path.join(directory, name))
    const digest = createHash('sha256').update(bytes).digest('hex')
    files.push({ path: name, digest, size: bytes.length, ...((mode & 0o100) === 0 ? {} : { mode: 0o755 }) })
    await uploadMissing(client, digest, bytes)
  }
  files.sort((a, b) => (a.path < b.path ? -1 : 1))
  const manifest = Buffer.from(canonicalJson(files))
  const tree = createHash('sha256').update(manifest).digest('hex')
  await uploadMissing(client, tree, manifest)
  const code = { tree, ...(await commitOf(options.codeFrom ?? directory)) }
  return client.call('POST', '/api/v1/apply', {
    text,
    file,
    root: path.resolve(directory),
    code,
  })
}

async function uploadMissing(client: Client, digest: string, bytes: Uint8Array): Promise<void> {
  const found = await client.bytes(`/api/v1/blobs/${digest}`).catch((error: CliError) => {
    if (error.exitCode === 5) return undefined
    throw error
  })
  await found?.body?.cancel()
  if (found === undefined) await client.upload(`/api/v1/blobs/${digest}`, bytes)
}

async function walk(root: string, below: string): Promise<string[]> {
  const found: string[] = []
  for (const entry of await readdir(path.join(root, below), { withFileTypes: true })) {
    if (ignored.has(entry.name)) continue
    const name = below === '' ? entry.name : `${below}/${entry.name}`
    if (entry.isDirectory()) found.push(...(await walk(root, name)))
    else if (entry.isFile()) found.push(name)
    if (found.length > filesMax)
      throw new CliError(
        2,
        `there are more than ${filesMax} files in ${root}`,
        'keep data in `data/`, which is left out',
      )
  }
  return found
}

async function commitOf(directory: string): Promise<{ commit?: string; dirty: boolean }> {
  const git = async (...args: string[]) =>
    (await promisify(execFile)('git', args, { cwd: directory })).stdout.trim()
  try {
    const commit = await git('rev-parse', 'HEAD')
    return { commit, dirty: (await git('status', '--porcelain', '--', '.')) !== '' }
  } catch {
    // Not a repository, or no git: the tree's digest says what the code was.
    return { dirty: false }
  }
}
