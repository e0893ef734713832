/** OpenAPI 3.1 of the native API, made from the same endpoints that are mounted. */
import { z } from 'zod'
import type { Endpoint, Route } from './route.ts'

export function openApiOf(routes: readonly Route[], version: string): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const route of [...routes].sort((a, b) =>
    a.path < b.path ? -1 : a.path > b.path ? 1 : a.method < b.method ? -1 : 1,
  )) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}').replace(/\*$/, '{path}')
    const item = paths[path] ?? {}
    item[route.method.toLowerCase()] = operationOf(route, path)
    paths[path] = item
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Headrace', version, description: 'Every address may be prefixed with /p/PROJECT.' },
    paths,
  }
}

function operationOf(route: Route, path: string): Record<string, unknown> {
  const named = [...path.matchAll(/\{(\w+)\}/g)].map((m) => m[1] as string)
  const common = { operationId: route.id, summary: route.summary, 'x-permission': route.permission }
  const inPath = named.map((name) => ({ name, in: 'path', required: true, schema: { type: 'string' } }))
  if (route.kind === 'raw')
    return { ...common, parameters: inPath, responses: { '200': { description: 'As its protocol says' } } }
  return { ...common, ...inputOf(route, named, inPath), responses: responsesOf(route) }
}

interface JsonObject {
  properties?: Record<string, object>
  required?: string[]
}
function inputOf(
  route: Endpoint,
  named: readonly string[],
  inPath: readonly object[],
): Record<string, unknown> {
  const schema = schemaOf(route.input, 'input') as JsonObject
  const fields = Object.entries(schema.properties ?? {}).filter(([name]) => !named.includes(name))
  const required = schema.required ?? []
  if (route.method === 'GET' || route.method === 'HEAD') {
    const inQuery = fields.map(([name, field]) => ({
      name,
      in: 'query',
      required: required.includes(name),
      schema: field,
    }))
    return { parameters: [...inPath, ...inQuery] }
  }
  if (fields.length === 0) return { parameters: inPath }
  const body = {
    type: 'object',
    properties: Object.fromEntries(fields),
    required: required.filter((r) => !named.includes(r)),
  }
  return { parameters: inPath, requestBody: { content: { 'application/json': { schema: body } } } }
}

const responsesOf = (route: Endpoint) => ({
  [route.status]: {
    description: 'Done',
    content: { 'application/json': { schema: schemaOf(route.output, 'output') } },
  },
  default: { description: 'A fault, as RFC 9457 problem details with `code` and `remedy`' },
})

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): object {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as Record<
    string,
    unknown
  >
  return rest
}
