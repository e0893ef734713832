/** Lineage: what came from what, and whether it comes again. Read next: operations.ts, reproduce.ts. */
export { lineageEndpoints } from './endpoints.ts'
export { type Lineage, openLineage } from './operations.ts'
export { openReproductions, type Reproductions } from './reproduce.ts'
import { reproductions } from './migrations/0001-reproductions.ts'

export const lineageMigrations = [reproductions]
