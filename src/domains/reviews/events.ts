/** Facts that reviews announce. */
import { z } from 'zod'
import { defineEvent } from '#platform/events/event.ts'

const Review = z.object({ review: z.string(), subject: z.string() })
export const reviewRequested = defineEvent(
  'reviews.review.requested',
  Review.extend({ question: z.string(), count: z.number() }),
)
export const reviewVoted = defineEvent(
  'reviews.review.voted',
  Review.extend({ verdict: z.string(), comment: z.string() }),
)
export const reviewDecided = defineEvent(
  'reviews.review.decided',
  Review.extend({ state: z.string(), by: z.array(z.string()) }),
)
