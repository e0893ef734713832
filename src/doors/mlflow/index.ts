/** MLflow's door: a table of routes in parts. Translates, decides nothing. Read next: routes.ts, then tracking.ts. */
import type { Route } from '#platform/http/index.ts'
import { serverRoutes } from './server.ts'
import { trackingRoutes } from './tracking.ts'
import type { Experiments } from '../../domains/experiments/index.ts'

export { canonicalAddress } from './routes.ts'

export interface MlflowDeps {
  readonly experiments: Experiments
}
export const mlflowRoutes = ({ experiments }: MlflowDeps): Route[] => [
  ...serverRoutes(),
  ...trackingRoutes(experiments),
]
