/** Python environments from pinned requirements, by content, built once. Read next: python.ts. */
export { type Environment, type EnvironmentRequest, type Environments, openEnvironments } from './python.ts'
