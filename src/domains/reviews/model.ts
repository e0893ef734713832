/** Nouns of reviews: a question to people with roles, their votes, an answer. */
import { z } from 'zod'

export const reviewStates = ['open', 'approved', 'rejected', 'expired'] as const
export type ReviewState = (typeof reviewStates)[number]
export const Policy = z.object({
  from: z.array(z.string()),
  count: z.number(),
  not_author: z.boolean(),
  expires: z.string(),
})
export type Policy = z.output<typeof Policy>
export const Vote = z.object({
  actor: z.string(),
  verdict: z.enum(['approve', 'reject']),
  comment: z.string(),
  at: z.number(),
})
export type Vote = z.output<typeof Vote>
export const Review = z
  .object({
    id: z.string(),
    /** `model:demand@3` */
    subject: z.string(),
    question: z.string(),
    policy: Policy,
    author: z.string(),
    evidence: z.unknown(),
    state: z.enum(reviewStates),
    votes: z.array(Vote),
    createdAt: z.number(),
    expiresAt: z.number(),
    decidedAt: z.number().optional(),
  })
  .meta({ id: 'Review' })
export type Review = z.output<typeof Review>
