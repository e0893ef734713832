/** Verbs of objects: data, model, admin. */
import { createWriteStream } from 'node:fs'
import { cp, mkdir, readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type Client, CliError } from './client.ts'
import type { Context } from './index.ts'
import { isFileWord, suiteCheck } from './offline.ts'
import { versionRef } from './runs.ts'
import type { Verb } from './verbs.ts'

const needed = (context: Context, at: number, what: string): string => {
  const value = context.args[at]
  if (value !== undefined) return value
  throw new CliError(2, `${what} is missing`)
}
/** NAME, NAME@3, NAME@v3, NAME@accepted. */
function dataRef(text: string, otherwise: string): { name: string; version: string } {
  const [name = '', version = otherwise] = text.split('@')
  return { name, version: version.replace(/^v(?=\d)/, '') }
}
interface Version {
  dataset: string
  version: number
  id: string
  rows: number
  bytes: number
  state: string
  message: string
}
const versionLine = (v: Version) =>
  `${`${v.dataset}@v${v.version}`.padEnd(24)} ${String(v.rows).padStart(9)} rows  ${v.state.padEnd(9)} ${v.id.slice(0, 12)}  ${v.message}`

async function dataLs(context: Context): Promise<number> {
  const client = await context.client()
  const name = context.args[0]
  if (name !== undefined) {
    const { versions } = await client.call('GET', `/api/v1/datasets/${dataRef(name, 'latest').name}/versions`)
    context.print({ versions }, versions.map(versionLine))
    return 0
  }
  const { datasets } = await client.call('GET', '/api/v1/datasets')
  context.print(
    { datasets },
    datasets.map((d: { dataset: string; latest?: Version }) =>
      d.latest === undefined ? `${d.dataset}  no version yet` : versionLine(d.latest),
    ),
  )
  return 0
}

/** The files of a version in a directory of this machine. */
async function dataFiles(context: Context, target: string): Promise<string[]> {
  const client = await context.client()
  const { name, version } = dataRef(needed(context, 0, 'NAME[@v]'), 'latest')
  const found = await client.call('GET', `/api/v1/datasets/${name}/versions/${version}`)
  return download(client, found.files, target)
}

async function dataGet(context: Context): Promise<number> {
  const client = await context.client()
  const { name, version } = dataRef(needed(context, 0, 'NAME[@v]'), 'latest')
  const found = await client.call('GET', `/api/v1/datasets/${name}/versions/${version}`)
  const target = path.resolve((context.flags.out as string | undefined) ?? `${name}-v${found.version}`)
  await download(client, found.files, target)
  context.print({ directory: target, files: found.files }, [
    `${found.files.length} files of ${name}@v${found.version} in ${target}`,
  ])
  return 0
}

async function download(
  client: Client,
  files: readonly { path: string; digest: string }[],
  target: string,
): Promise<string[]> {
  const written: string[] = []
  for (const file of files) {
    const to = path.join(target, file.path)
    if (!to.startsWith(target + path.sep))
      throw new CliError(1, `${file.path} would be written outside ${target}`)
    await mkdir(path.dirname(to), { recursive: true })
    const reply = await client.bytes(`/api/v1/blobs/${file.digest}`)
    await pipeline(
      Readable.fromWeb(reply.body as Parameters<typeof Readable.fromWeb>[0]),
      createWriteStream(to),
    )
    written.push(to)
  }
  return written
}

interface Broken {
  readonly sentence: string
  readonly usedBy: readonly { dataset: string; version: number; path: string }[]
}
/** Exit code 1 where a byte is not what it was. */
async function dataVerify(context: Context): Promise<number> {
  const named = context.args[0] === undefined ? undefined : dataRef(context.args[0], '')
  const found = await (await context.client()).call('POST', '/api/v1/data/verify', {
    ...(named === undefined ? {} : { dataset: named.name }),
    ...(named === undefined || named.version === '' ? {} : { version: named.version }),
  })
  const broken: Broken[] = found.broken
  context.print(found, [
    ...broken.flatMap((one) => [
      one.sentence,
      ...one.usedBy.map((used) => `  used by ${used.dataset}@v${used.version} ${used.path}`),
    ]),
    `${found.versions} versions, ${found.blobs} blobs, ${found.bytes} bytes: ${broken.length === 0 ? 'all as they were' : `${broken.length} broken`}`,
  ])
  return broken.length === 0 ? 0 : 1
}

