/** Measuring models on the same rows, and what judges of language models need. Read next: operations.ts, sets.ts. */
import { evaluations } from './migrations/0001-evaluations.ts'
import { judging } from './migrations/0002-judging.ts'

export { evaluationEndpoints } from './endpoints.ts'
export type {
  BroughtRecord,
  EvaluationSet,
  Scorer,
  SetClause,
  SetRecord,
} from './judging-model.ts'
export type { Evaluation } from './model.ts'
export { type EvaluateChallenger, type EvaluationRoom, openEvaluation } from './operations.ts'
export { openScorers, type Scorers } from './scorers.ts'
export { type EvaluationSets, openEvaluationSets } from './sets.ts'

export const evaluationMigrations = [evaluations, judging]
