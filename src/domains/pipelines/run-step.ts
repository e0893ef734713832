/**
 * The step kind `run`: a program of the project's code in its environment, with its inputs laid out and its outputs
 * taken in. The user's code runs behind this one boundary: what fails there is said as theirs.
 */
import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { digestOf } from '#base/digest.ts'
import { Fault } from '#base/errors.ts'
import { newId } from '#base/ids.ts'
import { checkoutTree, putTree, readTree, type Tree } from '#platform/blobs/index.ts'
import { type Definitions, durationMs, parseReference } from '#platform/definitions/index.ts'
import type { Environment, Environments } from '#platform/environments/index.ts'
import { type Processes, splitWords } from '#platform/process/index.ts'
import { type Datasets, datasetsBlock } from '../datasets/index.ts'
import type { Experiments } from '../experiments/index.ts'
import { type DatasetRef, type Input, type InputDeps, layInputs, resolveInputs } from './inputs.ts'
import type { Artifact, RunStepDefinition } from './model.ts'
import type { StepContext, StepKind, StepResult } from './ports.ts'
import { envKeyOf, laySecrets, type Revealed, removeSecrets, revealFor, variablesOf } from './step-secrets.ts'

export interface RunStepDeps extends InputDeps {
  readonly datasets: Datasets
  readonly experiments: Experiments
  readonly definitions: Definitions
  readonly environments: Environments
  readonly processes: Processes
  /** A short-lived token that may log to this run and nothing else. */
  readonly mintToken: (command: {
    project: string
    actor: string
    grants: string[]
    ttlMs: number
  }) => Promise<string>
  /** Address of this server as its children reach it; undefined where none listens. */
  readonly serverUrl: () => string | undefined
  readonly workDirectory: string
  /** The folder of the Python client, put on PYTHONPATH. */
  readonly pythonClient: string
  readonly baseEnv: Readonly<Record<string, string>>
}

const timeoutMsDefault = 6 * 3_600_000
const linesKept = 20
const timedOutCode = 'timeout'

export function runStepKind(deps: RunStepDeps): StepKind {
  const inputsOf = new WeakMap<StepContext, Promise<Map<string, Input>>>()
  const inputs = (step: StepContext) => {
    const resolving = inputsOf.get(step) ?? resolveInputs(deps, step)
    inputsOf.set(step, resolving)
    return resolving
  }
  return {
    kind: 'run',
    async keyParts(step) {
      const definition = step.definition as RunStepDefinition
      if (definition.cache === 'never') return 'never'
      const environment = definition.environment ?? step.environment
      const env = await envKeyOf(deps.secrets, step)
      return {
        command: definition.run,
        ...(env === undefined ? {} : { env }),
        code: step.code.tree,
        environment:
          environment === undefined
            ? null
            : { ...environment, requirements: digestOf(await requirementsOf(deps, step)) },
        out: definition.out,
        params: step.params,
        inputs: Object.fromEntries(
          [...(await inputs(step))].map(([name, input]) => [name, identityOf(input)]),
        ),
      }
    },
    run: async (step) => runProgram(deps, step, await inputs(step)),
  }
}

function identityOf(input: Input): unknown {
  if (input.kind === 'dataset') return `${input.ref.dataset}@${input.ref.id}`
  if (input.kind === 'model') return input.tree
  return input.kind === 'value' ? input.value : input.digest
}

/** The text of the requirements file that the environment names, from the code of the run. */
async function requirementsOf(deps: RunStepDeps, step: StepContext): Promise<string> {
  const name = ((step.definition as RunStepDefinition).environment ?? step.environment)?.requirements
  if (name === undefined) return ''
  const file = (await codeOf(deps, step)).files.find((f) => f.path === path.posix.normalize(name))
  if (file !== undefined) return (await deps.blobs.bytes(file.digest)).toString('utf8')
  throw new Fault('invalid', 'pipelines.requirements_missing', `the project has no file ${name}`, {
    remedy: 'correct `requirements:` or add the file, then headrace apply',
  })
}

