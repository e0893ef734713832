/** Measuring models on the same rows. Read next: operations.ts. */
export { evaluationEndpoints } from './endpoints.ts'
export type { Evaluation } from './model.ts'
export { type EvaluateChallenger, type EvaluationRoom, openEvaluation } from './operations.ts'
import { evaluations } from './migrations/0001-evaluations.ts'

export const evaluationMigrations = [evaluations]
