/** Reads every byte that versions name and says which are no longer what they were. Each blob is read once. */
import { type Fault, isFault } from '#base/errors.ts'
import type { Blobs } from '#platform/blobs/index.ts'
import type { DatasetVersion } from './model.ts'
import type { VersionRow } from './store.ts'

export interface VerifyDeps {
  readonly blobs: Blobs
  readonly versions: () => AsyncIterable<VersionRow>
}
export interface Broken {
  readonly digest: string
  readonly problem: 'corrupt' | 'missing'
  readonly sentence: string
  /** The versions that hold these bytes, and under which path; `.manifest` is the list of the files itself. */
  readonly usedBy: { dataset: string; version: number; path: string }[]
}
export interface Verified {
  readonly versions: number
  readonly blobs: number
  readonly bytes: number
  readonly broken: Broken[]
}

export async function verifyVersions({ blobs, versions }: VerifyDeps): Promise<Verified> {
  const seen = new Map<string, Broken | undefined>()
  const total = { versions: 0, bytes: 0 }
  const check = async (digest: string, used: Broken['usedBy'][number]): Promise<boolean> => {
    if (!seen.has(digest)) seen.set(digest, await readThrough(blobs, digest, (size) => (total.bytes += size)))
    const broken = seen.get(digest)
    broken?.usedBy.push(used)
    return broken === undefined
  }
  for await (const { id, dataset, version } of versions()) {
    total.versions++
    if (!(await check(id, { dataset, version, path: '.manifest' }))) continue
    const { files }: Pick<DatasetVersion, 'files'> = JSON.parse((await blobs.bytes(id)).toString('utf8'))
    for (const file of files) await check(file.digest, { dataset, version, path: file.path })
  }
  return { ...total, blobs: seen.size, broken: [...seen.values()].filter((one) => one !== undefined) }
}

/** The store verifies as it reads: what does not come to its end is broken. */
async function readThrough(
  blobs: Blobs,
  digest: string,
  count: (size: number) => void,
): Promise<Broken | undefined> {
  try {
    for await (const part of await blobs.open(digest)) count((part as Buffer).length)
    return undefined
  } catch (error) {
    const isMissing = isFault(error, 'blobs.not_found') || (error as NodeJS.ErrnoException).code === 'ENOENT'
    if (!isMissing && !isFault(error, 'blobs.corrupt')) throw error
    const sentence = isMissing ? `the bytes of ${digest} are gone` : (error as Fault).message
    return { digest, problem: isMissing ? 'missing' : 'corrupt', sentence, usedBy: [] }
  }
}
