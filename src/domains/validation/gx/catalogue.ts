/** The table of expectations: name → kwargs and plan. */
import { z } from 'zod'
import { aggregateExpectations } from './aggregates.ts'
import { GxError } from './failure.ts'
import { mapExpectations } from './maps.ts'
import { type Definition, expectation, verdict } from './plan.ts'
import { rowExpectations, tableExpectations } from './wide.ts'

const unexpectedRows = expectation(
  z.looseObject({ unexpected_rows_query: z.string() }),
  async (k, { runSql, limit }) => {
    if (runSql === undefined)
      throw new GxError('NotImplementedError', 'queries of a suite run in the command line only')
    const rows = await runSql(k.unexpected_rows_query)
    return verdict(rows.length === 0, {
      observed_value: rows.length,
      details: { unexpected_rows: rows.slice(0, limit) },
    })
  },
)

export const expectations: Readonly<Record<string, Definition>> = {
  ...mapExpectations,
  ...aggregateExpectations,
  ...rowExpectations,
  ...tableExpectations,
  unexpected_rows_expectation: unexpectedRows,
}

/** `ExpectColumnToExist` and `expect_column_to_exist` are one; case is not told apart. */
export const expectationName = (given: string): string =>
  (given.includes('_') ? given : given.replaceAll(/(?<=[a-z])(?=[A-Z])/g, '_')).toLowerCase()
