/** Metrics of ranked lists, one query each. Pure. */

/** Discounted gain of the first k by score, over that of the best order; ties share their places. As scikit-learn's `ndcg_score`. */
export function ndcg(relevance: readonly number[], scores: readonly number[], k = scores.length): number {
  const best = gain(
    [...relevance].sort((a, b) => b - a),
    k,
  )
  return best === 0 ? 0 : tiedGain(relevance, scores, k) / best
}

const discount = (place: number, k: number) => (place < k ? 1 / Math.log2(place + 2) : 0)
const gain = (ordered: readonly number[], k: number) =>
  ordered.reduce((sum, r, i) => sum + r * discount(i, k), 0)

function tiedGain(relevance: readonly number[], scores: readonly number[], k: number): number {
  const order = scores.map((_, i) => i).sort((a, b) => (scores[b] as number) - (scores[a] as number))
  let sum = 0
  for (let i = 0; i < order.length; ) {
    const from = i
    let [total, places] = [0, 0]
    const score = scores[order[i] as number]
    for (; i < order.length && scores[order[i] as number] === score; i++) {
      total += relevance[order[i] as number] as number
      places += discount(i, k)
    }
    sum += (total / (i - from)) * places
  }
  return sum
}

/** 1 over the place of the first relevant; 0 where none is. */
export function reciprocalRank(relevance: readonly number[], scores: readonly number[]): number {
  const at = ranked(relevance, scores).findIndex((r) => r > 0)
  return at === -1 ? 0 : 1 / (at + 1)
}
/** The share of relevant among the first k, and of all relevant that are there. */
export const precisionAt = (relevance: readonly number[], scores: readonly number[], k: number): number =>
  ranked(relevance, scores)
    .slice(0, k)
    .filter((r) => r > 0).length / k
export function recallAt(relevance: readonly number[], scores: readonly number[], k: number): number {
  const all = relevance.filter((r) => r > 0).length
  return all === 0
    ? 0
    : ranked(relevance, scores)
        .slice(0, k)
        .filter((r) => r > 0).length / all
}
const ranked = (relevance: readonly number[], scores: readonly number[]) =>
  relevance
    .map((r, i) => ({ r, s: scores[i] as number }))
    .sort((a, b) => b.s - a.s)
    .map(({ r }) => r)
