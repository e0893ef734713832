/** Questions over Parquet, CSV and JSON lines by DuckDB, off the main thread, seeing only the files that a call names. */
export { type Column, type Columnar, type ColumnarOptions, openColumnar, type QueryOptions } from './duck.ts'
