/** A directory as a canonical manifest of digests: what code, models and outputs of steps are kept as. */
import { chmod, mkdir, readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { canonicalJson, type Sha256 } from '#base/digest.ts'
import { Fault } from '#base/errors.ts'
import { mapBounded } from '#base/map-bounded.ts'
import type { Blobs } from './files.ts'

export interface TreeFile {
  /** Relative, with `/`; never leaves the tree. */
  readonly path: string
  readonly digest: Sha256
  readonly size: number
  /** 0o755 where the file may be executed. */
  readonly mode?: number
}
export interface Tree {
  /** Digest of the manifest's blob. */
  readonly digest: Sha256
  readonly files: readonly TreeFile[]
}

const filesMax = 20_000
const filesAtOnce = 8

/** Stores every file below a directory and the manifest. Links are refused: they would lead out. */
export async function putTree(
  blobs: Blobs,
  directory: string,
  ignore: (relative: string) => boolean = () => false,
): Promise<Tree> {
  const names = await walk(directory, '', ignore)
  const files = await mapBounded(names, filesAtOnce, async (name): Promise<TreeFile> => {
    const file = path.join(directory, name)
    const { mode } = await stat(file)
    const ref = await blobs.putFile(file)
    return {
      path: name,
      digest: ref.digest,
      size: ref.size,
      ...((mode & 0o100) === 0 ? {} : { mode: 0o755 }),
    }
  })
  return putTreeFiles(blobs, files)
}

/** Stores the manifest of files whose bytes are stored already. */
export async function putTreeFiles(blobs: Blobs, files: readonly TreeFile[]): Promise<Tree> {
  const sorted = [...files].sort((a, b) => (a.path < b.path ? -1 : 1))
  for (const file of sorted) checkPath(file.path)
  const { digest } = await blobs.put(canonicalJson(sorted))
  return { digest, files: sorted }
}

export async function readTree(blobs: Blobs, digest: Sha256): Promise<Tree> {
  const files: unknown = JSON.parse((await blobs.bytes(digest)).toString('utf8'))
  if (!Array.isArray(files))
    throw new Fault('invalid', 'blobs.not_a_tree', `${digest} is not a tree of files`)
  for (const file of files as TreeFile[]) checkPath(file.path)
  return { digest, files: files as TreeFile[] }
}

/** Writes the files of a tree below a directory. */
export async function checkoutTree(blobs: Blobs, of: Sha256 | Tree, directory: string): Promise<Tree> {
  const tree = typeof of === 'string' ? await readTree(blobs, of) : of
  await mkdir(directory, { recursive: true })
  await mapBounded(tree.files, filesAtOnce, async (file) => {
    const to = path.join(directory, file.path)
    if (file.path.includes('/')) await mkdir(path.dirname(to), { recursive: true })
    await blobs.checkout(file.digest, to)
    await chmod(to, file.mode ?? 0o644)
  })
  return tree
}

async function walk(
  directory: string,
  below: string,
  ignore: (relative: string) => boolean,
): Promise<string[]> {
  const found: string[] = []
  for (const entry of await readdir(path.join(directory, below), { withFileTypes: true })) {
    const name = below === '' ? entry.name : `${below}/${entry.name}`
    if (ignore(name)) continue
    if (entry.isSymbolicLink()) throw linkRefused(name)
    if (entry.isDirectory()) found.push(...(await walk(directory, name, ignore)))
    if (entry.isFile()) found.push(name)
  }
  if (found.length <= filesMax) return found
  throw new Fault(
    'too_large',
    'blobs.too_many_files',
    `there are more than ${filesMax} files in ${directory}`,
  )
}

const linkRefused = (name: string) =>
  new Fault('invalid', 'blobs.link_refused', `${name} is a symbolic link`, {
    remedy: 'put the file itself there',
  })

function checkPath(name: unknown): void {
  const isInside =
    typeof name === 'string' &&
    name !== '' &&
    !path.posix.isAbsolute(name) &&
    !name.includes('\\') &&
    !name.split('/').includes('..')
  if (!isInside)
    throw new Fault('invalid', 'blobs.path_refused', `the path ${JSON.stringify(name)} would leave the tree`)
}
