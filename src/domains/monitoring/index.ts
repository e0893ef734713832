/** Watching endpoints: labels join predictions, windows close, errors are known. Read next: operations.ts. */
export { monitoringEndpoints } from './endpoints.ts'
export { monitorsBlock } from './model.ts'
export { type Monitoring, openMonitoring } from './operations.ts'
export { monitoringSubscriptions } from './subscriptions.ts'
import { windows } from './migrations/0001-windows.ts'
import { revisions } from './migrations/0002-revisions.ts'

export const monitoringMigrations = [windows, revisions]
