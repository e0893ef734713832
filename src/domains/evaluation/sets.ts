/** Verbs of evaluation sets: records of questions, and what is expected of the answers. Equal inputs are one record. */
import { createHash, randomBytes } from 'node:crypto'
import type { Caller } from '#base/caller.ts'
import { Fault, isFault } from '#base/errors.ts'
import type { Db, Statement } from '#platform/db/index.ts'
import type { Events } from '#platform/events/index.ts'
import { evaluationSetChanged } from './events.ts'
import {
  type BroughtRecord,
  type EvaluationSet,
  type SetRecord,
  type SetSearch,
  userTag,
} from './judging-model.ts'
import { inputsDigest, mergedRecord, widenedFields } from './judging-rules.ts'
import { type RecordRow, type SetRow, setStore } from './judging-store.ts'

export interface EvaluationSetsDeps {
  readonly db: Db
  readonly events: Pick<Events, 'record'>
  /** @throws Fault not_found where there is no such experiment */
  readonly checkExperiment: (id: string, caller: Caller) => Promise<unknown>
}
export type EvaluationSets = ReturnType<typeof openEvaluationSets>
type Change = 'created' | 'records' | 'tags' | 'experiments' | 'deleted'
type Inner = EvaluationSetsDeps & { readonly store: ReturnType<typeof setStore> }

const attemptsMax = 20
const newName = (prefix: string) => `${prefix}-${randomBytes(16).toString('hex')}`

export function openEvaluationSets(deps: EvaluationSetsDeps) {
  const inner = { ...deps, store: setStore(deps.db) }
  const reads = setReads(inner)
  return { ...reads, ...setChanges(inner, reads.get), ...recordChanges(inner) }
}

const noSuchSet = (set: string) =>
  new Fault('not_found', 'evaluation.set_not_found', `Could not find evaluation dataset with ID ${set}`)
async function rowOf({ store }: Inner, set: string, caller: Caller): Promise<SetRow> {
  const row = await store.set(caller.project, set)
  if (row === undefined) throw noSuchSet(set)
  return row
}
const factOf = ({ events }: Inner, set: string, change: Change, caller: Caller): Statement =>
  events.record(caller, {
    type: evaluationSetChanged,
    subject: `evaluation-set:${set}`,
    payload: { set, change },
  })

function setReads(inner: Inner) {
  const { store } = inner
  const whole = async (rows: readonly SetRow[], caller: Caller): Promise<EvaluationSet[]> => {
    const ids = rows.map((row) => row.id)
    const [values, counts] = await Promise.all([
      store.values(caller.project, ids),
      store.counts(caller.project, ids),
    ])
    const bySet = Map.groupBy(values, (one) => one.set_id)
    const countOf = new Map(counts.map((one) => [one.set_id, Number(one.count)]))
    return rows.map((row) => {
      const all = bySet.get(row.id) ?? []
      return {
        id: row.id,
        name: row.name,
        digest: createHash('sha256').update(`${row.name}:${row.updated_at}`).digest('hex').slice(0, 8),
        fields: row.fields === null ? undefined : JSON.parse(row.fields),
        records: countOf.get(row.id) ?? 0,
        tags: Object.fromEntries(all.filter((v) => v.kind === 'tag').map((v) => [v.key, v.value])),
        experiments: all.filter((v) => v.kind === 'experiment').map((v) => v.key),
        createdAt: row.created_at,
        updatedAt: row.updated_at,
        createdBy: row.created_by ?? undefined,
        updatedBy: row.updated_by ?? undefined,
      }
    })
  }
  return {
    async get({ set }: { set: string }, caller: Caller): Promise<EvaluationSet> {
      const [found] = await whole([await rowOf(inner, set, caller)], caller)
      return found as EvaluationSet
    },
    async search(search: SetSearch, caller: Caller): Promise<{ sets: EvaluationSet[]; isMore: boolean }> {
      const rows = await store.search(caller.project, { ...search, limit: search.limit + 1 })
      return { sets: await whole(rows.slice(0, search.limit), caller), isMore: rows.length > search.limit }
    },
    async records(
      { set, limit, offset }: { set: string; limit: number; offset: number },
      caller: Caller,
    ): Promise<{ records: SetRecord[]; isMore: boolean }> {
      await rowOf(inner, set, caller)
      const rows = await store.page(caller.project, set, limit + 1, offset)
      return { records: rows.slice(0, limit).map(recordFrom), isMore: rows.length > limit }
    },
  }
}

