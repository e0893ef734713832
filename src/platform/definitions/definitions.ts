/**
 * Definitions as applied: the truth that domains read their blocks from. Apply is idempotent and one unit; plan shows
 * the difference. Read next: document.ts (checks), store.ts (SQL).
 */
import { z } from 'zod'
import type { Caller } from '#base/caller.ts'
import { digestOf, type Sha256 } from '#base/digest.ts'
import { Fault } from '#base/errors.ts'
import type { Db } from '#platform/db/index.ts'
import { defineEvent } from '#platform/events/event.ts'
import type { Events } from '#platform/events/index.ts'
import { endpoint, type Route } from '#platform/http/index.ts'
import { type Block, type Checked, checkText, type Objection, type Whole } from './document.ts'
import { type DefinitionRow, definitionsStore } from './store.ts'

const CodeOrigin = z.strictObject({
  tree: z.string().regex(/^[0-9a-f]{64}$/),
  commit: z.string().max(80).optional(),
  dirty: z.boolean().default(false),
})
export const ApplyDefinition = z.strictObject({
  text: z.string().max(4_000_000),
  file: z.string().max(400).default('headrace.yaml'),
  /** The directory on the server's machine that paths of the file are relative to. */
  root: z.string().max(4_000),
  code: CodeOrigin,
})
export type ApplyDefinition = z.output<typeof ApplyDefinition>

export interface Applied {
  readonly project: string
  readonly number: number
  readonly digest: Sha256
  readonly appliedAt: number
  readonly root: string
  readonly text: string
  readonly code: { readonly tree: Sha256; readonly commit?: string; readonly dirty: boolean }
  readonly whole: Whole
}
export const Change = z.object({
  path: z.string(),
  kind: z.enum(['added', 'removed', 'changed']),
  before: z.unknown().optional(),
  after: z.unknown().optional(),
})
export type Change = z.output<typeof Change>

export const definitionApplied = defineEvent(
  'definitions.definition.applied',
  z.object({ number: z.number(), digest: z.string(), changes: z.number() }),
)

export interface Definitions {
  readonly blocks: readonly Block<unknown>[]
  /** The latest definition of a project; undefined before the first apply. */
  applied(project: string): Promise<Applied | undefined>
  blockOf<T>(project: string, block: Block<T>): Promise<T | undefined>
  check(text: string, file: string): Promise<Checked>
  plan(command: Pick<ApplyDefinition, 'text' | 'file'>, caller: Caller): Promise<{ changes: Change[] }>
  /** @throws Fault invalid `definitions.invalid` with the problems, conflict when another apply came first */
  apply(
    command: ApplyDefinition,
    caller: Caller,
  ): Promise<{ number: number; applied: boolean; changes: Change[] }>
}

export interface DefinitionsDeps {
  /** What is wrong in view of what is no part of any definition, such as its project's secrets. */
  readonly outside?: (whole: Whole, project: string) => Promise<Objection[]>
  readonly db: Db
  readonly events: Events
  readonly blocks: readonly Block<unknown>[]
  /** Makes sure that the project exists, before its first definition. */
  readonly ensureProject: (
    name: string,
    details: { owner?: string; timezone: string },
    caller: Caller,
  ) => Promise<void>
}

export function openDefinitions({
  db,
  events,
  blocks,
  ensureProject,
  outside,
}: DefinitionsDeps): Definitions {
  const store = definitionsStore(db)
  const cache = new Map<string, Promise<Applied | undefined>>()
  const applied = (project: string) => {
    const known = cache.get(project)
    if (known !== undefined) return known
    const reading = store.latest(project).then((row) => row && appliedOf(row))
    cache.set(project, reading)
    reading.then((found) => found === undefined && cache.delete(project)).catch(() => cache.delete(project))
    return reading
  }
  return {
    blocks,
    applied,
    check: (text, file) => checkText(text, file, blocks),
    async blockOf<T>(project: string, block: Block<T>) {
      return (await applied(project))?.whole[block.name] as T | undefined
    },
    async plan({ text, file }, caller) {
      const whole = await wholeOf({ text, file }, { blocks, outside }, caller)
      return { changes: differences((await applied(caller.project))?.whole ?? {}, whole) }
    },
    async apply(command, caller) {
      const whole = await wholeOf(command, { blocks, outside }, caller)
      await ensureProject(caller.project, whole.project as { owner?: string; timezone: string }, caller)
      const before = await applied(caller.project)
      const digest = digestOf({ whole, code: command.code, root: command.root })
      const changes = differences(before?.whole ?? {}, whole)
      if (before?.digest === digest) return { number: before.number, applied: false, changes: [] }
      const number = (before?.number ?? 0) + 1
      const row = rowOf(command, caller, { number, digest, whole })
      const fact = {
        type: definitionApplied,
        subject: `definition:${number}`,
        payload: { number, digest, changes: changes.length },
      }
      // The unique key refuses the second of two applies at once.
      await db.commit([store.insert(row), events.record(caller, fact)])
      cache.set(caller.project, Promise.resolve(appliedOf(row)))
      return { number, applied: true, changes }
    },
  }
}

