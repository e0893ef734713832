/**
 * Runs a step that has run before once more: the same program of the same code on the same bytes, in an environment that
 * is built from the lock of that time. It makes no dataset version and fills no cache; what it made is for comparison.
 */
import type { Caller } from '#base/caller.ts'
import { Fault } from '#base/errors.ts'
import type { Db } from '#platform/db/index.ts'
import type { FrozenDefinition } from './engine.ts'
import type { DatasetRef, Input } from './inputs.ts'
import type { Artifact, RunStepDefinition } from './model.ts'
import type { ParamValue, StepContext } from './ports.ts'
import { type RunStepDeps, runProgram } from './run-step.ts'
import { type PipelinesStore, pipelinesStore, type RunRow, type StepRow } from './store.ts'

export interface ReproduceStep {
  /** The tracked run that the step made. */
  readonly runId: string
  /** The versions that it read, by id. */
  readonly datasets: readonly DatasetRef[]
  /** The text of the environment's lock; empty where the step had none. */
  readonly lockText: string
}
export interface Reproduced {
  readonly step: string
  readonly runId: string
  readonly environmentLock: string
  readonly tree: string
}
interface ReproduceDeps extends RunStepDeps {
  readonly store: PipelinesStore
}

/** @throws Fault precondition_failed `pipelines.not_reproducible` with what is missing */
export function openStepReproduction(deps: RunStepDeps & { readonly db: Db }) {
  const house: ReproduceDeps = { ...deps, store: pipelinesStore(deps.db) }
  return (command: Parameters<typeof reproduceStep>[1], caller: Caller) =>
    reproduceStep(house, command, caller)
}

async function reproduceStep(
  deps: ReproduceDeps,
  command: ReproduceStep & { readonly signal: AbortSignal; readonly say: (line: string) => void },
  caller: Caller,
): Promise<Reproduced> {
  const { run, row } = await originOf(deps, command, caller)
  const frozen = JSON.parse(run.definition) as FrozenDefinition
  const definition = frozen.pipeline.steps[row.name] as RunStepDefinition | undefined
  if (definition === undefined || !('run' in definition))
    throw notReproducible(`step ${row.name} of r-${run.number} ran no program`)
  // Outputs that are dataset versions have their one writer; a reproduction must not be another.
  if (Object.values(definition.out).includes('dataset'))
    throw notReproducible(`step ${row.name} writes a dataset version beside its model`)
  const environment =
    command.lockText === ''
      ? undefined
      : await deps.environments.ensure(requestOf(command.lockText), command.say)
  const inputs = await inputsOf(deps, definition, { row, run, datasets: command.datasets }, caller)
  const step: StepContext = {
    caller,
    pipelineRun: `r-${run.number}`,
    pipeline: run.pipeline,
    step: row.name,
    attempt: 0,
    definition,
    // The environment is given: it comes from the lock, not from the definition.
    environment: undefined,
    params: JSON.parse(run.params) as Record<string, ParamValue>,
    trigger: { kind: 'manual', cause: { reproduces: command.runId } },
    outputsOf: () => undefined,
    code: frozen.code,
    signal: command.signal,
    log: command.say,
    progress: () => undefined,
  }
  const result = await runProgram(deps, step, inputs, environment)
  const artifact = models(result.outputs)[0]
  if (artifact?.kind !== 'model' || result.runId === undefined)
    throw notReproducible(`step ${row.name} made no model`)
  return {
    step: `r-${run.number}/${row.name}`,
    runId: result.runId,
    environmentLock: artifact.environmentLock,
    tree: artifact.tree,
  }
}

const models = (outputs: Readonly<Record<string, Artifact>>) =>
  Object.values(outputs).filter((a) => a.kind === 'model')

/** The step's row that really ran: a cached one names the run whose result it took. */
async function originOf(
  { store, experiments }: ReproduceDeps,
  { runId }: ReproduceStep,
  caller: Caller,
): Promise<{ run: RunRow; row: StepRow }> {
  const { tags } = await experiments.getRun({ run: runId }, caller)
  const number = Number(/^r-(\d+)$/.exec(tags['headrace.pipeline_run'] ?? '')?.[1])
  const run = Number.isInteger(number) ? await store.run(caller.project, number) : undefined
  const row =
    run === undefined
      ? undefined
      : (await store.steps(caller.project, run.number)).find((step) => step.run_id === runId)
  if (run !== undefined && row !== undefined) return { run, row }
  throw notReproducible(`run ${runId} was not made by a pipeline step of this server`)
}

interface Origin {
  readonly row: StepRow
  readonly run: RunRow
  readonly datasets: readonly DatasetRef[]
}
/** The inputs as they were: versions by the ids of the model's lineage, values from the parts of the cache key. */
async function inputsOf(
  deps: ReproduceDeps,
  definition: RunStepDefinition,
  { row, run, datasets }: Origin,
  caller: Caller,
): Promise<Map<string, Input>> {
  const parts =
    row.key_parts === null ? {} : (JSON.parse(row.key_parts) as { inputs?: Record<string, unknown> })
  const inputs = new Map<string, Input>()
  for (const [name, reference] of Object.entries(definition.in)) {
    const identity = parts.inputs?.[name]
    if (reference.kind === 'param') {
      const params = JSON.parse(run.params) as Record<string, ParamValue>
      inputs.set(name, { kind: 'value', value: params[reference.name] })
      continue
    }
    const ref = datasets.find((d) => identity === `${d.dataset}@${d.id}`)
    if (ref === undefined) throw notReproducible(`which version input \`${name}\` was is not on record`)
    const { version, paths } = await deps.datasets.acceptedFiles(ref, caller)
    if (version.id !== ref.id)
      throw notReproducible(`${ref.dataset}@v${ref.version} is not what the model was trained on`)
    inputs.set(name, { kind: 'dataset', ref, paths })
  }
  return inputs
}

/** `# python 3.11.7 on linux x64; threads 1`, then pinned packages with their hashes. */
function requestOf(lockText: string): { python: string; requirements: string; threads?: number } {
  const [head = '', ...packages] = lockText.split('\n')
  const found = /^# python (\d+\.\d+)\.\d+ on \S+ \S+; threads (\S+)$/.exec(head)
  if (found === null) throw notReproducible('the lock of its environment cannot be read')
  const threads = Number(found[2])
  return {
    python: found[1] ?? '',
    requirements: packages.join('\n'),
    ...(Number.isInteger(threads) ? { threads } : {}),
  }
}

const notReproducible = (why: string) =>
  new Fault('precondition_failed', 'pipelines.not_reproducible', `this cannot be reproduced: ${why}`, {
    remedy: 'train the model by a pipeline step whose inputs are dataset versions, features and parameters',
  })
