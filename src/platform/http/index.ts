/** The public face of platform/http: routes as data, the server that mounts them, streams, and the API document. */
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
