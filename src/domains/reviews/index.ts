/** Questions to people: n-of-m approvals with roles, expiry and comments. Read next: operations.ts. */
export { reviewsEndpoints } from './endpoints.ts'
export type { Policy, Review } from './model.ts'
export { openReviews, type RequestReview, type Reviews } from './operations.ts'
import { reviewsTables } from './migrations/0001-reviews.ts'

export const reviewsMigrations = [reviewsTables]
