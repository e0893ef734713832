/** Pure decisions of datasets: what a version's identity is, which files a commit leaves, how a verdict moves a state. */
import { canonicalJson } from '#base/digest.ts'
import { machine } from '#base/machine.ts'
import type { VersionFile, VersionState } from './model.ts'

export const versionLife = machine<VersionState, 'accept' | 'refuse'>('dataset version', {
  unjudged: { accept: 'accepted', refuse: 'refused' },
  accepted: { accept: 'accepted', refuse: 'refused' },
  refused: { accept: 'accepted', refuse: 'refused' },
})

/** The text whose SHA-256 is a version's id: files by path with digest and rows, and the schema. */
export const manifestOf = (
  files: readonly VersionFile[],
  schema: readonly { name: string; type: string }[],
): string =>
  canonicalJson({
    files: files.map(({ path, digest, rows, size }) => ({ path, digest, rows, size })),
    schema,
  })

/** Files after a commit: `append` keeps the others and replaces equal paths; `replace` keeps none. Sorted by path. */
export function filesAfter(
  before: readonly VersionFile[],
  given: readonly VersionFile[],
  mode: 'append' | 'replace',
): VersionFile[] {
  const byPath = new Map((mode === 'append' ? before : []).map((f) => [f.path, f]))
  for (const file of given) byPath.set(file.path, file)
  return [...byPath.values()].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0))
}

/** Digest input of a file's quarantine: the same rows give the same filtered copy. */
export const quarantineText = (rows: readonly number[]): string => [...rows].sort((a, b) => a - b).join(',')
