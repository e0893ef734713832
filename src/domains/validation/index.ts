/** Checks of data: verdicts, and the rows that they keep out. Read next: operations.ts. */
export { validationEndpoints } from './endpoints.ts'
export { type CheckOptions, checkSuite, type ValidationResult } from './gx/check.ts'
export { parseJson, readSuite } from './gx/suite.ts'
export { fileTable, testTable } from './gx/table.ts'
export { checksObjections } from './model.ts'
export { openValidation, type Validation } from './operations.ts'
import { files } from './migrations/0001-files.ts'

export const validationMigrations = [files]