async function environmentFor(deps: RunStepDeps, step: StepContext): Promise<Environment | undefined> {
  const wanted = (step.definition as RunStepDefinition).environment ?? step.environment
  if (wanted === undefined) return undefined
  const requirements = await requirementsOf(deps, step)
  const request = {
    requirements,
    ...(wanted.python === undefined ? {} : { python: wanted.python }),
    ...(wanted.threads === undefined ? {} : { threads: wanted.threads }),
  }
  return deps.environments.ensure(request, (line) => {
    step.log(line)
    step.progress(line)
  })
}

/** Runs the step's program on these inputs; in the environment that its definition asks for, or in one that is given. */
export async function runProgram(
  deps: RunStepDeps,
  step: StepContext,
  inputs: ReadonlyMap<string, Input>,
  given?: Environment,
): Promise<Extract<StepResult, { state: 'succeeded' | 'refused' }>> {
  const environment = given ?? (await environmentFor(deps, step))
  const work = path.join(
    deps.workDirectory,
    `${step.pipelineRun}-${step.step}-${step.attempt}-${newId().slice(-6)}`,
  )
  const isTracked = isTrackedStep(step.definition as RunStepDefinition)
  const runId = isTracked ? await startTracking(deps, step) : undefined
  try {
    const secrets = await revealFor(deps.secrets, step)
    await mkdir(path.join(work, 'code'), { recursive: true })
    const [env] = await Promise.all([
      layStep(deps, step, { work, inputs, environment, runId, secrets }),
      codeOf(deps, step).then((tree) => checkoutTree(deps.blobs, tree, path.join(work, 'code'))),
    ])
    await execute(deps, step, { cwd: path.join(work, 'code'), env, secrets }).finally(() =>
      removeSecrets(work),
    )
    const outputs = await takeOutputs(deps, step, { work, inputs, environment, runId })
    if (runId !== undefined) await deps.experiments.endRun({ run: runId, status: 'finished' }, step.caller)
    const summary = await summaryOf(deps, step, outputs, runId)
    return { state: 'succeeded', outputs, summary, ...(runId === undefined ? {} : { runId }) }
  } catch (error) {
    const status = step.signal.aborted ? 'killed' : 'failed'
    if (runId !== undefined)
      await deps.experiments.endRun({ run: runId, status }, step.caller).catch(() => undefined)
    throw error
  } finally {
    // Nobody waits for the sweeping.
    void rm(work, { recursive: true, force: true }).catch(() => undefined)
  }
}

/** The tree of a run's code, read once a run rather than once a step. */
const lastTrees = new WeakMap<RunStepDeps, Tree>()
async function codeOf(deps: RunStepDeps, step: StepContext): Promise<Tree> {
  const known = lastTrees.get(deps)
  if (known?.digest === step.code.tree) return known
  const tree = await readTree(deps.blobs, step.code.tree)
  lastTrees.set(deps, tree)
  return tree
}

const isTrackedStep = (definition: RunStepDefinition) =>
  definition.metrics !== undefined || Object.values(definition.out).includes('model')

async function startTracking(deps: RunStepDeps, step: StepContext): Promise<string> {
  const tags = [
    { key: 'headrace.pipeline_run', value: step.pipelineRun },
    { key: 'headrace.code', value: step.code.tree },
    ...(step.code.commit === undefined
      ? []
      : [{ key: 'headrace.commit', value: `${step.code.commit}${step.code.dirty ? '+dirty' : ''}` }]),
  ]
  const name = `${step.pipelineRun}/${step.step}`
  return (await deps.experiments.startRun({ experiment: step.pipeline, name, tags }, step.caller)).id
}

interface Work {
  readonly work: string
  readonly inputs: ReadonlyMap<string, Input>
  readonly environment: Environment | undefined
  readonly runId: string | undefined
}

