/** Two versions side by side: files, schema, and per column what became of its nulls and its mean. */
import { z } from 'zod'
import type { FileDeps } from './files.ts'
import type { DatasetVersion } from './model.ts'

const ColumnChange = z.object({
  column: z.string(),
  type: z.string(),
  nullShare: z.tuple([z.number().nullable(), z.number().nullable()]),
  mean: z.tuple([z.number().nullable(), z.number().nullable()]),
})
export const VersionDiff = z.object({
  dataset: z.string(),
  from: z.number(),
  to: z.number(),
  rows: z.tuple([z.number(), z.number()]),
  bytes: z.tuple([z.number(), z.number()]),
  files: z.object({ added: z.array(z.string()), removed: z.array(z.string()), changed: z.array(z.string()) }),
  schema: z.object({
    added: z.array(z.string()),
    removed: z.array(z.string()),
    changed: z.array(z.string()),
  }),
  keys: z.object({ added: z.number(), removed: z.number(), same: z.number() }).optional(),
  columns: z.array(ColumnChange),
})
export type VersionDiff = z.output<typeof VersionDiff>

const numeric = /^(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT|U\w+|FLOAT|DOUBLE|DECIMAL.*)$/
const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`

export async function compareVersions(
  deps: FileDeps,
  from: DatasetVersion,
  to: DatasetVersion,
): Promise<VersionDiff> {
  const [before, after] = await Promise.all([statistics(deps, from), statistics(deps, to)])
  const named = (v: DatasetVersion) => new Map(v.files.map((f) => [f.path, f.digest]))
  const typed = (v: DatasetVersion) => new Map(v.schema.map((c) => [c.name, c.type]))
  const keys =
    to.key.length > 0 && to.key.join() === from.key.join() ? { keys: await compareKeys(deps, from, to) } : {}
  return {
    dataset: to.dataset,
    from: from.version,
    to: to.version,
    rows: [from.rows, to.rows],
    bytes: [from.bytes, to.bytes],
    files: differing(named(from), named(to)),
    schema: differing(typed(from), typed(to)),
    ...keys,
    columns: to.schema.map(({ name, type }) => ({
      column: name,
      type,
      nullShare: [before.get(name)?.nulls ?? null, after.get(name)?.nulls ?? null],
      mean: [before.get(name)?.mean ?? null, after.get(name)?.mean ?? null],
    })),
  }
}

function differing(a: Map<string, string>, b: Map<string, string>) {
  return {
    added: [...b.keys()].filter((k) => !a.has(k)),
    removed: [...a.keys()].filter((k) => !b.has(k)),
    changed: [...b.keys()].filter((k) => a.has(k) && a.get(k) !== b.get(k)),
  }
}

async function statistics(
  deps: FileDeps,
  version: DatasetVersion,
): Promise<Map<string, { nulls: number | null; mean: number | null }>> {
  if (version.files.length === 0 || version.schema.length === 0) return new Map()
  const paths = await Promise.all(version.files.map((f) => deps.blobs.localPath(f.digest)))
  const parts = version.schema.flatMap(({ name, type }, i) => [
    `avg(case when ${quoted(name)} is null then 1.0 else 0.0 end) as n${i}`,
    numeric.test(type) ? `avg(${quoted(name)})::double as m${i}` : `null as m${i}`,
  ])
  const [row] = await deps.columnar.query<Record<string, number | null>>(
    `select ${parts.join(', ')} from v`,
    { files: { v: paths } },
  )
  return new Map(
    version.schema.map(({ name }, i) => [
      name,
      { nulls: row?.[`n${i}`] ?? null, mean: row?.[`m${i}`] ?? null },
    ]),
  )
}

async function compareKeys(deps: FileDeps, from: DatasetVersion, to: DatasetVersion) {
  const [a, b] = await Promise.all(
    [from, to].map((v) => Promise.all(v.files.map((f) => deps.blobs.localPath(f.digest)))),
  )
  const key = to.key.map(quoted).join(', ')
  const sql = `with a1 as (select distinct ${key} from a), b1 as (select distinct ${key} from b)
    select (select count(*) from (select * from b1 except select * from a1)) as added,
           (select count(*) from (select * from a1 except select * from b1)) as removed,
           (select count(*) from (select * from a1 intersect select * from b1)) as same`
  const [row] = await deps.columnar.query<{ added: number; removed: number; same: number }>(sql, {
    files: { a: a ?? [], b: b ?? [] },
  })
  return row ?? { added: 0, removed: 0, same: 0 }
}
