/** The native API's own routes: health, events, audit, blobs, schema. Domains bring theirs as endpoints. */
export { apiRoutes, type ApiDeps } from './routes.ts'
