/**
 * Verbs of datasets: commit, poll, judge, read. A version is immutable; its number is guarded by a unique key, its id is
 * the digest of its content. Read next: rules.ts (identity), files.ts (bytes).
 */
import { glob, stat } from 'node:fs/promises'
import path from 'node:path'
import type { Caller } from '#base/caller.ts'
import type { Clock } from '#base/clock.ts'
import { Fault, isFault } from '#base/errors.ts'
import { checkName } from '#base/ids.ts'
import { decodePageToken, encodePageToken } from '#base/page.ts'
import type { BlobRef, Blobs } from '#platform/blobs/index.ts'
import type { Columnar } from '#platform/columnar/index.ts'
import type { Db, Statement } from '#platform/db/index.ts'
import type { Definitions } from '#platform/definitions/index.ts'
import type { Events } from '#platform/events/index.ts'
import { compareVersions, type VersionDiff } from './compare.ts'
import { versionCommitted, versionJudged } from './events.ts'
import { type FileDeps, type KnownFile, learn, takeIn, withoutRows } from './files.ts'
import {
  type DatasetVersion,
  datasetsBlock,
  type ProducedBy,
  type Quarantined,
  sourcesBlock,
  type Verdict,
  type VersionFile,
  type VersionRef,
} from './model.ts'
import { filesAfter, manifestOf, versionLife } from './rules.ts'
import { type Verified, verifyVersions } from './verify.ts'
import { type DatasetsStore, datasetsStore, type VersionRow } from './store.ts'

export interface DatasetsDeps {
  readonly db: Db
  readonly events: Events
  readonly blobs: Blobs
  readonly columnar: Columnar
  readonly definitions: Definitions
  readonly clockOf: (project: string) => Promise<Clock>
  readonly workDirectory: string
}
export interface CommitVersion {
  readonly dataset: string
  /** Local files or stored blobs, by their path in the version. */
  readonly files: readonly { readonly path: string; readonly source: string | BlobRef }[]
  readonly mode: 'append' | 'replace'
  readonly parents?: readonly { dataset: string; version: number; id: string }[]
  readonly producedBy: ProducedBy
  readonly message?: string
}
export interface Committed {
  readonly version: DatasetVersion
  /** False where the content is that of the latest version. */
  readonly created: boolean
}
type Ref = { readonly dataset: string; readonly version: VersionRef }

const commitAttemptsMax = 5
const verifyPage = 500

export function openDatasets(deps: DatasetsDeps) {
  const store = datasetsStore(deps.db)
  const files: FileDeps = { ...deps, store }
  const house = { ...deps, store, files }
  return {
    commitVersion: (command: CommitVersion, caller: Caller) => commitVersion(house, command, caller),
    pollSource: (command: { source: string }, caller: Caller) => pollSource(house, command, caller),
    versionOf: (command: Ref, caller: Caller) => versionOf(house, command, caller),
    listVersions: (command: { dataset: string; limit?: number; pageToken?: string }, caller: Caller) =>
      listVersions(house, command, caller),
    listDatasets: (_: object, caller: Caller) => listDatasets(house, caller),
    acceptedFiles: (command: Ref, caller: Caller) => acceptedFiles(house, command, caller),
    setVerdict: (command: SetVerdict, caller: Caller) => setVerdict(house, command, caller),
    verdictOf: (command: Ref, caller: Caller) => verdictOf(house, command, caller),
    diffVersions: async (
      command: { dataset: string; from: VersionRef; to: VersionRef },
      caller: Caller,
    ): Promise<VersionDiff> => {
      const [from, to] = await Promise.all([
        versionOf(house, { dataset: command.dataset, version: command.from }, caller),
        versionOf(house, { dataset: command.dataset, version: command.to }, caller),
      ])
      return compareVersions(files, from, to)
    },
    /** Reads every byte of a version, of a dataset, or of all of the project. */
    verify: (
      command: { dataset?: string | undefined; version?: VersionRef | undefined },
      caller: Caller,
    ): Promise<Verified> =>
      verifyVersions({ blobs: deps.blobs, versions: () => versionsToVerify(house, command, caller) }),
    async rowsOf(
      command: Ref & { limit: number },
      caller: Caller,
    ): Promise<{ rows: Record<string, unknown>[] }> {
      const version = await versionOf(house, command, caller)
      const paths = await Promise.all(version.files.map((f) => deps.blobs.localPath(f.digest)))
      if (paths.length === 0) return { rows: [] }
      return {
        rows: await deps.columnar.query(`select * from v limit ${command.limit}`, { files: { v: paths } }),
      }
    },
  }
}
export type Datasets = ReturnType<typeof openDatasets>
type House = DatasetsDeps & { store: DatasetsStore; files: FileDeps }