/** Lays inputs and the step's file; the environment that the program gets. */
async function layStep(
  deps: RunStepDeps,
  step: StepContext,
  { work, inputs, environment, runId, secrets }: Work & { readonly secrets: Revealed },
): Promise<Record<string, string>> {
  const definition = step.definition as RunStepDefinition
  const outputs: Record<string, { kind: string; path: string }> = {}
  for (const [name, kind] of Object.entries(definition.out)) {
    outputs[name] = { kind, path: path.join(work, 'out', name) }
    await mkdir(path.join(work, 'out', name), { recursive: true })
  }
  const values = [...inputs]
    .filter(([, input]) => input.kind === 'value')
    .map(([name, input]) => [name, (input as { value: unknown }).value])
  const file = path.join(work, 'step.json')
  const about = {
    project: step.caller.project,
    pipeline: step.pipeline,
    pipeline_run: step.pipelineRun,
    run_id: runId,
    step: step.step,
    params: { ...step.params, ...Object.fromEntries(values) },
    inputs: {
      ...(await layInputs(deps, inputs, path.join(work, 'in'))),
      ...(await laySecrets(step, secrets, work)),
    },
    outputs,
  }
  await writeFile(file, JSON.stringify(about, undefined, 1))
  const tracking = runId === undefined ? {} : await trackingEnv(deps, step, runId)
  return {
    ...deps.baseEnv,
    ...environment?.env,
    ...variablesOf(step, secrets),
    ...tracking,
    PYTHONPATH: deps.pythonClient,
    HEADRACE_STEP: file,
    HEADRACE_PROJECT: step.caller.project,
  }
}

async function trackingEnv(
  deps: RunStepDeps,
  step: StepContext,
  runId: string,
): Promise<Record<string, string>> {
  const server = deps.serverUrl()
  if (server === undefined) return {}
  const definition = step.definition as RunStepDefinition
  const ttlMs =
    (definition.resources?.timeout === undefined
      ? timeoutMsDefault
      : durationMs(definition.resources.timeout)) + 60_000
  const actor = `step:${step.pipeline}/${step.step}`
  const token = await deps.mintToken({
    project: step.caller.project,
    actor,
    grants: ['run:read', 'run:write', 'dataset:read', 'blob:write'],
    ttlMs,
  })
  const address = `${server}/p/${step.caller.project}`
  return {
    HEADRACE_SERVER: server,
    HEADRACE_TOKEN: token,
    HEADRACE_RUN_ID: runId,
    MLFLOW_TRACKING_URI: address,
    MLFLOW_TRACKING_TOKEN: token,
    MLFLOW_RUN_ID: runId,
    // Children report to nobody but us.
    MLFLOW_DISABLE_TELEMETRY: 'true',
    DO_NOT_TRACK: '1',
  }
}

async function execute(
  deps: RunStepDeps,
  step: StepContext,
  { cwd, env, secrets }: { cwd: string; env: Record<string, string>; secrets: Revealed },
): Promise<void> {
  const definition = step.definition as RunStepDefinition
  const last: string[] = []
  step.progress('running')
  const finished = await deps.processes.run({
    argv: splitWords(definition.run),
    cwd,
    env,
    filter: secrets.mask,
    signal: step.signal,
    timeoutMs:
      definition.resources?.timeout === undefined
        ? timeoutMsDefault
        : durationMs(definition.resources.timeout),
    onLine(line) {
      step.log(line)
      last.push(line)
      if (last.length > linesKept) last.shift()
    },
  })
  if (finished.exitCode === 0) return
  const reason = finished.timedOut
    ? timedOutCode
    : finished.signal === 'SIGKILL'
      ? 'oom'
      : `exit_${finished.exitCode ?? finished.signal}`
  const said = last.filter((l) => l.trim() !== '').at(-1) ?? 'it said nothing'
  const how = finished.timedOut
    ? 'ran out of time'
    : finished.exitCode === null
      ? `was ended by ${finished.signal}`
      : `ended with exit code ${finished.exitCode}`
  throw new Fault(
    'invalid',
    'pipelines.program_failed',
    `\`${definition.run}\` ${how}: ${said.slice(0, 500)}`,
    {
      remedy: `headrace logs ${step.pipelineRun}/${step.step}`,
      details: { reason, lines: last },
    },
  )
}

