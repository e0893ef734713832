/** Tracked executions: experiments and runs with parameters, metrics, tags, inputs and files. Read next: operations.ts. */
import { runs } from './migrations/0001-runs.ts'
import { tracking } from './migrations/0002-tracking.ts'
import { loggedModels } from './migrations/0003-logged-models.ts'

export { experimentsEndpoints } from './endpoints.ts'
export { type ExperimentFiles, openExperimentFiles } from './files.ts'
export {
  type DatasetRef,
  type LoggedModel,
  type LoggedModels,
  type ModelClause,
  type ModelOrder,
  openLoggedModels,
} from './logged-models.ts'
export type {
  KeyValue,
  LoggedMetric,
  Metric,
  Run,
  RunClause,
  RunDetails,
  RunOrder,
  RunStatus,
} from './model.ts'
export { type Experiments, openExperiments, type StartRun } from './operations.ts'

export const experimentsMigrations = [runs, tracking, loggedModels]