async function commitVersion(house: House, command: CommitVersion, caller: Caller): Promise<Committed> {
  checkName('dataset', command.dataset)
  const known = await Promise.all(command.files.map((f) => stored(house, f)))
  const given = await learn(house.files, known)
  for (let attempt = 1; ; attempt++) {
    try {
      return await commitOnce(house, command, given, caller)
    } catch (error) {
      // Another writer took the number: look again at what is now the latest.
      if (attempt >= commitAttemptsMax || !isFault(error, 'db.duplicate')) throw error
    }
  }
}

const stored = async (house: House, file: { path: string; source: string | BlobRef }) =>
  typeof file.source === 'string'
    ? takeIn(house.files, file.path, file.source)
    : { path: file.path, ref: file.source }

async function commitOnce(
  house: House,
  command: CommitVersion,
  given: readonly KnownFile[],
  caller: Caller,
): Promise<Committed> {
  const before = await house.store.version(caller.project, command.dataset, 'latest')
  const earlier = before === undefined ? [] : await manifestFiles(house, before)
  const after = filesAfter(earlier, given, command.mode)
  const schema =
    given[0]?.schema ?? (before === undefined ? [] : (await readManifest(house, before.id)).schema)
  const manifest = await house.blobs.put(manifestOf(after, schema))
  if (before !== undefined && before.id === manifest.digest)
    return { version: await versionFrom(house, before), created: false }
  const definition = (await house.definitions.blockOf(caller.project, datasetsBlock))?.[command.dataset]
  const row: VersionRow = {
    project: caller.project,
    dataset: command.dataset,
    version: (before?.version ?? 0) + 1,
    id: manifest.digest,
    rows: after.reduce((sum, f) => sum + f.rows, 0),
    bytes: after.reduce((sum, f) => sum + f.size, 0),
    files: after.length,
    key: JSON.stringify(definition?.key ?? []),
    time: definition?.time ?? null,
    parents: JSON.stringify(command.parents ?? []),
    produced_by: JSON.stringify(command.producedBy),
    message: command.message ?? '',
    created_at: (await house.clockOf(caller.project)).now(),
    created_by: caller.actor.name,
    state: (definition?.checks?.length ?? 0) > 0 ? 'unjudged' : 'accepted',
    verdict: null,
  }
  const names = new Set(earlier.map((f) => `${f.path} ${f.digest}`))
  const added = after.filter((f) => !names.has(`${f.path} ${f.digest}`)).map((f) => f.path)
  await house.db.commit([house.store.insertVersion(row), committedFact(house, caller, row, added)])
  return { version: await versionFrom(house, row), created: true }
}

const committedFact = (house: House, caller: Caller, row: VersionRow, added: string[]): Statement =>
  house.events.record(caller, {
    type: versionCommitted,
    subject: `dataset:${row.dataset}@v${row.version}`,
    payload: {
      dataset: row.dataset,
      version: row.version,
      id: row.id,
      rows: row.rows,
      bytes: row.bytes,
      added: added.slice(0, 100),
      state: row.state,
    },
    atMs: row.created_at,
  })

