/** The native API of datasets as data. */
import { z } from 'zod'
import { Fault } from '#base/errors.ts'
import type { Blobs } from '#platform/blobs/index.ts'
import { endpoint, type Route, rawRoute } from '#platform/http/index.ts'
import { VersionDiff } from './compare.ts'
import { DatasetVersion, Verdict, VersionFile, VersionRef } from './model.ts'
import type { Datasets } from './operations.ts'

const ref = z.union([z.enum(['latest', 'accepted']), z.coerce.number().int().min(1)]).pipe(VersionRef)
const Ref = z.strictObject({ dataset: z.string(), version: ref })
const Summary = DatasetVersion.omit({ files: true, schema: true }).extend({ fileCount: z.number() })
const Committed = z.object({ version: DatasetVersion, created: z.boolean() })
const rowsMax = 1_000

export const datasetsEndpoints = (datasets: Datasets, blobs: Blobs): Route[] => [
  endpoint({
    id: 'datasets.list',
    method: 'GET',
    path: '/api/v1/datasets',
    summary: 'Datasets with their latest versions',
    permission: 'dataset:read',
    input: z.strictObject({}),
    output: z.object({ datasets: z.array(z.object({ dataset: z.string(), latest: Summary.optional() })) }),
    run: datasets.listDatasets,
  }),
  endpoint({
    id: 'datasets.listVersions',
    method: 'GET',
    path: '/api/v1/datasets/:dataset/versions',
    summary: 'Versions of a dataset, newest first',
    permission: 'dataset:read',
    input: z.strictObject({
      dataset: z.string(),
      limit: z.coerce.number().int().min(1).max(1_000).default(100),
      pageToken: z.string().optional(),
    }),
    output: z.object({ versions: z.array(Summary), next: z.string().optional() }),
    run: ({ dataset, limit, pageToken }, caller) =>
      datasets.listVersions(
        pageToken === undefined ? { dataset, limit } : { dataset, limit, pageToken },
        caller,
      ),
  }),
  endpoint({
    id: 'datasets.getVersion',
    method: 'GET',
    path: '/api/v1/datasets/:dataset/versions/:version',
    summary: 'One version with its files and schema; `latest` and `accepted` are versions too',
    permission: 'dataset:read',
    input: Ref,
    output: DatasetVersion,
    run: datasets.versionOf,
  }),
  endpoint({
    id: 'datasets.verify',
    method: 'POST',
    path: '/api/v1/data/verify',
    summary: 'Read every byte of a version, a dataset or the project, and name what is broken',
    permission: 'dataset:read',
    input: z.strictObject({ dataset: z.string().optional(), version: ref.optional() }),
    output: z.object({
      versions: z.number(),
      blobs: z.number(),
      bytes: z.number(),
      broken: z.array(
        z.object({
          digest: z.string(),
          problem: z.enum(['corrupt', 'missing']),
          sentence: z.string(),
          usedBy: z.array(z.object({ dataset: z.string(), version: z.number(), path: z.string() })),
        }),
      ),
    }),
    run: datasets.verify,
  }),
  endpoint({
    id: 'datasets.commitVersion',
    method: 'POST',
    path: '/api/v1/datasets/:dataset/versions',
    summary: 'A new version from stored blobs',
    permission: 'dataset:write',
    status: 201,
    input: z.strictObject({
      dataset: z.string(),
      files: z
        .array(VersionFile.pick({ path: true, digest: true }))
        .min(1)
        .max(10_000),
      mode: z.enum(['append', 'replace']).default('append'),
      message: z.string().max(2_000).default(''),
    }),
    output: Committed,
    async run({ files, ...command }, caller) {
      const given = await Promise.all(
        files.map(async (f) => ({ path: f.path, source: await storedBlob(blobs, f.digest) })),
      )
      return datasets.commitVersion({ ...command, files: given, producedBy: { kind: 'upload' } }, caller)
    },
  }),
  endpoint({
    id: 'datasets.rows',
    method: 'GET',
    path: '/api/v1/datasets/:dataset/versions/:version/rows',
    summary: 'The first rows of a version',
    permission: 'dataset:read',
    input: Ref.extend({ limit: z.coerce.number().int().min(1).max(rowsMax).default(100) }),
    output: z.object({ rows: z.array(z.record(z.string(), z.unknown())) }),
    run: datasets.rowsOf,
  }),
  endpoint({
    id: 'datasets.verdict',
    method: 'GET',
    path: '/api/v1/datasets/:dataset/versions/:version/verdict',
    summary: 'What the checks said about a version, and which rows they keep out',
    permission: 'dataset:read',
    input: Ref,
    output: Verdict,
    async run(command, caller) {
      const verdict = await datasets.verdictOf(command, caller)
      if (verdict !== undefined) return verdict
      throw new Fault(
        'not_found',
        'datasets.not_judged',
        `${command.dataset}@${command.version} has no verdict`,
        {
          remedy: `headrace data check ${command.dataset}@${command.version}`,
        },
      )
    },
  }),
  endpoint({
    id: 'datasets.diff',
    method: 'GET',
    path: '/api/v1/datasets/:dataset/diff',
    summary: 'Two versions side by side',
    permission: 'dataset:read',
    input: z.strictObject({ dataset: z.string(), from: ref, to: ref }),
    output: VersionDiff,
    run: datasets.diffVersions,
  }),
  endpoint({
    id: 'datasets.pollSource',
    method: 'POST',
    path: '/api/v1/sources/:source/poll',
    summary: 'Look for new files at a source now',
    permission: 'dataset:write',
    input: z.strictObject({ source: z.string() }),
    output: z.object({ committed: z.array(Committed) }),
    run: datasets.pollSource,
  }),
  rawRoute({
    id: 'datasets.file',
    method: 'GET',
    path: '/api/v1/datasets/:dataset/versions/:version/files/*',
    summary: 'The bytes of one file of a version',
    permission: 'dataset:read',
    async handle(request, reply, caller) {
      const { dataset, version, '*': name } = request.params as Record<string, string>
      const found = await datasets.versionOf(Ref.parse({ dataset, version }), caller)
      const file = found.files.find((f) => f.path === name)
      if (file === undefined)
        throw new Fault(
          'not_found',
          'datasets.file_not_found',
          `${dataset}@v${found.version} has no file ${name}`,
        )
      reply
        .header('content-type', 'application/octet-stream')
        .header('etag', `"${file.digest}"`)
        .header('content-length', file.size)
      return blobs.open(file.digest)
    },
  }),
]

async function storedBlob(blobs: Blobs, digest: string) {
  const found = await blobs.stat(digest)
  if (found !== undefined) return { digest, size: found.size }
  throw new Fault('invalid', 'datasets.blob_missing', `the bytes of ${digest} are not stored`, {
    remedy: `send them first: PUT /api/v1/blobs/${digest}`,
  })
}
