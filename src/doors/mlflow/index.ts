/** MLflow's door: a table of routes in parts. Translates, decides nothing. Read next: routes.ts, then tracking.ts. */
import type { Route } from '#platform/http/index.ts'
import { artifactRoutes } from './artifacts.ts'
import { experimentRoutes } from './experiments.ts'
import { serverRoutes } from './server.ts'
import { trackingRoutes } from './tracking.ts'
import type { ExperimentFiles, Experiments } from '../../domains/experiments/index.ts'

export { canonicalAddress } from './routes.ts'

export interface MlflowDeps {
  readonly experiments: Experiments
  readonly files: ExperimentFiles
}
export const mlflowRoutes = ({ experiments, files }: MlflowDeps): Route[] => [
  ...serverRoutes(),
  ...experimentRoutes(experiments),
  ...trackingRoutes(experiments, files),
  ...artifactRoutes(files),
]