async function takeOutputs(
  deps: RunStepDeps,
  step: StepContext,
  { work, inputs, environment, runId }: Work,
): Promise<Record<string, Artifact>> {
  const definition = step.definition as RunStepDefinition
  const parents = [...inputs.values()].flatMap((i): DatasetRef[] => (i.kind === 'dataset' ? [i.ref] : []))
  const taken: Record<string, Artifact> = {}
  for (const [name, kind] of Object.entries(definition.out)) {
    const folder = path.join(work, 'out', name)
    const files = (await readdir(folder, { recursive: true })).filter((f) => !f.startsWith('.')).sort()
    if (files.length === 0) throw nothingMade(step, name)
    if (kind === 'dataset')
      taken[name] = await takeDataset(deps, step, { name, folder, files, parents, runId })
    else if (kind === 'model') {
      const tree = await putTree(deps.blobs, folder)
      taken[name] = {
        kind,
        tree: tree.digest,
        runId: runId ?? '',
        environmentLock: await keepLock(deps, environment),
        datasets: parents,
      }
    } else {
      const file = files[0] as string
      const ref = await deps.blobs.putFile(path.join(folder, file))
      taken[name] = { kind: 'file', ...ref, name: path.basename(file) }
    }
  }
  return taken
}

/** The lock's text is a blob, so that its digest leads back to it. */
const keepLock = async (deps: RunStepDeps, environment: Environment | undefined): Promise<string> =>
  environment === undefined ? '' : (await deps.blobs.put(environment.lockText)).digest

interface TakenDataset {
  readonly name: string
  readonly folder: string
  readonly files: readonly string[]
  readonly parents: DatasetRef[]
  readonly runId: string | undefined
}
async function takeDataset(deps: RunStepDeps, step: StepContext, out: TakenDataset): Promise<Artifact> {
  const datasets = (await deps.definitions.blockOf(step.caller.project, datasetsBlock)) ?? {}
  const writes = (from: string | undefined) => {
    const reference = parseReference(from)
    return (
      reference?.kind === 'step' &&
      reference.pipeline === step.pipeline &&
      reference.name === step.step &&
      reference.output === out.name
    )
  }
  const dataset = Object.entries(datasets).find(([, d]) => writes(d.from))?.[0] ?? out.name
  const files: { path: string; source: string }[] = []
  for (const file of out.files) {
    const source = path.join(out.folder, file)
    if ((await stat(source)).isFile()) files.push({ path: file, source })
  }
  const producedBy = {
    kind: 'step' as const,
    pipelineRunId: step.pipelineRun,
    step: step.step,
    ...(out.runId === undefined ? {} : { runId: out.runId }),
  }
  const message = `${step.pipeline}/${step.step} in ${step.pipelineRun}`
  const { version } = await deps.datasets.commitVersion(
    { dataset, files, mode: 'replace', parents: out.parents, producedBy, message },
    step.caller,
  )
  return { kind: 'dataset', dataset, version: version.version, id: version.id }
}

async function summaryOf(
  deps: RunStepDeps,
  step: StepContext,
  outputs: Record<string, Artifact>,
  runId: string | undefined,
): Promise<string> {
  const made = Object.values(outputs).map((a) =>
    a.kind === 'dataset' ? `${a.dataset}@v${a.version}` : a.kind,
  )
  if (runId === undefined) return made.join(', ') || 'done'
  const { metrics } = await deps.experiments.getRun({ run: runId }, step.caller)
  const shown = Object.entries(metrics)
    .slice(0, 4)
    .map(([key, value]) => `${key} ${typeof value === 'number' ? Number(value.toFixed(4)) : value}`)
  return [...made, ...shown].join(', ')
}

const nothingMade = (step: StepContext, name: string) =>
  new Fault(
    'invalid',
    'pipelines.output_empty',
    `step ${step.step} ended well but wrote nothing to its output \`${name}\``,
    {
      remedy: `write to the path of headrace.output("${name}")`,
      details: { reason: 'output_empty' },
    },
  )
