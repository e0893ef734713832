/**
 * Secrets and variables of a `run:` step: `secret:NAME` under `env:` becomes a variable, under `in:` a file of mode 0600
 * in the attempt's folder. References are opened just before the program starts and masked in all that it says.
 */
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { Objection, Whole } from '#platform/definitions/index.ts'
import { type Masker, maskerOf, type Secrets } from '#platform/secrets/index.ts'
import type { RunStepDefinition } from './model.ts'
import type { StepContext } from './ports.ts'

export type StepSecrets = Pick<Secrets, 'digest' | 'reveal'>
export interface Revealed {
  readonly values: ReadonlyMap<string, string>
  /** A masker for each stream of the program; undefined where there is nothing to mask. */
  readonly mask: (() => Masker) | undefined
}
const secretPattern = /^secret:([A-Za-z][A-Za-z0-9_.-]*)$/

/** A definition that was applied before there were variables has none. */
const envOf = (definition: { readonly env?: RunStepDefinition['env'] }): RunStepDefinition['env'] =>
  definition.env ?? {}

/** Names of the secrets that a step's variables and files speak of. */
function namesOf(definition: Pick<RunStepDefinition, 'env' | 'in'>): string[] {
  const variables = Object.values(envOf(definition)).map((value) => secretPattern.exec(String(value))?.[1])
  const files = Object.values(definition.in).map((r) => (r.kind === 'secret' ? r.name : undefined))
  return [...new Set([...variables, ...files])].filter((name) => name !== undefined)
}

/** What the cache key of a step knows of its variables: values, but of secrets only keyed digests. */
export async function envKeyOf(
  secrets: StepSecrets,
  step: StepContext,
): Promise<Record<string, unknown> | undefined> {
  const env = envOf(step.definition as RunStepDefinition)
  if (Object.keys(env).length === 0) return undefined
  const parts: Record<string, unknown> = {}
  for (const [variable, value] of Object.entries(env)) {
    const name = secretPattern.exec(String(value))?.[1]
    parts[variable] = name === undefined ? value : await secrets.digest(step.caller.project, name)
  }
  return parts
}

export async function revealFor(secrets: StepSecrets, step: StepContext): Promise<Revealed> {
  const names = namesOf(step.definition as RunStepDefinition)
  if (names.length === 0) return { values: new Map(), mask: undefined }
  const by = `${step.pipelineRun}/${step.step}`
  const values = await secrets.reveal({ names, by }, step.caller)
  const all = [...values.values()]
  return { values, mask: () => maskerOf(all) }
}

/** The variables of `env:`, with secrets and parameters in place. */
export function variablesOf(step: StepContext, { values }: Revealed): Record<string, string> {
  const env = envOf(step.definition as RunStepDefinition)
  return Object.fromEntries(
    Object.entries(env).map(([variable, value]) => {
      const text = String(value)
      const secret = secretPattern.exec(text)?.[1]
      const param = /^param:([\w-]+)$/.exec(text)?.[1]
      if (secret !== undefined) return [variable, values.get(secret) ?? '']
      return [variable, param === undefined ? text : String(step.params[param] ?? '')]
    }),
  )
}

const folderOf = (work: string) => path.join(work, 'secrets')

/** Writes the secrets that `in:` names; what the step's file says about each. */
export async function laySecrets(step: StepContext, { values }: Revealed, work: string) {
  const laid: Record<string, { kind: 'file'; path: string }> = {}
  for (const [name, reference] of Object.entries((step.definition as RunStepDefinition).in)) {
    if (reference.kind !== 'secret') continue
    await mkdir(folderOf(work), { recursive: true, mode: 0o700 })
    const file = path.join(folderOf(work), name)
    await writeFile(file, values.get(reference.name) ?? '', { mode: 0o600, flag: 'wx' })
    laid[name] = { kind: 'file', path: file }
  }
  return laid
}

export const removeSecrets = (work: string) => rm(folderOf(work), { recursive: true, force: true })

/** Takes away the secret files of attempts that a dead server left. */
export async function sweepSecrets(workDirectory: string): Promise<void> {
  const attempts = await readdir(workDirectory).catch(() => [])
  for (const attempt of attempts) await removeSecrets(path.join(workDirectory, attempt))
}

/** References of a checked definition to secrets that do not exist. */
export function secretObjections(whole: Whole, known: readonly string[]): Objection[] {
  const pipelines = (whole.pipelines as Record<string, PipelineLike> | undefined) ?? {}
  return Object.entries(pipelines).flatMap(([pipeline, { steps, triggers }]) => [
    ...triggers.flatMap(({ secret }, i) => {
      const name = secretPattern.exec(secret ?? '')?.[1]
      if (name === undefined || known.includes(name)) return []
      const path = ['pipelines', pipeline, 'triggers', i, 'secret']
      return [{ path, message: `there is no secret \`${name}\``, fix: `headrace admin secret set ${name}` }]
    }),
    ...Object.entries(steps).flatMap(([step, definition]) => {
      if (!('run' in (definition as object))) return []
      const at = ['pipelines', pipeline, 'steps', step]
      return unknownIn(definition as RunStepDefinition, known).map(({ where, name }) => ({
        path: [...at, ...where],
        message: `there is no secret \`${name}\``,
        fix: `headrace admin secret set ${name}`,
      }))
    }),
  ])
}
interface PipelineLike {
  readonly steps: Readonly<Record<string, unknown>>
  readonly triggers: readonly { readonly secret?: string }[]
}

function unknownIn(definition: RunStepDefinition, known: readonly string[]) {
  const variables = Object.entries(envOf(definition)).map(([key, value]) => ({
    where: ['env', key],
    name: secretPattern.exec(String(value))?.[1],
  }))
  const files = Object.entries(definition.in).map(([key, r]) => ({
    where: ['in', key],
    name: r.kind === 'secret' ? r.name : undefined,
  }))
  return [...variables, ...files].filter(
    (found): found is { where: string[]; name: string } =>
      found.name !== undefined && !known.includes(found.name),
  )
}
