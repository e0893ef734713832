/** What a `run:` step reads: references of its definition as versions, files and values, pinned before it runs. */
import { mkdir, symlink } from 'node:fs/promises'
import path from 'node:path'
import type { Caller } from '#base/caller.ts'
import { Fault } from '#base/errors.ts'
import { type Blobs, checkoutTree } from '#platform/blobs/index.ts'
import { durationMs, type Reference } from '#platform/definitions/index.ts'
import type { Datasets, DatasetVersion } from '../datasets/index.ts'
import type { Artifact, RunStepDefinition } from './model.ts'
import type { ParamValue, StepContext } from './ports.ts'
import type { StepSecrets } from './step-secrets.ts'

export interface DatasetRef {
  readonly dataset: string
  readonly version: number
  readonly id: string
}
/** The rows of a feature view up to a label version, as a dataset version. */
export type TrainingSet = (
  command: { view: string; lastMs?: number; untilMs?: number; labels?: { dataset: string; version: number } },
  caller: Caller,
) => Promise<{ version: DatasetVersion; paths: string[] }>

export interface InputDeps {
  readonly blobs: Blobs
  readonly datasets: Pick<Datasets, 'acceptedFiles' | 'versionOf'>
  readonly trainingSet: TrainingSet
  readonly secrets: StepSecrets
}
export type Input =
  | { readonly kind: 'dataset'; readonly ref: DatasetRef; readonly paths: readonly string[] }
  | { readonly kind: 'model'; readonly tree: string }
  | { readonly kind: 'file'; readonly digest: string; readonly name: string }
  | { readonly kind: 'value'; readonly value: unknown }
  | { readonly kind: 'secret'; readonly digest: string }

export async function resolveInputs(deps: InputDeps, step: StepContext): Promise<Map<string, Input>> {
  const definition = step.definition as RunStepDefinition
  const resolved = new Map<string, Input>()
  for (const [name, reference] of Object.entries(definition.in))
    resolved.set(name, await resolve(deps, step, reference))
  return resolved
}

async function resolve(deps: InputDeps, step: StepContext, reference: Reference): Promise<Input> {
  switch (reference.kind) {
    case 'dataset':
      return fromFiles(
        await deps.datasets.acceptedFiles(
          { dataset: reference.name, version: pinned(step, reference.name) },
          step.caller,
        ),
      )
    case 'features': {
      const lastMs = windowMs(step, reference.last)
      const untilMs = windowMs(step, reference.until)
      const labels = step.trigger.cause.labelVersion as { dataset: string; version: number } | undefined
      const command = {
        view: reference.name,
        ...(lastMs === undefined ? {} : { lastMs }),
        ...(untilMs === undefined ? {} : { untilMs }),
      }
      return fromFiles(
        await deps.trainingSet(labels === undefined ? command : { ...command, labels }, step.caller),
      )
    }
    case 'step':
      return fromArtifact(deps, step, reference)
    case 'param':
      return { kind: 'value', value: step.params[reference.name] }
    case 'secret':
      return { kind: 'secret', digest: await deps.secrets.digest(step.caller.project, reference.name) }
    case 'model':
      throw new Fault(
        'unsupported',
        'pipelines.input_unsupported',
        `a step cannot read ${reference.kind}:${reference.name} yet`,
      )
    default:
      return reference.kind satisfies never
  }
}

const fromFiles = ({ version, paths }: { version: DatasetVersion; paths: readonly string[] }): Input => ({
  kind: 'dataset',
  ref: { dataset: version.dataset, version: version.version, id: version.id },
  paths,
})

async function fromArtifact(deps: InputDeps, step: StepContext, reference: Reference): Promise<Input> {
  const artifact = artifactOf(step, reference)
  if (artifact.kind === 'dataset') return fromFiles(await deps.datasets.acceptedFiles(artifact, step.caller))
  if (artifact.kind === 'model') return { kind: 'model', tree: artifact.tree }
  if (artifact.kind === 'file') return { kind: 'file', digest: artifact.digest, name: artifact.name }
  return { kind: 'value', value: artifact }
}

/** The output of another step of this run. @throws Fault precondition_failed `pipelines.output_missing` */
export function artifactOf(step: StepContext, reference: Reference): Artifact {
  const outputs = step.outputsOf(reference.name) ?? {}
  const name = reference.output ?? Object.keys(outputs)[0] ?? ''
  const artifact = outputs[name]
  if (artifact !== undefined) return artifact
  throw new Fault(
    'precondition_failed',
    'pipelines.output_missing',
    `step ${reference.name} made no \`${name}\``,
  )
}

/** The version that started the run, where it is of this dataset; else the newest that the checks accepted. */
export function pinned(step: StepContext, dataset: string): number | 'accepted' {
  const { cause } = step.trigger
  return cause.dataset === dataset && typeof cause.version === 'number' ? cause.version : 'accepted'
}

/** `365d`, or the parameter that holds it. */
export function windowMs(step: Pick<StepContext, 'params'>, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const value: ParamValue | undefined = text.startsWith('param:')
    ? step.params[text.slice('param:'.length)]
    : text
  return durationMs(String(value))
}

/** Lays the inputs below a folder, read-only; what the step's file says about each. */
export async function layInputs(
  deps: InputDeps,
  inputs: ReadonlyMap<string, Input>,
  folder: string,
): Promise<Record<string, unknown>> {
  const laid: Record<string, unknown> = {}
  for (const [name, input] of inputs)
    if (input.kind !== 'secret') laid[name] = await layInput(deps, input, path.join(folder, name))
  return laid
}

async function layInput(
  deps: InputDeps,
  input: Exclude<Input, { kind: 'secret' }>,
  folder: string,
): Promise<unknown> {
  if (input.kind === 'value') return { kind: 'value', value: input.value }
  await mkdir(folder, { recursive: true })
  if (input.kind === 'model') {
    await checkoutTree(deps.blobs, input.tree, folder)
    return { kind: 'model', path: folder }
  }
  if (input.kind === 'file') {
    const file = path.join(folder, path.basename(input.name))
    await deps.blobs.checkout(input.digest, file)
    return { kind: 'file', path: file }
  }
  const names = input.paths.map((_, i) => path.join(folder, `${String(i).padStart(6, '0')}.parquet`))
  // Links to the stored, read-only bytes: a year of nights is laid in milliseconds.
  for (const [i, name] of names.entries()) await symlink(input.paths[i] as string, name)
  const only = names.length === 1 ? names[0] : undefined
  return { kind: 'dataset', path: only ?? folder, ...input.ref }
}
