/** Endpoints: revisions, rollouts, predictions and their log. Read next: operations.ts. */
export { servingEndpoints } from './endpoints.ts'
export { endpointsBlock, type Logged } from './model.ts'
export { type Answer, openServing, type PredictRow, type Serving } from './operations.ts'
export { recordsOf, rowsOf, type ScoringRecord } from './records.ts'
import { endpoints } from './migrations/0001-endpoints.ts'

export const servingMigrations = [endpoints]
