/** Nouns of datasets: sources, datasets, versions. Schemas are types, validation and documentation at once. */
import { z } from 'zod'
import { defineBlock, duration, type Objection, parseReference } from '#platform/definitions/index.ts'

const Name = z.string().regex(/^[a-z0-9][a-z0-9_.-]{0,127}$/i, 'a name has letters, digits, `-`, `_` and `.`')

export const SourceDefinition = z.strictObject({
  kind: z.enum(['files']),
  path: z
    .string()
    .refine(
      (p) => !p.startsWith('/') && !p.split('/').includes('..'),
      'the path is relative to the project and stays inside',
    ),
  poll: duration().optional(),
})
export const sourcesBlock = defineBlock({
  name: 'sources',
  summary: 'Where data comes from, by name',
  schema: z.record(Name, SourceDefinition),
})

export const DatasetDefinition = z.strictObject({
  /** A source, or `step:pipeline/step.output`; nothing where versions are uploaded. */
  from: z.string().optional(),
  description: z.string().optional(),
  key: z.array(z.string()).min(1).optional(),
  time: z.string().optional(),
  version: z.enum(['on-change']).optional(),
  keep: z.strictObject({ versions: z.int().min(1).optional(), for: duration().optional() }).optional(),
  /** Rules in the words of validation, which parses them. */
  checks: z.array(z.record(z.string(), z.unknown())).optional(),
  on_fail: z.enum(['quarantine', 'block', 'warn']).optional(),
})
export type DatasetDefinition = z.output<typeof DatasetDefinition>

export const datasetsBlock = defineBlock({
  name: 'datasets',
  summary: 'Versioned data, by name; each has one writer',
  schema: z.record(Name, DatasetDefinition),
  objections(block, whole) {
    const sources = Object.keys((whole.sources as object | undefined) ?? {})
    return Object.entries(block).flatMap(([name, dataset]): Objection[] => {
      if (dataset.from === undefined || parseReference(dataset.from)?.kind === 'step') return []
      if (sources.includes(dataset.from)) return []
      const fix = `name a source (${sources.join(', ') || 'there is none'}) or step:pipeline/step.output`
      return [{ path: ['datasets', name, 'from'], message: `there is no source \`${dataset.from}\``, fix }]
    })
  },
})

export const Column = z.object({ name: z.string(), type: z.string() })
export const VersionFile = z.object({
  path: z.string(),
  digest: z.string(),
  size: z.number(),
  rows: z.number(),
})
export type VersionFile = z.output<typeof VersionFile>
export const Parent = z.object({ dataset: z.string(), version: z.number(), id: z.string() })
export const ProducedBy = z.object({
  kind: z.enum(['source', 'step', 'features', 'upload']),
  source: z.string().optional(),
  pipelineRunId: z.string().optional(),
  step: z.string().optional(),
  runId: z.string().optional(),
})
export type ProducedBy = z.output<typeof ProducedBy>
export const versionStates = ['unjudged', 'accepted', 'refused'] as const
export type VersionState = (typeof versionStates)[number]

export const DatasetVersion = z
  .object({
    project: z.string(),
    dataset: z.string(),
    version: z.number(),
    /** SHA-256 of the canonical manifest: the same bytes have the same id anywhere. */
    id: z.string(),
    rows: z.number(),
    bytes: z.number(),
    schema: z.array(Column),
    files: z.array(VersionFile),
    key: z.array(z.string()),
    time: z.string().optional(),
    parents: z.array(Parent),
    producedBy: ProducedBy,
    message: z.string(),
    createdAt: z.number(),
    createdBy: z.string(),
    state: z.enum(versionStates),
  })
  .meta({ id: 'DatasetVersion' })
export type DatasetVersion = z.output<typeof DatasetVersion>

export const VersionRef = z.union([z.int().min(1), z.enum(['latest', 'accepted'])])
export type VersionRef = z.output<typeof VersionRef>

export interface Quarantined {
  readonly fileDigest: string
  /** Row numbers in the file, from 0. */
  readonly rows: readonly number[]
  /** One reason a row, same order. */
  readonly reasons: readonly string[]
}
export const Verdict = z.object({
  passed: z.boolean(),
  report: z.unknown(),
  quarantine: z.array(
    z.object({ fileDigest: z.string(), rows: z.array(z.number()), reasons: z.array(z.string()) }),
  ),
})
export type Verdict = z.output<typeof Verdict>
