/** Models, versions, gates and aliases. Read next: operations.ts. */
export { convert } from './convert.ts'
export { registryEndpoints } from './endpoints.ts'
export { type GateResult, type ModelVersion, modelsBlock, type Subject } from './model.ts'
export { openRegistry, type RegisterVersion, type Registry, type RegistryDeps } from './operations.ts'
import { models } from './migrations/0001-models.ts'

export const registryMigrations = [models]