async function dataDiff(context: Context): Promise<number> {
  const from = dataRef(needed(context, 0, 'NAME@FROM'), 'latest')
  const to = dataRef(context.args[1] ?? 'latest', 'latest')
  const toVersion = context.args[1]?.startsWith('@') ? context.args[1].slice(1).replace(/^v/, '') : to.version
  const diff = await (await context.client()).call(
    'GET',
    `/api/v1/datasets/${from.name}/diff?from=${from.version}&to=${toVersion}`,
  )
  const shown = (n: number | null) => (n === null ? '–' : Number(n.toPrecision(4)))
  context.print(diff, [
    `rows ${diff.rows[0]} → ${diff.rows[1]}   bytes ${diff.bytes[0]} → ${diff.bytes[1]}   files +${diff.files.added.length} -${diff.files.removed.length} ~${diff.files.changed.length}`,
    ...diff.columns.map(
      (c: {
        column: string
        mean: [number | null, number | null]
        nullShare: [number | null, number | null]
      }) =>
        `  ${c.column.padEnd(24)} mean ${shown(c.mean[0])} → ${shown(c.mean[1])}   null ${shown(c.nullShare[0])} → ${shown(c.nullShare[1])}`,
    ),
  ])
  return 0
}

async function dataCheck(context: Context): Promise<number> {
  const { name, version } = dataRef(needed(context, 0, 'NAME[@v]'), 'latest')
  const report = await (await context.client()).call(
    'POST',
    `/api/v1/datasets/${name}/versions/${version}/check`,
  )
  context.print(report, [
    `${name}@v${report.version}: ${report.summary}`,
    ...report.checks.map(
      (c: { passed: boolean; rule: string; sentence: string }) =>
        `  ${c.passed ? 'ok  ' : 'FAIL'} ${c.rule.padEnd(11)} ${c.sentence}`,
    ),
  ])
  return report.passed ? 0 : 3
}

async function modelLs(context: Context): Promise<number> {
  const { models } = await (await context.client()).call('GET', '/api/v1/models')
  context.print(
    { models },
    models.map(
      (m: { name: string; versions: number; champion?: number }) =>
        `${m.name.padEnd(20)} ${m.versions} versions  ${m.champion === undefined ? 'no champion' : `champion @${m.champion}`}`,
    ),
  )
  return 0
}

async function modelShow(context: Context): Promise<number> {
  const client = await context.client()
  const text = needed(context, 0, 'NAME[@v]')
  if (text.includes('@')) {
    const { name, version } = versionRef(text)
    const found = await client.call('GET', `/api/v1/models/${name}/versions/${version}`)
    context.print(found, [
      `${name}@${version} ${found.kind} ${found.state} ${found.aliases.join(' ')}`,
      ...found.gates.map(
        (g: { passed: boolean; name: string; sentence: string }) =>
          `  ${g.passed ? 'ok  ' : 'NO  '} ${g.name.padEnd(16)} ${g.sentence}`,
      ),
    ])
    return 0
  }
  const found = await client.call('GET', `/api/v1/models/${text}`)
  const line = (v: { version: number; state: string; kind: string; aliases: string[]; createdAt: number }) =>
    `${`${text}@${v.version}`.padEnd(14)} ${v.state.padEnd(10)} ${v.kind.padEnd(30)} ${new Date(v.createdAt).toISOString().slice(0, 10)}  ${v.aliases.join(' ')}`
  context.print(found, found.versions.map(line))
  return 0
}

