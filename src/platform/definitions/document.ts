/**
 * One headrace.yaml: text to values with positions, each block against the schema of its domain, then references across
 * blocks. Every problem says where, what was meant and the fix. Read next: nearest.ts (did you mean), definitions.ts.
 */
import { z } from 'zod'
import type { LineCounter, Node, ParsedNode } from 'yaml'
import { nearest } from './nearest.ts'

/** The parsed blocks by name. */
export type Whole = Record<string, unknown>
type PathInFile = readonly (string | number)[]

/** A cross-reference that does not hold. */
export interface Objection {
  readonly path: PathInFile
  readonly message: string
  readonly fix?: string
}

/** One top-level block of the file, registered by the domain that owns it. */
export interface Block<T> {
  readonly name: string
  readonly summary: string
  readonly schema: z.ZodType<T>
  /** What is wrong in view of the other blocks. Called only where every block is well formed. */
  objections?(block: T, whole: Whole): Objection[]
}

export const defineBlock = <T>(block: Block<T>): Block<T> => block

export interface Problem {
  readonly file: string
  readonly line: number
  readonly column: number
  readonly path: string
  readonly message: string
  readonly fix?: string
  /** The line of the file, for a caret under `column`. */
  readonly source: string
}

const laterBlocks = [
  'sweeps',
  'alerts',
  'budgets',
  'indexes',
  'gateway',
  'prompts',
  'guards',
  'evals',
  'fleets',
  'include',
]

const projectName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9_.-]{0,62}$/, 'a project name has lower-case letters, digits, `-`, `_` and `.`')
/** `project: iris` is short for `project: { name: iris }`. */
export const projectSchema = z.union([
  z.strictObject({ name: projectName, owner: z.string().optional(), timezone: z.string().default('UTC') }),
  projectName.transform((name) => ({ name, timezone: 'UTC' })),
])
const versionSchema = z.literal(1, { error: 'the version of the file format is 1' })

export interface Checked {
  readonly whole?: Whole
  readonly problems: readonly Problem[]
}

/**
 * Checks the text of a file. `whole` is there only where nothing is wrong. `outside` knows what no file can say, such as
 * which secrets there are.
 */
export async function checkText(
  text: string,
  file: string,
  blocks: readonly Block<unknown>[],
  outside: (whole: Whole) => Promise<Objection[]> = async () => [],
): Promise<Checked> {
  const { LineCounter, parseDocument } = await import('yaml')
  const lineCounter = new LineCounter()
  const document = parseDocument(text, {
    version: '1.2',
    lineCounter,
    prettyErrors: false,
    uniqueKeys: true,
    merge: false,
  })
  const at = positions(text, file, document.contents, lineCounter)
  if (document.errors.length > 0) {
    const problems = document.errors.map((e) =>
      at.offset(e.pos[0], e.message.split('\n')[0] ?? 'this is not YAML'),
    )
    return { problems }
  }
  const value = document.toJS({ maxAliasCount: 100 }) as unknown
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return {
      problems: [
        at.offset(0, 'the file is empty or not a map', 'start with `version: 1` and `project: { name: … }`'),
      ],
    }
  }
  const { whole, objections } = checkValue(value as Whole, blocks)
  const more = objections.length > 0 ? [] : await outside(whole)
  const problems = [...objections, ...more].map((o) => at.path(o))
  return problems.length > 0 ? { problems } : { whole, problems }
}

/** Checks parsed values; the typed twin comes in here. */
export function checkValue(
  value: Whole,
  blocks: readonly Block<unknown>[],
): { whole: Whole; objections: Objection[] } {
  const all = [...ownBlocks, ...blocks]
  const known = new Map(all.map((b) => [b.name, b]))
  const objections: Objection[] = Object.keys(value)
    .filter((name) => !known.has(name))
    .map((name) => unknownBlock(name, [...known.keys()]))
  const whole: Whole = {}
  for (const { name, schema } of all.filter((b) => ownBlocks.includes(b) || value[b.name] !== undefined)) {
    const parsed = schema.safeParse(value[name])
    if (parsed.success) whole[name] = parsed.data
    else objections.push(...parsed.error.issues.flatMap((issue) => objectionsOf(issue, name, value[name])))
  }
  return { whole, objections: objections.length > 0 ? objections : crossObjections(whole, blocks) }
}

const ownBlocks: Block<unknown>[] = [
  { name: 'version', summary: 'Version of the file format', schema: versionSchema },
  { name: 'project', summary: 'Name, owner and zone of the project', schema: projectSchema },
]

