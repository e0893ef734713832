/** Metrics of yes-or-no and of several classes, by scikit-learn's definitions. Pure; no rows give null, never zero. */

export interface BinaryMetrics {
  readonly accuracy: number | null
  readonly precision: number | null
  readonly recall: number | null
  readonly f1: number | null
  readonly rocAuc: number | null
  readonly prAuc: number | null
  readonly logLoss: number | null
  readonly brier: number | null
}
const outOf = (part: number, whole: number) => (whole === 0 ? 0 : part / whole)
const clip = 2 ** -52

/** Of labels 0 and 1 and scores between them; yes is a score of at least `threshold`. */
export function binaryMetrics(
  labels: ArrayLike<number>,
  scores: ArrayLike<number>,
  threshold = 0.5,
): BinaryMetrics {
  const n = labels.length
  const cells = { tp: 0, fp: 0, tn: 0, fn: 0 }
  let [loss, brier] = [0, 0]
  for (let i = 0; i < n; i++) {
    const [y, score] = [labels[i] as number, scores[i] as number]
    const isYes = score >= threshold
    cells[y === 1 ? (isYes ? 'tp' : 'fn') : isYes ? 'fp' : 'tn']++
    const p = Math.min(1 - clip, Math.max(clip, score))
    loss -= y === 1 ? Math.log(p) : Math.log1p(-p)
    brier += (score - y) ** 2
  }
  if (n === 0)
    return {
      accuracy: null,
      precision: null,
      recall: null,
      f1: null,
      rocAuc: null,
      prAuc: null,
      logLoss: null,
      brier: null,
    }
  const { tp, fp, tn, fn } = cells
  const curve = curves(labels, scores)
  return {
    accuracy: (tp + tn) / n,
    precision: outOf(tp, tp + fp),
    recall: outOf(tp, tp + fn),
    f1: outOf(2 * tp, 2 * tp + fp + fn),
    rocAuc: curve.rocAuc,
    prAuc: curve.averagePrecision,
    logLoss: loss / n,
    brier: brier / n,
  }
}

/** Area under the ROC by ranks, ties shared; average precision as Σ (Rₙ − Rₙ₋₁) Pₙ. Null where one class is missing. */
export function curves(
  labels: ArrayLike<number>,
  scores: ArrayLike<number>,
): { rocAuc: number | null; averagePrecision: number | null } {
  const order = Array.from({ length: labels.length }, (_, i) => i).sort(
    (a, b) => (scores[b] as number) - (scores[a] as number),
  )
  const positives = order.filter((i) => labels[i] === 1).length
  const negatives = order.length - positives
  let [tp, fp, area, precision] = [0, 0, 0, 0]
  for (let i = 0; i < order.length; ) {
    const score = scores[order[i] as number]
    const [tp0, fp0] = [tp, fp]
    for (; i < order.length && scores[order[i] as number] === score; i++)
      labels[order[i] as number] === 1 ? tp++ : fp++
    area += ((fp - fp0) * (tp + tp0)) / 2
    precision += ((tp - tp0) / positives) * (tp / (tp + fp))
  }
  return {
    rocAuc: positives === 0 || negatives === 0 ? null : area / (positives * negatives),
    averagePrecision: positives === 0 ? null : precision,
  }
}

export interface CalibrationBin {
  readonly meanScore: number
  readonly rate: number
  readonly rows: number
}
/** Observed rate against mean score in equal bins, empty ones left out; and the gap between them, weighted by rows. */
export function calibration(
  labels: ArrayLike<number>,
  scores: ArrayLike<number>,
  bins = 10,
): { bins: CalibrationBin[]; error: number | null } {
  const sums = Array.from({ length: bins }, () => ({ score: 0, yes: 0, rows: 0 }))
  for (let i = 0; i < labels.length; i++) {
    const score = scores[i] as number
    const bin = sums[Math.min(bins - 1, Math.max(0, Math.ceil(score * bins) - 1))] as (typeof sums)[number]
    bin.score += score
    bin.yes += labels[i] as number
    bin.rows++
  }
  const filled = sums
    .filter((s) => s.rows > 0)
    .map((s) => ({ meanScore: s.score / s.rows, rate: s.yes / s.rows, rows: s.rows }))
  const error = filled.reduce((sum, b) => sum + b.rows * Math.abs(b.rate - b.meanScore), 0) / labels.length
  return { bins: filled, error: labels.length === 0 ? null : error }
}

export interface ClassMetrics {
  readonly accuracy: number | null
  readonly macroPrecision: number | null
  readonly macroRecall: number | null
  readonly macroF1: number | null
  readonly weightedF1: number | null
}
/** Of several classes. */
export function classMetrics(labels: readonly string[], predictions: readonly string[]): ClassMetrics {
  const n = labels.length
  if (n === 0)
    return { accuracy: null, macroPrecision: null, macroRecall: null, macroF1: null, weightedF1: null }
  const classes = [...new Set([...labels, ...predictions])]
  const count = (of: (y: string, p: string) => boolean) =>
    labels.filter((y, i) => of(y, predictions[i] as string)).length
  const per = classes.map((c) => {
    const [hit, said, support] = [
      count((y, p) => y === c && p === c),
      count((_, p) => p === c),
      count((y) => y === c),
    ]
    return {
      precision: outOf(hit, said),
      recall: outOf(hit, support),
      f1: outOf(2 * hit, said + support),
      support,
    }
  })
  const macro = (of: (m: (typeof per)[number]) => number) =>
    per.reduce((sum, m) => sum + of(m), 0) / per.length
  return {
    accuracy: count((y, p) => y === p) / n,
    macroPrecision: macro((m) => m.precision),
    macroRecall: macro((m) => m.recall),
    macroF1: macro((m) => m.f1),
    weightedF1: per.reduce((sum, m) => sum + m.f1 * m.support, 0) / n,
  }
}
