/** Open Inference Protocol v2 over REST, with the binary tensor extension. Translates, decides nothing. */
export { oipRoutes } from './routes.ts'
