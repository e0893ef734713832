/** MLflow's door: a table of routes in parts. Translates, decides nothing. Read next: routes.ts, then tracking.ts. */
import type { Route } from '#platform/http/index.ts'
import { artifactRoutes } from './artifacts.ts'
import { experimentRoutes } from './experiments.ts'
import { judgingRoutes } from './judging.ts'
import { loggedModelRoutes } from './logged-models.ts'
import { registryRoutes } from './registry.ts'
import { serverRoutes } from './server.ts'
import { traceRoutes } from './traces.ts'
import { trackingRoutes } from './tracking.ts'
import type { Traces } from '../../domains/traces/index.ts'
import type { EvaluationSets, Scorers } from '../../domains/evaluation/index.ts'
import type { Catalogue } from '../../domains/registry/index.ts'
import type { ExperimentFiles, Experiments, LoggedModels } from '../../domains/experiments/index.ts'

export { canonicalAddress } from './routes.ts'

export interface MlflowDeps {
  readonly experiments: Experiments
  readonly files: ExperimentFiles
  readonly loggedModels: LoggedModels
  readonly catalogue: Catalogue
  readonly traces: Traces
  readonly scorers: Scorers
  readonly evaluationSets: EvaluationSets
}
export const mlflowRoutes = ({
  experiments,
  files,
  loggedModels,
  catalogue,
  traces,
  scorers,
  evaluationSets,
}: MlflowDeps): Route[] => [
  ...serverRoutes(),
  ...experimentRoutes(experiments),
  ...trackingRoutes(experiments, files),
  ...loggedModelRoutes(loggedModels, files),
  ...registryRoutes(catalogue),
  ...traceRoutes(traces),
  ...judgingRoutes(scorers, evaluationSets),
  ...artifactRoutes(files),
]
