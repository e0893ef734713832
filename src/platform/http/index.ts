/** HTTP: routes as data, mounted with identity, permission and parsing at the edge. Read next: mount.ts. */
export { trustOf } from './guard.ts'
export type { Limits } from './limits.ts'
export { type Http, type HttpOptions, identityOf, openHttp, type RequestIdentity, type Tls } from './mount.ts'
export { openApiOf } from './openapi.ts'
export { problemOf, statusOf } from './problem.ts'
export {
  type Endpoint,
  type EndpointSpec,
  endpoint,
  type Method,
  type RawRoute,
  type RawRouteSpec,
  type RenderFault,
  type Route,
  rawRoute,
} from './route.ts'
