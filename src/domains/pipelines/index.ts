/** Pipelines: definitions, the run engine, triggers. Read next: operations.ts, engine.ts. */
export { pipelinesEndpoints } from './endpoints.ts'
export { pipelineJobs } from './jobs.ts'
export { artifactOf, pinned, type TrainingSet, windowMs } from './inputs.ts'
export {
  type Artifact,
  type Outputs,
  type PipelineRun,
  pipelinesBlock,
  type StepDefinition,
} from './model.ts'
export {
  type Hook,
  type HookDelivery,
  openPipelines,
  type Pipelines,
  type PipelinesDeps,
  type StartPipelineRun,
} from './operations.ts'
export type { StepContext, StepKind, StepResult } from './ports.ts'
export { openStepReproduction } from './reproduce.ts'
export { type RunStepDeps, runStepKind } from './run-step.ts'
export { secretObjections, sweepSecrets } from './step-secrets.ts'
export { pipelinesSubscriptions } from './subscriptions.ts'
import { runs } from './migrations/0001-runs.ts'

export const pipelinesMigrations = [runs]