/** Files at a source's path that are new or changed become part of the datasets that come from it. */
async function pollSource(
  house: House,
  { source }: { source: string },
  caller: Caller,
): Promise<{ committed: Committed[] }> {
  const applied = await house.definitions.applied(caller.project)
  const definition = (await house.definitions.blockOf(caller.project, sourcesBlock))?.[source]
  if (applied === undefined || definition === undefined) throw noSuch('source', source)
  const datasets = (await house.definitions.blockOf(caller.project, datasetsBlock)) ?? {}
  const fed = Object.entries(datasets)
    .filter(([, d]) => d.from === source)
    .map(([name]) => name)
  const seen = new Map((await house.store.sourceFiles(caller.project, source)).map((f) => [f.path, f]))
  const fresh: { path: string; ref: BlobRef; mark: Statement }[] = []
  for (const name of await filesAt(applied.root, definition.path)) {
    const { size, mtimeMs } = await stat(path.join(applied.root, name))
    const modified_at = Math.trunc(mtimeMs)
    const before = seen.get(name)
    if (before !== undefined && before.size === size && before.modified_at === modified_at) continue
    const taken = await takeIn(house.files, path.posix.basename(name), path.join(applied.root, name))
    const mark = house.store.upsertSourceFile({
      project: caller.project,
      source,
      path: name,
      size,
      modified_at,
      digest: taken.ref.digest,
    })
    fresh.push({ ...taken, mark })
  }
  if (fresh.length === 0) return { committed: [] }
  const committed: Committed[] = []
  for (const dataset of fed) {
    const given = fresh.map((f) => ({ path: f.path, source: f.ref }))
    const message = fresh.length === 1 ? `${fresh[0]?.path}` : `${fresh.length} files`
    committed.push(
      await commitVersion(
        house,
        { dataset, files: given, mode: 'append', producedBy: { kind: 'source', source }, message },
        caller,
      ),
    )
  }
  // Marked last: after a crash in between, the files are looked at again and change nothing.
  await house.db.commit(fresh.map((f) => f.mark))
  return { committed }
}

async function filesAt(root: string, pattern: string): Promise<string[]> {
  const names: string[] = []
  for await (const name of glob(pattern, { cwd: root })) names.push(name.split(path.sep).join('/'))
  return names.sort()
}

async function versionOf(house: House, { dataset, version }: Ref, caller: Caller): Promise<DatasetVersion> {
  const row = await house.store.version(caller.project, dataset, version)
  if (row === undefined) throw noSuch('dataset version', `${dataset}@${version}`)
  return versionFrom(house, row)
}

async function listVersions(
  house: House,
  command: { dataset: string; limit?: number; pageToken?: string },
  caller: Caller,
) {
  const below =
    command.pageToken === undefined ? Number.MAX_SAFE_INTEGER : Number(decodePageToken(command.pageToken)[0])
  const limit = command.limit ?? 100
  const rows = await house.store.versions(caller.project, command.dataset, below, limit)
  const last = rows.at(-1)
  const versions = rows.map((row) => ({ ...plainVersion(row), fileCount: row.files }))
  return last !== undefined && rows.length === limit
    ? { versions, next: encodePageToken([last.version]) }
    : { versions }
}

async function* versionsToVerify(
  house: House,
  { dataset, version }: { dataset?: string | undefined; version?: VersionRef | undefined },
  caller: Caller,
): AsyncGenerator<VersionRow> {
  if (dataset !== undefined && version !== undefined) {
    const row = await house.store.version(caller.project, dataset, version)
    if (row === undefined) throw noSuch('dataset version', `${dataset}@${version}`)
    yield row
    return
  }
  const names = await house.store.names(caller.project)
  if (dataset !== undefined && !names.includes(dataset)) throw noSuch('dataset', dataset)
  for (const name of dataset === undefined ? names : [dataset]) {
    for (let below = Number.MAX_SAFE_INTEGER; ; ) {
      const rows = await house.store.versions(caller.project, name, below, verifyPage)
      yield* rows
      const last = rows.at(-1)
      if (last === undefined || rows.length < verifyPage) break
      below = last.version
    }
  }
}

async function listDatasets(house: House, caller: Caller) {
  const defined = Object.keys((await house.definitions.blockOf(caller.project, datasetsBlock)) ?? {})
  const names = [...new Set([...defined, ...(await house.store.names(caller.project))])]
  const datasets = await Promise.all(
    names.map(async (dataset) => {
      const row = await house.store.version(caller.project, dataset, 'latest')
      return row === undefined
        ? { dataset }
        : { dataset, latest: { ...plainVersion(row), fileCount: row.files } }
    }),
  )
  return { datasets }
}

