/** JSON Schema over texts of JSON. The validator loads with the first use. */
import { GxError } from './failure.ts'

/** @throws GxError where the schema itself is none, and later for a text that is no JSON */
export async function jsonSchemaReader(given: unknown): Promise<(text: string) => boolean> {
  const schema = typeof given === 'string' ? JSON.parse(given) : given
  const dialect = String((schema as { $schema?: unknown }).$schema ?? '')
  const { Ajv2020 } = await import('ajv/dist/2020.js')
  const { Ajv } = await import('ajv')
  const isOlder = /draft-0[4-7]/.test(dialect)
  const options = { strict: false, allErrors: false, logger: false, validateFormats: false } as const
  const ajv = isOlder ? new Ajv(options) : new Ajv2020(options)
  try {
    const { $schema: _, ...rest } = schema as Record<string, unknown>
    const validate = ajv.compile(typeof schema === 'boolean' ? schema : rest)
    return (text) => validate(parsed(text)) === true
  } catch (error) {
    throw new GxError('SchemaError', `the JSON schema is not understood: ${(error as Error).message}`)
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new GxError('JSONDecodeError', `a value is no JSON: ${(error as Error).message}`)
  }
}