async function modelGate(context: Context): Promise<number> {
  const { name, version } = versionRef(needed(context, 0, 'NAME@v'))
  const found = await (await context.client()).call('POST', `/api/v1/models/${name}/versions/${version}/gate`)
  context.print(
    found,
    found.gates.map(
      (g: { passed: boolean; name: string; sentence: string }) =>
        `${g.passed ? 'ok  ' : 'NO  '} ${g.name.padEnd(16)} ${g.sentence}`,
    ),
  )
  return found.passed ? 0 : 3
}

async function modelPromote(context: Context): Promise<number> {
  const { name, version } = versionRef(needed(context, 0, 'NAME@v'))
  const alias = (context.flags.alias as string | undefined) ?? 'champion'
  const found = await (await context.client()).call(
    'POST',
    `/api/v1/models/${name}/versions/${version}/promote`,
    { alias },
  )
  context.print(found, [`${alias} of ${name} is version ${version}`])
  return 0
}

const vote = (verdict: 'approve' | 'reject') => async (context: Context) => {
  const client = await context.client()
  const text = needed(context, 0, 'NAME@v or the id of a review')
  const { reviews } = await client.call('GET', '/api/v1/reviews?state=open')
  const review = reviews.find(
    (r: { id: string; subject: string }) => r.id === text || r.subject === `model:${text.replace('@v', '@')}`,
  )
  if (review === undefined) throw new CliError(5, `no open review is about ${text}`, 'headrace status')
  const found = await client.call('POST', `/api/v1/reviews/${review.id}/${verdict}`, {
    comment: (context.flags.comment as string | undefined) ?? '',
  })
  context.print(found, [`${found.subject}: ${found.state}`])
  return 0
}

async function auditVerify(context: Context): Promise<number> {
  const found = await (await context.client()).call('GET', '/api/v1/audit/verify')
  context.print(found, [
    found.intact
      ? `intact: ${found.verified} rows verified, ${found.unsealed} not sealed yet`
      : `BROKEN: ${found.problem}`,
  ])
  return found.intact ? 0 : 1
}

async function tokenCreate(context: Context): Promise<number> {
  const body = {
    actor: needed(context, 0, 'the name of the actor'),
    grants: ((context.flags.can as string | undefined) ?? '*:read').split(','),
    days: Number(context.flags.days ?? 90),
  }
  const found = await (await context.client()).call('POST', '/api/v1/tokens', body)
  context.print(found, [found.token, `shown once; ends ${new Date(found.expiresAt).toISOString()}`])
  return 0
}

async function tokenLs(context: Context): Promise<number> {
  const { tokens } = await (await context.client()).call('GET', '/api/v1/tokens')
  context.print(
    { tokens },
    tokens.map(
      (t: { id: string; actor: string; grants: string[]; expiresAt: number; revokedAt?: number }) =>
        `${t.id}  ${t.actor}  ${t.grants.join(',')}  ${t.revokedAt === undefined ? `until ${new Date(t.expiresAt).toISOString().slice(0, 10)}` : 'revoked'}`,
    ),
  )
  return 0
}

async function backupTo(context: Context): Promise<number> {
  const found = await (await context.client()).call('POST', '/api/v1/admin/backup', {
    to: path.resolve(needed(context, 0, 'the folder of the backup')),
  })
  context.print(found, [`${found.files} blobs, ${found.bytes} bytes, and the database`])
  return 0
}

