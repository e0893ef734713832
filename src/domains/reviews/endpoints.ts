/** The native API of reviews as data. */
import { z } from 'zod'
import { endpoint, type Route } from '#platform/http/index.ts'
import { Review, reviewStates } from './model.ts'
import type { Reviews } from './operations.ts'

const Vote = z.strictObject({ review: z.string(), comment: z.string().max(2_000).default('') })

export const reviewsEndpoints = (reviews: Reviews): Route[] => [
  endpoint({
    id: 'reviews.list',
    method: 'GET',
    path: '/api/v1/reviews',
    summary: 'Reviews, newest first',
    permission: 'review:read',
    input: z.strictObject({
      state: z.enum(reviewStates).optional(),
      limit: z.coerce.number().int().min(1).max(200).default(50),
    }),
    output: z.object({ reviews: z.array(Review) }),
    run: (command, caller) => reviews.list(command as { limit: number }, caller),
  }),
  endpoint({
    id: 'reviews.get',
    method: 'GET',
    path: '/api/v1/reviews/:review',
    summary: 'One review with its evidence and votes',
    permission: 'review:read',
    input: z.strictObject({ review: z.string() }),
    output: Review,
    run: reviews.get,
  }),
  endpoint({
    id: 'reviews.approve',
    method: 'POST',
    path: '/api/v1/reviews/:review/approve',
    summary: 'Approve, where your role allows',
    permission: 'review:vote',
    input: Vote,
    output: Review,
    run: reviews.approve,
  }),
  endpoint({
    id: 'reviews.reject',
    method: 'POST',
    path: '/api/v1/reviews/:review/reject',
    summary: 'Reject, where your role allows',
    permission: 'review:vote',
    input: Vote,
    output: Review,
    run: reviews.reject,
  }),
]