/** The blocks of a file without fault, for the caller's project. */
async function wholeOf(
  { text, file }: { text: string; file: string },
  { blocks, outside }: Pick<DefinitionsDeps, 'blocks'> & { outside: DefinitionsDeps['outside'] | undefined },
  caller: Caller,
): Promise<Whole> {
  const { whole, problems } = await checkText(
    text,
    file,
    blocks,
    async (found) => (await outside?.(found, caller.project)) ?? [],
  )
  const first = problems[0]
  if (whole === undefined || first !== undefined) {
    throw new Fault(
      'invalid',
      'definitions.invalid',
      `${file}:${first?.line}:${first?.column} ${first?.message}`,
      {
        remedy: first?.fix ?? 'run headrace check',
        details: { problems },
      },
    )
  }
  const name = (whole.project as { name: string }).name
  if (name === caller.project) return whole
  throw new Fault(
    'invalid',
    'definitions.other_project',
    `the file is for project \`${name}\`, the address for \`${caller.project}\``,
    { remedy: `apply it at /p/${name}` },
  )
}

const rowOf = (
  command: ApplyDefinition,
  caller: Caller,
  more: { number: number; digest: string; whole: Whole },
): DefinitionRow => ({
  project: caller.project,
  number: more.number,
  digest: more.digest,
  text: command.text,
  whole: JSON.stringify(more.whole),
  root: command.root,
  code_tree: command.code.tree,
  code_commit: command.code.commit ?? null,
  code_dirty: command.code.dirty ? 1 : 0,
  applied_at: Date.now(),
  applied_by: caller.actor.name,
})

const appliedOf = (row: DefinitionRow): Applied => ({
  project: row.project,
  number: row.number,
  digest: row.digest,
  appliedAt: row.applied_at,
  root: row.root,
  text: row.text,
  code: {
    tree: row.code_tree,
    dirty: row.code_dirty === 1,
    ...(row.code_commit === null ? {} : { commit: row.code_commit }),
  },
  whole: JSON.parse(row.whole),
})

const changesMax = 500

/** What differs between two definitions, by path; maps are compared key by key, lists whole. */
export function differences(before: unknown, after: unknown, path = ''): Change[] {
  const isMap = (v: unknown): v is Record<string, unknown> =>
    typeof v === 'object' && v !== null && !Array.isArray(v)
  if (isMap(before) && isMap(after)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])]
    return keys
      .flatMap((key) => differences(before[key], after[key], path === '' ? key : `${path}.${key}`))
      .slice(0, changesMax)
  }
  if (before === undefined && after === undefined) return []
  if (before === undefined) return [{ path, kind: 'added', after }]
  if (after === undefined) return [{ path, kind: 'removed', before }]
  return digestOf(before) === digestOf(after) ? [] : [{ path, kind: 'changed', before, after }]
}

const AppliedOut = z.object({ number: z.number(), applied: z.boolean(), changes: z.array(Change) })
const DefinitionOut = z.object({
  project: z.string(),
  number: z.number(),
  digest: z.string(),
  appliedAt: z.number(),
  root: z.string(),
  text: z.string(),
  code: CodeOrigin,
  whole: z.record(z.string(), z.unknown()),
})

export const definitionsEndpoints = (definitions: Definitions): Route[] => [
  endpoint({
    id: 'definitions.apply',
    method: 'POST',
    path: '/api/v1/apply',
    summary: 'Make the server what the file says',
    permission: 'definition:apply',
    input: ApplyDefinition,
    output: AppliedOut,
    run: definitions.apply,
  }),
  endpoint({
    id: 'definitions.plan',
    method: 'POST',
    path: '/api/v1/plan',
    summary: 'What an apply of the file would change',
    permission: 'definition:read',
    input: z.strictObject({
      text: z.string().max(4_000_000),
      file: z.string().max(400).default('headrace.yaml'),
    }),
    output: z.object({ changes: z.array(Change) }),
    run: definitions.plan,
  }),
  endpoint({
    id: 'definitions.get',
    method: 'GET',
    path: '/api/v1/definition',
    summary: 'The definition of the project as it was last applied',
    permission: 'definition:read',
    input: z.strictObject({}),
    output: DefinitionOut,
    async run(_command: Record<string, never>, caller) {
      const found = await definitions.applied(caller.project)
      if (found !== undefined) return found
      throw new Fault(
        'not_found',
        'definitions.none',
        `project \`${caller.project}\` has no definition yet`,
        { remedy: 'headrace apply' },
      )
    },
  }),
]
