/** Experiments, runs, metrics, parameters and tags on MLflow's wire. */
import type { Route } from '#platform/http/index.ts'
import type { Experiments } from '../../domains/experiments/index.ts'

export const trackingRoutes = (_experiments: Experiments): Route[] => []
