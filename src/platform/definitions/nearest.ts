/** The word that was probably meant. Pure. */

/** Of `known` the word nearest to `given` by edits, where it is near enough to be meant. */
export function nearest(given: string, known: readonly string[]): string | undefined {
  const ranked = known
    .map((word) => ({ word, edits: editsBetween(given, word) }))
    .sort((a, b) => a.edits - b.edits)
  const best = ranked[0]
  return best !== undefined && best.edits <= Math.max(1, Math.floor(given.length / 3)) ? best.word : undefined
}

/** Levenshtein's distance (insert, delete, replace: 1 each). */
export function editsBetween(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replace = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, replace))
    }
    row = next
  }
  return row[b.length] ?? 0
}
