/** Identity: projects and their clocks, tokens, roles. Read next: operations.ts. */
export { accessEndpoints } from './endpoints.ts'
export { accessBlock } from './model.ts'
export { sessionRoutes, usersEndpoints } from './users-endpoints.ts'
export { type Access, openAccess } from './operations.ts'
import { accessTables } from './migrations/0001-access.ts'
import { accessUsers } from './migrations/0002-users.ts'

export const accessMigrations = [accessTables, accessUsers]
