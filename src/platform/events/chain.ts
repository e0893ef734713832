/**
 * The hash chain over the audit log: each row's hash covers the row and the hash before it, and the head is kept apart,
 * so that an edit, a gap and a cut tail are all found. One writer seals in the background, within a second.
 */
import { canonicalJson, sha256 } from '#base/digest.ts'
import type { Db } from '#platform/db/index.ts'
import type { ChainHead, EventsStore, ReadRow } from './store.ts'

export interface AuditVerdict {
  readonly intact: boolean
  /** Rows whose seal was recomputed and agrees. */
  readonly verified: number
  /** Rows too young to be sealed. */
  readonly unsealed: number
  readonly headHash: string
  /** The first disagreement, in a sentence. */
  readonly problem?: string
  readonly seq?: number
}

const batchMax = 500
export const genesis = '0'.repeat(64)

/** The seal of one row: SHA-256 over the hash before it and the row's canonical JSON. */
export function sealOf(before: string, row: ReadRow): string {
  const { hash: _, ...rest } = row as ReadRow & { xid?: unknown }
  delete rest.xid
  return sha256(`${before}\n${canonicalJson({ ...rest, seq: Number(rest.seq) })}`)
}

/** Seals what is not sealed yet. Losing the race to another server is no failure: that one sealed it. */
export async function sealNext(db: Db, store: EventsStore): Promise<number> {
  const head = await store.head()
  const rows = await store.list({ afterSeq: head?.seq ?? 0, limit: batchMax })
  if (rows.length === 0) return 0
  let hash = head?.hash ?? genesis
  const seals = rows.map((row) => {
    hash = sealOf(hash, row)
    return store.seal(row.seq, hash)
  })
  const last = rows.at(-1) as ReadRow
  await db.commit([
    ...seals,
    store.moveHead(head, { seq: last.seq, sealed: (head?.sealed ?? 0) + rows.length, hash }),
  ])
  return rows.length
}

/** Recomputes the whole chain. */
export async function verifyChain(store: EventsStore): Promise<AuditVerdict> {
  const head: ChainHead = (await store.head()) ?? { seq: 0, sealed: 0, hash: genesis }
  let hash = genesis
  let verified = 0
  let unsealed = 0
  for await (const row of everyRow(store)) {
    if (row.seq > head.seq) {
      unsealed++
      continue
    }
    hash = sealOf(hash, row)
    if (row.hash !== hash) {
      const problem = `row ${row.seq} (${row.type} on ${row.subject}) was changed, or a row before it was removed`
      return { intact: false, verified, unsealed, headHash: head.hash, problem, seq: row.seq }
    }
    verified++
  }
  if (verified === head.sealed && hash === head.hash)
    return { intact: true, verified, unsealed, headHash: head.hash }
  const problem = `${head.sealed - verified} sealed rows are missing at the end`
  return { intact: false, verified, unsealed, headHash: head.hash, problem, seq: head.seq }
}

async function* everyRow(store: EventsStore): AsyncGenerator<ReadRow> {
  let afterSeq = 0
  for (;;) {
    const rows = await store.list({ afterSeq, limit: batchMax })
    yield* rows
    const last = rows.at(-1)
    if (last === undefined || rows.length < batchMax) return
    afterSeq = last.seq
  }
}