const crossObjections = (whole: Whole, blocks: readonly Block<unknown>[]): Objection[] =>
  blocks.filter((b) => whole[b.name] !== undefined).flatMap((b) => b.objections?.(whole[b.name], whole) ?? [])

function unknownBlock(name: string, known: readonly string[]): Objection {
  if (laterBlocks.includes(name)) {
    return {
      path: [name],
      message: `this version of Headrace has no \`${name}\` yet`,
      fix: `leave the block \`${name}\` out`,
    }
  }
  return { path: [name], message: `\`${name}\` is not a block of this file`, ...meant(name, known) }
}

const meant = (name: string, known: readonly string[]): { fix: string } => {
  const guess = nearest(name, known)
  return { fix: guess === undefined ? `one of: ${known.join(', ')}` : `did you mean \`${guess}\`?` }
}

/** zod's issue in the words of the file; of a union the member that came closest. */
function objectionsOf(
  issue: z.core.$ZodIssue,
  block: string,
  value: unknown,
  base: PathInFile = [],
): Objection[] {
  const path = [...base, ...(issue.path as (string | number)[])]
  const full = [block, ...path]
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: [...full, key], message: `\`${key}\` is not known here` }))
  }
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const closest = [...issue.errors].sort((a, b) => depthOf(b) - depthOf(a) || a.length - b.length)[0] ?? []
    return closest.flatMap((inner) => objectionsOf(inner, block, value, path))
  }
  if (issue.code === 'invalid_value') {
    const given = valueAt(value, path)
    const options = issue.values.map(String)
    return [
      { path: full, message: `\`${String(given)}\` is not allowed here`, ...meant(String(given), options) },
    ]
  }
  const missing = issue.code === 'invalid_type' && valueAt(value, path) === undefined
  if (missing)
    return [
      {
        path: full,
        message: `\`${String(path.at(-1) ?? block)}\` is missing`,
        fix: `add it; it is ${anOf(issue.expected)}`,
      },
    ]
  return [{ path: full, message: issue.message }]
}

const depthOf = (issues: readonly z.core.$ZodIssue[]) => Math.max(0, ...issues.map((i) => i.path.length))
const anOf = (expected: string) => (/^[aeiou]/.test(expected) ? `an ${expected}` : `a ${expected}`)
const valueAt = (value: unknown, path: PathInFile): unknown =>
  path.reduce<unknown>(
    (v, key) =>
      v === null || typeof v !== 'object' ? undefined : (v as Record<string, unknown>)[key as string],
    value,
  )

/** From paths and offsets to lines and columns. */
function positions(text: string, file: string, contents: ParsedNode | null, counter: LineCounter) {
  const lines = text.split('\n')
  const offset = (at: number, message: string, fix?: string, path = ''): Problem => {
    const { line, col } = counter.linePos(at)
    return {
      file,
      line,
      column: col,
      path,
      message,
      ...(fix === undefined ? {} : { fix }),
      source: lines[line - 1] ?? '',
    }
  }
  const path = (o: Objection): Problem =>
    offset(offsetOf(contents, o.path), o.message, o.fix, o.path.join('.'))
  return { offset, path }
}

/** Where the key of a path stands; of its deepest part that is in the file. */
function offsetOf(contents: ParsedNode | null, path: PathInFile): number {
  let node: unknown = contents
  let found = 0
  for (const key of path) {
    const items = (node as { items?: unknown[] } | null)?.items
    if (items === undefined) break
    const next =
      typeof key === 'number'
        ? items[key]
        : items.find((pair) => String((pair as { key?: { value?: unknown } }).key?.value) === key)
    if (next === undefined) break
    const pair = next as { key?: Node; value?: Node; range?: [number, number, number] }
    found = (pair.key?.range ?? pair.range)?.[0] ?? found
    node = pair.key === undefined ? next : pair.value
  }
  return found
}

/** The JSON Schema of the whole file, for editors. */
export function jsonSchemaOf(blocks: readonly Block<unknown>[]): Record<string, unknown> {
  const toJson = (schema: z.ZodType) => {
    const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Record<
      string,
      unknown
    >
    return rest
  }
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'headrace.yaml',
    type: 'object',
    required: ['version', 'project'],
    additionalProperties: false,
    properties: {
      version: { const: 1, description: 'Version of the file format' },
      project: toJson(projectSchema),
      ...Object.fromEntries(blocks.map((b) => [b.name, { description: b.summary, ...toJson(b.schema) }])),
    },
  }
}
