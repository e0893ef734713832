/** Verbs of reviews: ask, vote, read. Expiry is on the project's clock and is seen at every look. */
import type { Caller } from '#base/caller.ts'
import type { Clock } from '#base/clock.ts'
import { Fault, isFault } from '#base/errors.ts'
import { newId } from '#base/ids.ts'
import type { Db } from '#platform/db/index.ts'
import { durationMs } from '#platform/definitions/index.ts'
import type { Events } from '#platform/events/index.ts'
import { reviewDecided, reviewRequested, reviewVoted } from './events.ts'
import type { Policy, Review, Vote } from './model.ts'
import { decisionOf, objectionTo, reviewLife } from './rules.ts'
import { type ReviewRow, reviewsStore } from './store.ts'

export interface ReviewsDeps {
  readonly db: Db
  readonly events: Events
  readonly clockOf: (project: string) => Promise<Clock>
  readonly rolesOf: (project: string, actor: string) => Promise<string[]>
}
export interface RequestReview {
  readonly subject: string
  readonly question: string
  readonly policy: Policy
  readonly author: string
  readonly evidence: unknown
}

export function openReviews({ db, events, clockOf, rolesOf }: ReviewsDeps) {
  const store = reviewsStore(db)
  const reviewOf = async (row: ReviewRow): Promise<Review> => {
    const votes = (await store.votes(row.project, row.id)).map(
      (v): Vote => ({ actor: v.actor, verdict: v.verdict, comment: v.comment, at: v.voted_at }),
    )
    return {
      id: row.id,
      subject: row.subject,
      question: row.question,
      policy: JSON.parse(row.policy),
      author: row.author,
      evidence: JSON.parse(row.evidence),
      state: row.state,
      votes,
      createdAt: row.created_at,
      expiresAt: row.expires_at,
      ...(row.decided_at === null ? {} : { decidedAt: row.decided_at }),
    }
  }
  const decidedFact = (caller: Caller, row: ReviewRow, state: string, by: string[], atMs: number) =>
    events.record(caller, {
      type: reviewDecided,
      subject: row.subject,
      payload: { review: row.id, subject: row.subject, state, by },
      atMs,
    })
  /** The row as it is now: an open review whose time is over becomes expired. */
  const current = async (row: ReviewRow, caller: Caller): Promise<ReviewRow> => {
    const now = (await clockOf(row.project)).now()
    if (row.state !== 'open' || now <= row.expires_at) return row
    const state = reviewLife.next(row.state, 'expire')
    await db
      .commit([store.move(row, state, now), decidedFact(caller, row, state, [], now)])
      .catch((error) => {
        if (!isFault(error, 'db.guard_failed')) throw error
      })
    return (await store.review(row.project, row.id)) ?? row
  }
  const rowOf = async (id: string, caller: Caller): Promise<ReviewRow> => {
    const row = await store.review(caller.project, id)
    if (row !== undefined) return current(row, caller)
    throw new Fault('not_found', 'reviews.not_found', `there is no review ${id}`)
  }
  const vote = async (
    id: string,
    verdict: 'approve' | 'reject',
    comment: string,
    caller: Caller,
  ): Promise<Review> => {
    const row = await rowOf(id, caller)
    const review = await reviewOf(row)
    reviewLife.next(row.state, verdict)
    const objection = objectionTo(
      { name: caller.actor.name, roles: await rolesOf(caller.project, caller.actor.name) },
      review.policy,
      row.author,
      review.votes,
    )
    if (objection !== undefined)
      throw new Fault('forbidden', 'reviews.not_allowed', objection, { remedy: 'ask somebody of that role' })
    const at = (await clockOf(caller.project)).now()
    const cast = {
      project: row.project,
      review: id,
      actor: caller.actor.name,
      verdict,
      comment,
      voted_at: at,
    }
    const votes: Vote[] = [...review.votes, { actor: caller.actor.name, verdict, comment, at }]
    const decision = decisionOf(review.policy, votes)
    const told = {
      type: reviewVoted,
      subject: row.subject,
      payload: { review: id, subject: row.subject, verdict, comment },
      atMs: at,
    }
    const unit = [store.insertVote(cast), events.record(caller, told)]
    if (decision !== undefined) {
      const to = reviewLife.next(row.state, decision)
      unit.push(
        store.move(row, to, at),
        decidedFact(
          caller,
          row,
          to,
          votes.map((v) => v.actor),
          at,
        ),
      )
    }
    await db.commit(unit)
    return reviewOf(await rowOf(id, caller))
  }
  return {
    /** Asks; while a review of the subject is open, that one is the answer. */
    async request(command: RequestReview, caller: Caller): Promise<Review> {
      for (const row of await store.bySubject(caller.project, command.subject)) {
        const now = await current(row, caller)
        if (now.state === 'open') return reviewOf(now)
      }
      const at = (await clockOf(caller.project)).now()
      const row: ReviewRow = {
        project: caller.project,
        id: newId(),
        subject: command.subject,
        question: command.question,
        policy: JSON.stringify(command.policy),
        author: command.author,
        evidence: JSON.stringify(command.evidence ?? null),
        state: 'open',
        created_at: at,
        expires_at: at + durationMs(command.policy.expires),
        decided_at: null,
      }
      const payload = {
        review: row.id,
        subject: row.subject,
        question: row.question,
        count: command.policy.count,
      }
      await db.commit([
        store.insert(row),
        events.record(caller, { type: reviewRequested, subject: row.subject, payload, atMs: at }),
      ])
      return reviewOf(row)
    },
    /** The newest review of a subject. */
    async ofSubject(subject: string, caller: Caller): Promise<Review | undefined> {
      const [row] = await store.bySubject(caller.project, subject)
      return row && reviewOf(await current(row, caller))
    },
    get: async ({ review }: { review: string }, caller: Caller) => reviewOf(await rowOf(review, caller)),
    async list(
      { state, limit }: { state?: Review['state']; limit: number },
      caller: Caller,
    ): Promise<{ reviews: Review[] }> {
      const rows = await Promise.all(
        (await store.reviews(caller.project, state, limit)).map((row) => current(row, caller)),
      )
      return {
        reviews: await Promise.all(
          rows.filter((r) => state === undefined || r.state === state).map(reviewOf),
        ),
      }
    },
    approve: ({ review, comment }: { review: string; comment: string }, caller: Caller) =>
      vote(review, 'approve', comment, caller),
    reject: ({ review, comment }: { review: string; comment: string }, caller: Caller) =>
      vote(review, 'reject', comment, caller),
  }
}
export type Reviews = ReturnType<typeof openReviews>