/** Local Parquet files of a version's accepted rows. @throws Fault precondition_failed while it has no good verdict */
async function acceptedFiles(
  house: House,
  ref: Ref,
  caller: Caller,
): Promise<{ version: DatasetVersion; paths: string[] }> {
  const row = await house.store.version(caller.project, ref.dataset, ref.version)
  if (row === undefined) throw noSuch('dataset version', `${ref.dataset}@${ref.version}`)
  if (row.state !== 'accepted') {
    throw new Fault(
      'precondition_failed',
      'datasets.not_accepted',
      `${ref.dataset}@v${row.version} is ${row.state}`,
      {
        remedy: `see headrace data check ${ref.dataset}@${row.version}`,
      },
    )
  }
  const version = await versionFrom(house, row)
  const verdict = row.verdict === null ? undefined : await readVerdict(house, row.verdict)
  const rowsOut = new Map((verdict?.quarantine ?? []).map((q) => [q.fileDigest, q.rows]))
  const paths: string[] = []
  for (const file of version.files)
    paths.push(await withoutRows(house.files, file.digest, rowsOut.get(file.digest) ?? []))
  return { version, paths }
}

export interface SetVerdict {
  readonly dataset: string
  readonly version: number
  readonly passed: boolean
  readonly report: unknown
  readonly quarantine: readonly Quarantined[]
}

async function setVerdict(house: House, command: SetVerdict, caller: Caller): Promise<DatasetVersion> {
  const row = await house.store.version(caller.project, command.dataset, command.version)
  if (row === undefined) throw noSuch('dataset version', `${command.dataset}@${command.version}`)
  const to = versionLife.next(row.state, command.passed ? 'accept' : 'refuse')
  const { passed, report, quarantine } = command
  const { digest } = await house.blobs.put(JSON.stringify({ passed, report, quarantine }))
  const payload = {
    dataset: row.dataset,
    version: row.version,
    passed,
    quarantined: quarantine.reduce((n, q) => n + q.rows.length, 0),
  }
  const atMs = (await house.clockOf(caller.project)).now()
  const subject = `dataset:${row.dataset}@v${row.version}`
  await house.db.commit([
    house.store.judge(caller.project, row.dataset, row.version, row.state, to, digest),
    house.events.record(caller, { type: versionJudged, subject, payload, atMs }),
  ])
  return versionFrom(house, { ...row, state: to, verdict: digest })
}

async function verdictOf(house: House, ref: Ref, caller: Caller): Promise<Verdict | undefined> {
  const row = await house.store.version(caller.project, ref.dataset, ref.version)
  if (row === undefined) throw noSuch('dataset version', `${ref.dataset}@${ref.version}`)
  return row.verdict === null ? undefined : readVerdict(house, row.verdict)
}

const readVerdict = async (house: House, digest: string): Promise<Verdict> =>
  JSON.parse((await house.blobs.bytes(digest)).toString('utf8'))
const readManifest = async (
  house: House,
  id: string,
): Promise<{ files: VersionFile[]; schema: DatasetVersion['schema'] }> =>
  JSON.parse((await house.blobs.bytes(id)).toString('utf8'))
const manifestFiles = async (house: House, row: VersionRow) => (await readManifest(house, row.id)).files

const versionFrom = async (house: House, row: VersionRow): Promise<DatasetVersion> => ({
  ...plainVersion(row),
  ...(await readManifest(house, row.id)),
})

const plainVersion = (row: VersionRow) => ({
  project: row.project,
  dataset: row.dataset,
  version: row.version,
  id: row.id,
  rows: row.rows,
  bytes: row.bytes,
  key: JSON.parse(row.key) as string[],
  ...(row.time === null ? {} : { time: row.time }),
  parents: JSON.parse(row.parents) as DatasetVersion['parents'],
  producedBy: JSON.parse(row.produced_by) as ProducedBy,
  message: row.message,
  createdAt: row.created_at,
  createdBy: row.created_by,
  state: row.state,
})

const noSuch = (noun: string, name: string) =>
  new Fault('not_found', `datasets.${noun.replaceAll(' ', '_')}_not_found`, `there is no ${noun} ${name}`, {
    remedy: 'list them with: headrace data ls',
  })
