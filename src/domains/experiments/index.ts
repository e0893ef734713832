/** Tracked executions: runs with parameters, metrics and tags. Read next: operations.ts. */
export { experimentsEndpoints } from './endpoints.ts'
export type { KeyValue, Metric, Run } from './model.ts'
export { type Experiments, openExperiments, type StartRun } from './operations.ts'
import { runs } from './migrations/0001-runs.ts'

export const experimentsMigrations = [runs]
