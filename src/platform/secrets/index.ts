/** Secrets: sealed at rest, injected into steps, masked in their logs. Read next: secrets.ts, masker.ts. */
export { secretsEndpoints } from './endpoints.ts'
export { type Keys, openKeys } from './keys.ts'
export { type Masker, mask, maskerOf } from './masker.ts'
export { openSecrets, type Secrets } from './secrets.ts'
export { secretsMigrations } from './store.ts'
