/** Nouns of lineage: the way back from a prediction, and the reproduction of a model version. */
import { z } from 'zod'

export const VersionNode = z.object({
  dataset: z.string(),
  version: z.number(),
  id: z.string(),
  files: z.array(z.object({ path: z.string(), digest: z.string(), size: z.number() })),
  parents: z.array(z.object({ dataset: z.string(), version: z.number(), id: z.string() })),
})
export type VersionNode = z.output<typeof VersionNode>
export const Why = z
  .object({
    prediction: z.string(),
    endpoint: z.string(),
    revision: z.number(),
    model: z.string(),
    version: z.number(),
    onnx: z.string(),
    run: z.string(),
    code: z.object({ tree: z.string(), commit: z.string().optional(), dirty: z.boolean() }),
    environment: z.object({ lock: z.string() }),
    /** The training set first, then what it was made of, down to what came from outside. */
    datasets: z.array(VersionNode),
  })
  .meta({ id: 'PredictionLineage' })
export type Why = z.output<typeof Why>

export const verdicts = ['bit-identical', 'equivalent', 'different'] as const
export type Verdict = (typeof verdicts)[number]
/** `interrupted`: the server ended before it did. */
export const reproductionStates = ['running', 'done', 'failed', 'interrupted'] as const
export type ReproductionState = (typeof reproductionStates)[number]

export const OutputComparison = z.object({
  name: z.string(),
  /** Pickles carry no promise of equal bytes: they are compared by what they predict. */
  kind: z.enum(['file', 'pickle', 'onnx', 'predictions']),
  same: z.boolean(),
  before: z.string().optional(),
  after: z.string().optional(),
  /** Offset of the first byte that differs. */
  firstDifference: z.number().optional(),
  /** Rows that were predicted, and the largest |after − before|, in the target's unit. */
  rows: z.number().optional(),
  maxAbs: z.number().optional(),
  /** Largest |after − before| relative to the larger of |before| and 1. */
  maxRelative: z.number().optional(),
})
export type OutputComparison = z.output<typeof OutputComparison>
export const MetricComparison = z.object({
  name: z.string(),
  before: z.union([z.number(), z.string()]).nullable(),
  after: z.union([z.number(), z.string()]).nullable(),
  same: z.boolean(),
})
export type MetricComparison = z.output<typeof MetricComparison>
export const Reproduction = z
  .object({
    id: z.string(),
    model: z.string(),
    version: z.number(),
    state: z.enum(reproductionStates),
    startedAt: z.number(),
    startedBy: z.string(),
    finishedAt: z.number().optional(),
    verdict: z.enum(verdicts).optional(),
    /** What the verdict rests on, or why there is none. */
    sentence: z.string(),
    step: z.string().optional(),
    run: z.string().optional(),
    environment: z.object({ before: z.string(), after: z.string(), same: z.boolean() }).optional(),
    outputs: z.array(OutputComparison),
    metrics: z.array(MetricComparison),
    lines: z.array(z.string()),
  })
  .meta({ id: 'Reproduction' })
export type Reproduction = z.output<typeof Reproduction>
