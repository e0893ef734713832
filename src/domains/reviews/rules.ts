/** Who may vote, and when a review is decided. Pure. */
import { machine } from '#base/machine.ts'
import type { Policy, ReviewState, Vote } from './model.ts'

export const reviewLife = machine<ReviewState, 'approve' | 'reject' | 'expire'>('review', {
  open: { approve: 'approved', reject: 'rejected', expire: 'expired' },
  approved: {},
  rejected: {},
  expired: {},
})

export interface Voter {
  readonly name: string
  readonly roles: readonly string[]
}
/** Why this actor may not vote; undefined where they may. */
export function objectionTo(
  voter: Voter,
  policy: Policy,
  author: string,
  votes: readonly Vote[],
): string | undefined {
  const wanted = policy.from.map((f) => f.replace(/^role:/, ''))
  if (!wanted.some((role) => voter.roles.includes(role)))
    return `${voter.name} has none of the roles ${wanted.join(', ')}`
  if (policy.not_author && voter.name === author) return `${voter.name} is the author, who may not approve`
  if (votes.some((v) => v.actor === voter.name)) return `${voter.name} has voted already`
  return undefined
}

/** One rejection rejects; enough approvals approve. */
export function decisionOf(policy: Policy, votes: readonly Vote[]): 'approve' | 'reject' | undefined {
  if (votes.some((v) => v.verdict === 'reject')) return 'reject'
  return votes.length >= policy.count ? 'approve' : undefined
}
