/** All SQL of reviews. */
import { type Compilable, type Db, type Statement, statement } from '#platform/db/index.ts'
import type { ReviewState } from './model.ts'

export interface ReviewRow {
  project: string
  id: string
  subject: string
  question: string
  policy: string
  author: string
  evidence: string
  state: ReviewState
  created_at: number
  expires_at: number
  decided_at: number | null
}
export interface VoteRow {
  project: string
  review: string
  actor: string
  verdict: 'approve' | 'reject'
  comment: string
  voted_at: number
}
interface Tables {
  reviews_reviews: ReviewRow
  reviews_votes: VoteRow
}

export function reviewsStore(db: Db) {
  const t = db.tables<Tables>()
  const all = (project: string) => t.selectFrom('reviews_reviews').selectAll().where('project', '=', project)
  return {
    review: (project: string, id: string): Promise<ReviewRow | undefined> =>
      db.readFirst(all(project).where('id', '=', id) as Compilable<ReviewRow>),
    bySubject: (project: string, subject: string): Promise<ReviewRow[]> =>
      db.read(all(project).where('subject', '=', subject).orderBy('id', 'desc') as Compilable<ReviewRow>),
    reviews: (project: string, state: ReviewState | undefined, limit: number): Promise<ReviewRow[]> =>
      db.read(
        (state === undefined ? all(project) : all(project).where('state', '=', state))
          .orderBy('id', 'desc')
          .limit(limit) as Compilable<ReviewRow>,
      ),
    votes: (project: string, review: string): Promise<VoteRow[]> =>
      db.read(
        t
          .selectFrom('reviews_votes')
          .selectAll()
          .where('project', '=', project)
          .where('review', '=', review)
          .orderBy('voted_at') as Compilable<VoteRow>,
      ),
    insert: (row: ReviewRow): Statement => statement(t.insertInto('reviews_reviews').values(row)),
    insertVote: (row: VoteRow): Statement => statement(t.insertInto('reviews_votes').values(row)),
    move: (row: ReviewRow, to: ReviewState, decidedAt: number | null): Statement =>
      statement(
        t
          .updateTable('reviews_reviews')
          .set({ state: to, decided_at: decidedAt })
          .where('project', '=', row.project)
          .where('id', '=', row.id)
          .where('state', '=', row.state),
        1,
      ),
  }
}
