/** The database: a write is a value, committed by one writer; readers are apart. Knows no table. Read next: sqlite.ts. */
export type { Migration } from './migrate.ts'
export { type Comparison, compared } from './compare.ts'
export { openDb, type OpenDbOptions } from './open.ts'
export {
  type Compilable,
  type Db,
  type Dialect,
  type Param,
  type Statement,
  statement,
} from './query.ts'
export type { SqliteThreads } from './threads.ts'
