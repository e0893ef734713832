/** What a column's type may be called: by pandas and numpy, by Python, by SQL, by Spark. */
import { z } from 'zod'
import { inColumn, expectation, type MapPlan, type Plan } from './plan.ts'
import type { Column } from './table.ts'

const named = (words: string) => new Set(words.split(' '))
const names = {
  bool: named('bool bool_ boolean booleandtype booleantype bit'),
  int: named(
    'int int64 int_ int64dtype integer bigint long longtype integertype int8 numeric number smallint int32 numpy.int64',
  ),
  float: named(
    'float float64 float_ float64dtype double double_precision doubletype floattype real number numeric decimal',
  ),
  text: named('str string str_ stringdtype stringtype varchar text char nvarchar nullable object object_ o'),
  time: named(
    'datetime64 datetime64[ns] datetime64[us] m8[ns] timestamp datetime timestamptype timestamp_ntz datetime.datetime',
  ),
  date: named('date datetime.date datetype object object_ o'),
  mixed: named('object object_ o'),
  other: named('object object_ o'),
} as const
const dtypes: Record<keyof typeof names, string> = {
  bool: 'bool_',
  int: 'int64',
  float: 'float64',
  text: 'object_',
  time: 'datetime64',
  date: 'object_',
  mixed: 'object_',
  other: 'object_',
}
const isZoned = (column: Column) => column.kind === 'time' && /TIMESTAMPTZ|WITH TIME ZONE/.test(column.type)
const zonedNames = named(
  'timestamp datetimetzdtype datetimetzdtypetype timestamptz datetime datetime.datetime timestamptype',
)
const dtypeName = (column: Column): string => (isZoned(column) ? 'Timestamp' : dtypes[column.kind])
const isNamed = (column: Column, type: string): boolean =>
  (isZoned(column) ? zonedNames : names[column.kind]).has(type.toLowerCase()) ||
  column.type.toLowerCase() === type.toLowerCase()
const dtypeOf = (column: Column): string =>
  column.kind === 'text' || column.kind === 'mixed' ? 'object' : dtypes[column.kind].replace(/_$/, '')
const jsonTypes: [RegExp, string][] = [
  [/^(str|string|str_)$/i, "'VARCHAR'"],
  [/^(int|int64|int_|integer)$/i, "'UBIGINT', 'BIGINT'"],
  [/^(float|float64|float_|double)$/i, "'DOUBLE'"],
  [/^(bool|bool_|boolean)$/i, "'BOOLEAN'"],
  [/^(list|tuple)$/i, "'ARRAY'"],
  [/^(dict|map)$/i, "'OBJECT'"],
]

type One = (column: Column, unexpected: string) => MapPlan
type Say = (success: boolean, result?: Record<string, unknown>) => Plan

function planned(one: One, say: Say, column: Column, types: readonly string[]): Plan {
  const isOne = types.length === 0 || types.some((type) => isNamed(column, type))
  const isObject = types.some((type) => /^(object|object_|o)$/i.test(type))
  if (isOne && column.kind === 'text' && types.length > 0 && !isObject) return one(column, 'false')
  if (isOne) return say(true, { observed_value: dtypeName(column) })
  if (column.kind === 'mixed') {
    const wanted = types.flatMap((type) =>
      jsonTypes.filter(([name]) => name.test(type)).map(([, sql]) => sql),
    )
    return one(
      column,
      wanted.length === 0 ? 'true' : `json_type(${column.sql}) not in (${wanted.join(', ')})`,
    )
  }
  // A column of texts is one of Python objects: each value has a type of its own.
  return column.kind === 'text' ? one(column, 'true') : say(false, { observed_value: dtypeName(column) })
}

export const typeExpectations = (one: One, say: Say) => ({
  expect_column_values_to_be_of_type: expectation(
    inColumn.extend({ type_: z.string().nullish() }),
    (k, { table }) => planned(one, say, table.column(k.column), typeof k.type_ === 'string' ? [k.type_] : []),
  ),
  expect_column_values_to_be_in_type_list: expectation(
    inColumn.extend({ type_list: z.array(z.string()).nullish() }),
    (k, { table }) => planned(one, say, table.column(k.column), k.type_list ?? []),
  ),
  expect_column_type_to_be: expectation(inColumn.extend({ type_: z.string() }), (k, { table }) => {
    const column = table.column(k.column)
    return say(isNamed(column, k.type_), { observed_value: dtypeOf(column) })
  }),
})
