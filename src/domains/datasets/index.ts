/** Versioned data: immutable versions named by their content, with verdicts and quarantine. Read next: operations.ts. */
export { datasetsEndpoints } from './endpoints.ts'
export { datasetJobs } from './jobs.ts'
export {
  datasetsBlock,
  type DatasetDefinition,
  type DatasetVersion,
  type Quarantined,
  sourcesBlock,
  type Verdict,
  type VersionRef,
} from './model.ts'
export {
  type CommitVersion,
  type Committed,
  type Datasets,
  type DatasetsDeps,
  openDatasets,
  type SetVerdict,
} from './operations.ts'
import { versions } from './migrations/0001-versions.ts'

export const datasetsMigrations = [versions]
