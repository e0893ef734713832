/** Lineage: what came from what. Read next: operations.ts. */
export { lineageEndpoints } from './endpoints.ts'
export { type Lineage, openLineage } from './operations.ts'