function setChanges(inner: Inner, get: (command: { set: string }, caller: Caller) => Promise<EvaluationSet>) {
  const { db, store, checkExperiment } = inner
  const link = (set: string, experiments: readonly string[], caller: Caller): Statement[] =>
    experiments.map((id) => store.putValue(caller.project, set, 'experiment', id, ''))
  return {
    async create(
      command: { name: string; tags: Readonly<Record<string, string>>; experiments: readonly string[] },
      caller: Caller,
    ): Promise<EvaluationSet> {
      for (const id of command.experiments) await checkExperiment(id, caller)
      const id = newName('d')
      const set = { id, name: command.name, createdAt: Date.now(), createdBy: command.tags[userTag] }
      await db.commit([
        store.insertSet(caller.project, set),
        ...Object.entries(command.tags).map(([k, v]) => store.putValue(caller.project, id, 'tag', k, v)),
        ...link(id, command.experiments, caller),
        factOf(inner, id, 'created', caller),
      ])
      return get({ set: id }, caller)
    },
    /** A set that is gone already is not missed. */
    async remove({ set }: { set: string }, caller: Caller): Promise<void> {
      if ((await store.set(caller.project, set)) === undefined) return
      await db.commit([...store.dropSet(caller.project, set), factOf(inner, set, 'deleted', caller)])
    },
    async setTags(
      { set, tags }: { set: string; tags: Readonly<Record<string, string>> },
      caller: Caller,
    ): Promise<void> {
      await rowOf(inner, set, caller)
      const put = Object.entries(tags).map(([k, v]) => store.putValue(caller.project, set, 'tag', k, v))
      await db.commit([...put, factOf(inner, set, 'tags', caller)])
    },
    async removeTag({ set, key }: { set: string; key: string }, caller: Caller): Promise<void> {
      if ((await store.set(caller.project, set)) === undefined) return
      await db.commit([store.dropValue(caller.project, set, 'tag', key), factOf(inner, set, 'tags', caller)])
    },
    async link(
      { set, experiments }: { set: string; experiments: readonly string[] },
      caller: Caller,
    ): Promise<EvaluationSet> {
      await rowOf(inner, set, caller)
      for (const id of experiments) await checkExperiment(id, caller)
      await db.commit([...link(set, experiments, caller), factOf(inner, set, 'experiments', caller)])
      return get({ set }, caller)
    },
    async unlink(
      { set, experiments }: { set: string; experiments: readonly string[] },
      caller: Caller,
    ): Promise<EvaluationSet> {
      await rowOf(inner, set, caller)
      const gone = experiments.map((id) => store.dropValue(caller.project, set, 'experiment', id))
      await db.commit([...gone, factOf(inner, set, 'experiments', caller)])
      return get({ set }, caller)
    },
  }
}

function recordChanges(inner: Inner) {
  const { db, store } = inner
  /** Reads, decides and commits; again where somebody else changed the set in between. */
  const changing = async <T>(
    set: string,
    caller: Caller,
    decide: (row: SetRow, nowMs: number) => Promise<{ unit: Statement[]; answer: T }>,
  ): Promise<T> => {
    for (let attempt = 1; ; attempt++) {
      const row = await rowOf(inner, set, caller)
      const { unit, answer } = await decide(row, Math.max(Date.now(), row.updated_at + 1))
      try {
        if (unit.length > 0) await db.commit([...unit, factOf(inner, set, 'records', caller)])
        return answer
      } catch (error) {
        if (!isFault(error, 'db.guard_failed') || attempt >= attemptsMax) throw error
      }
    }
  }
  return {
    /** @returns how many are new, and how many were there and took what came */
    putRecords: (
      { set, records }: { set: string; records: readonly BroughtRecord[] },
      caller: Caller,
    ): Promise<{ inserted: number; updated: number }> =>
      changing(set, caller, async (row, nowMs) => {
        const brought = records.map((record) => ({ record, digest: inputsDigest(record.inputs) }))
        const digests = [...new Set(brought.map((one) => one.digest))]
        const known = await store.byDigest(caller.project, set, digests)
        const after = new Map(known.map((one) => [one.inputs_digest, recordFrom(one)]))
        const counts = { inserted: 0, updated: 0 }
        for (const { record, digest } of brought) {
          const before = after.get(digest)
          counts[before === undefined ? 'inserted' : 'updated']++
          after.set(
            digest,
            before === undefined ? newRecord(record, nowMs) : mergedRecord(before, record, nowMs),
          )
        }
        const fields = widenedFields(row.fields === null ? undefined : JSON.parse(row.fields), records)
        const by = records.map((one) => one.tags?.[userTag]).findLast((user) => user !== undefined)
        const touched = {
          fields: JSON.stringify(fields),
          updated_at: nowMs,
          updated_by: by ?? row.updated_by,
        }
        const put = [...after].map(([digest, one]) => store.putRecord(caller.project, set, digest, one))
        return { unit: [store.touchSet(caller.project, row, touched), ...put], answer: counts }
      }),
    /** @returns how many went */
    removeRecords: (
      { set, records }: { set: string; records: readonly string[] },
      caller: Caller,
    ): Promise<number> =>
      changing(set, caller, async (row, nowMs) => {
        const known = await store.byId(caller.project, set, records)
        if (known.length === 0) return { unit: [], answer: 0 }
        const touched = { fields: row.fields, updated_at: nowMs, updated_by: row.updated_by }
        const gone = known.map((one) => store.dropRecord(caller.project, set, one.inputs_digest))
        return { unit: [store.touchSet(caller.project, row, touched), ...gone], answer: known.length }
      }),
  }
}
const newRecord = (brought: BroughtRecord, nowMs: number): SetRecord => {
  const by = brought.tags?.[userTag]
  return {
    outputs: {},
    ...brought,
    id: newName('dr'),
    createdAt: nowMs,
    updatedAt: nowMs,
    createdBy: by,
    updatedBy: by,
  }
}
const recordFrom = (row: RecordRow): SetRecord => ({
  ...JSON.parse(row.body),
  id: row.id,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
})
