/** Feature views: the same rows for training, evaluation and serving. Read next: operations.ts. */
export { featuresEndpoints } from './endpoints.ts'
export {
  type FeatureView,
  featuresBlock,
  type Key,
  type LabelledRow,
  type LabelledRows,
  type OnlineRow,
} from './model.ts'
export { type Features, keyText, openFeatures, type RowsQuery } from './operations.ts'
import { featuresTables } from './migrations/0001-features.ts'
import { codesOnce } from './migrations/0002-codes.ts'

export const featuresMigrations = [featuresTables, codesOnce]
