/** Models, versions, gates and aliases. Read next: operations.ts. */
export {
  type Catalogue,
  type CatalogueModel,
  type CatalogueVersion,
  openCatalogue,
  type Stage,
  stages,
} from './catalogue.ts'
export type { CatalogueClause, CatalogueOrder } from './catalogue-store.ts'
export { convert } from './convert.ts'
export { registryEndpoints } from './endpoints.ts'
export { type GateResult, type ModelVersion, modelsBlock, type Subject } from './model.ts'
export {
  type ConvertedVersion,
  onnxOf,
  openRegistry,
  type RegisterVersion,
  type Registry,
  type RegistryDeps,
} from './operations.ts'
import { models } from './migrations/0001-models.ts'
import { catalogue } from './migrations/0002-catalogue.ts'

export const registryMigrations = [models, catalogue]