/** Into an empty data directory, with no server on it; each blob is checked by its digest as it is copied. */
async function restoreFrom(context: Context): Promise<number> {
  const from = path.resolve(needed(context, 0, 'the folder of the backup'))
  const to = path.resolve((context.flags['data-dir'] as string | undefined) ?? '.headrace')
  const about = await readFile(path.join(from, 'backup.json'), 'utf8').catch(() => undefined)
  if (about === undefined) throw new CliError(2, `${from} is not a whole backup: it has no backup.json`)
  if (await stat(path.join(to, 'headrace.db')).catch(() => undefined))
    throw new CliError(6, `${to} holds data already`, 'restore into a new --data-dir')
  const { openFileBlobs } = await import('#platform/blobs/index.ts')
  const { readdir } = await import('node:fs/promises')
  await mkdir(to, { recursive: true })
  const blobs = await openFileBlobs({ directory: path.join(to, 'blobs') })
  let files = 0
  for (const folder of await readdir(path.join(from, 'blobs')).catch(() => [])) {
    for (const digest of await readdir(path.join(from, 'blobs', folder))) {
      const stored = await blobs.putFile(path.join(from, 'blobs', folder, digest))
      if (stored.digest !== digest)
        throw new CliError(1, `the backup's blob ${digest} is damaged`, 'take another backup')
      files++
    }
  }
  await cp(path.join(from, 'headrace.db'), path.join(to, 'headrace.db'))
  context.print({ files, dataDirectory: to }, [
    `${files} blobs verified and restored to ${to}`,
    `next: headrace server --data-dir ${to}`,
  ])
  return 0
}

const text = { type: 'string' } as const
export const objectVerbs: Verb[] = [
  { name: 'data ls', usage: '[NAME]', summary: 'Datasets, or versions of one', run: dataLs },
  {
    name: 'data get',
    usage: 'NAME[@v] [--out DIR]',
    summary: 'Exactly the bytes of a version',
    options: { out: text },
    run: dataGet,
  },
  {
    name: 'data verify',
    usage: '[NAME[@v]]',
    summary: 'Read every byte, and name what is no longer what it was',
    run: dataVerify,
  },
  { name: 'data diff', usage: 'NAME@FROM @TO', summary: 'Two versions side by side', run: dataDiff },
  {
    name: 'data check',
    usage: 'NAME[@v]|PATH [--suite SUITE.json]',
    summary: 'Hold a version against its checks, or any data against a suite of Great Expectations',
    options: { suite: text, 'result-format': text },
    run: (context) =>
      context.flags.suite === undefined && !isFileWord(context.args[0])
        ? dataCheck(context)
        : suiteCheck(context, dataFiles),
  },
  { name: 'model ls', usage: '', summary: 'Models and their champions', run: modelLs },
  { name: 'model show', usage: 'NAME[@v]', summary: 'Versions of a model, or gates of one', run: modelShow },
  { name: 'model gate', usage: 'NAME@v', summary: 'Hold a version against its gates', run: modelGate },
  {
    name: 'reproduce',
    usage: 'MODEL@v',
    summary: 'Rebuild a model from its lock, bytes and code; say whether it is the same',
    run: async (context) => (await import('./reproduce.ts')).reproduce(context),
  },
  {
    name: 'model promote',
    usage: 'NAME@v [--alias A]',
    summary: 'Point an alias at a version',
    options: { alias: text },
    run: modelPromote,
  },
  {
    name: 'model approve',
    usage: 'NAME@v [--comment TEXT]',
    summary: 'Approve what waits',
    options: { comment: text },
    run: vote('approve'),
  },
  {
    name: 'model reject',
    usage: 'NAME@v [--comment TEXT]',
    summary: 'Reject what waits',
    options: { comment: text },
    run: vote('reject'),
  },
  {
    name: 'admin audit verify',
    usage: '',
    summary: 'Recompute the chain over the audit log',
    run: auditVerify,
  },
  {
    name: 'admin token create',
    usage: 'ACTOR --can model:read,… [--days N]',
    summary: 'Make a token',
    options: { can: text, days: text },
    run: tokenCreate,
  },
  { name: 'admin token ls', usage: '', summary: 'Tokens, without their secrets', run: tokenLs },
  { name: 'admin backup', usage: 'DIR', summary: 'Back up while serving', run: backupTo },
  {
    name: 'admin restore',
    usage: 'DIR [--data-dir D]',
    summary: 'Restore into a new data directory',
    options: { 'data-dir': text },
    run: restoreFrom,
  },
]
