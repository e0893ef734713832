/** Step kinds that join domains: check, materialize, evaluate, register, deploy. Each is a port of pipelines. */
import { digestOf } from '#base/digest.ts'
import { Fault } from '#base/errors.ts'
import { datasetsBlock, type Datasets } from '../domains/datasets/index.ts'
import type { EvaluationRoom } from '../domains/evaluation/index.ts'
import type { Features } from '../domains/features/index.ts'
import {
  type Artifact,
  artifactOf,
  pinned,
  type StepContext,
  type StepDefinition,
  type StepKind,
  windowMs,
} from '../domains/pipelines/index.ts'
import type { GateResult, Registry } from '../domains/registry/index.ts'
import type { Reviews } from '../domains/reviews/index.ts'
import type { Serving } from '../domains/serving/index.ts'
import type { Validation } from '../domains/validation/index.ts'
import type { Definitions } from '#platform/definitions/index.ts'

export interface StepDeps {
  readonly definitions: Definitions
  readonly datasets: Datasets
  readonly validation: Validation
  readonly features: Features
  readonly evaluation: EvaluationRoom
  readonly registry: Registry
  readonly reviews: Reviews
  readonly serving: Serving
}
type Of<K extends string> = Extract<StepDefinition, Record<K, unknown>>

export const stepKinds = (deps: StepDeps): StepKind[] => [
  check(deps),
  materialize(deps),
  evaluate(deps),
  register(deps),
  deploy(deps),
]

function check({ datasets, validation, definitions }: StepDeps): StepKind {
  const versionFor = async (step: StepContext) => {
    const { check: dataset } = step.definition as Of<'check'>
    const wanted = pinned(step, dataset)
    return datasets.versionOf({ dataset, version: wanted === 'accepted' ? 'latest' : wanted }, step.caller)
  }
  return {
    kind: 'check',
    async keyParts(step) {
      const version = await versionFor(step)
      const block = (await definitions.blockOf(step.caller.project, datasetsBlock))?.[version.dataset]
      const others = (block?.checks ?? []).flatMap((c) => (typeof c.dataset === 'string' ? [c.dataset] : []))
      const references = await Promise.all(
        others.map((dataset) => datasets.versionOf({ dataset, version: 'latest' }, step.caller)),
      )
      return {
        version: `${version.dataset}@${version.version}`,
        id: version.id,
        checks: digestOf(block?.checks ?? []),
        references: references.map((r) => r.id),
      }
    },
    async run(step) {
      const version = await versionFor(step)
      const report = await validation.checkVersion(
        { dataset: version.dataset, version: version.version },
        step.caller,
      )
      for (const result of report.checks)
        step.log(`${result.passed ? 'ok  ' : 'FAIL'} ${result.rule}: ${result.sentence}`)
      const outputs = {
        version: {
          kind: 'dataset' as const,
          dataset: version.dataset,
          version: version.version,
          id: version.id,
        },
      }
      return {
        state: report.passed ? 'succeeded' : 'refused',
        outputs,
        summary: `${version.dataset}@v${version.version}: ${report.summary}`,
      }
    },
  }
}

function materialize({ features, datasets }: StepDeps): StepKind {
  return {
    kind: 'materialize',
    async keyParts(step) {
      const { materialize: view } = step.definition as Of<'materialize'>
      const definition = await features.viewOf(view, step.caller)
      const source = await datasets.versionOf({ dataset: definition.from, version: 'accepted' }, step.caller)
      return { view, definition: digestOf(definition), dataset: `${source.dataset}@${source.id}` }
    },
    async run(step) {
      const { materialize: view } = step.definition as Of<'materialize'>
      const made = await features.materialize({ view }, step.caller)
      const summary = `${made.rows} rows of ${made.dataset}@v${made.version}; ${made.online} online for ${made.at}`
      return { state: 'succeeded', outputs: { view: { kind: 'value', value: made } }, summary }
    },
  }
}

function modelArtifact(
  step: StepContext,
  reference: Parameters<typeof artifactOf>[1],
): Extract<Artifact, { kind: 'model' }> {
  const artifact = artifactOf(step, reference)
  if (artifact.kind === 'model') return artifact
  throw new Fault(
    'invalid',
    'pipelines.not_a_model',
    `${reference.name}.${reference.output ?? ''} is a ${artifact.kind}, not a model`,
  )
}

function evaluate({ evaluation, registry, datasets, features }: StepDeps): StepKind {
  const labelsOf = (step: StepContext) =>
    step.trigger.cause.labelVersion as { dataset: string; version: number } | undefined
  return {
    kind: 'evaluate',
    async keyParts(step) {
      const definition = step.definition as Of<'evaluate'>
      const view = await features.viewOf(definition.on.name, step.caller)
      const labels = labelsOf(step)
      const rows = await datasets.versionOf(
        { dataset: view.from, version: labels?.version ?? 'accepted' },
        step.caller,
      )
      const champion = await registry.byAlias({ model: definition.model, alias: 'champion' }, step.caller)
      return {
        model: modelArtifact(step, definition.evaluate).tree,
        champion: champion?.tree ?? null,
        rows: rows.id,
        definition: digestOf(definition),
        view: digestOf(view),
      }
    },
    async run(step) {
      const definition = step.definition as Of<'evaluate'>
      const { tree, environmentLock } = modelArtifact(step, definition.evaluate)
      const lastMs = windowMs(step, definition.on.last)
      const labels = labelsOf(step)
      const on = {
        view: definition.on.name,
        ...(lastMs === undefined ? {} : { lastMs }),
        ...(labels === undefined ? {} : { labels }),
      }
      const { model, against, slices } = definition
      const found = await evaluation.evaluate(
        { model, challenger: { tree, environmentLock }, on, against, slices },
        step.caller,
      )
      const summary = found.subjects
        .map((s) => `${s.name} wape ${s.metrics.wape?.toFixed(4) ?? '–'}`)
        .join(', ')
      return {
        state: 'succeeded',
        outputs: { evaluation: { kind: 'evaluation', id: found.id } },
        summary: `${summary} on ${found.rows} rows, ${found.from} to ${found.to}`,
      }
    },
  }
}

/** An artifact of a kind among the outputs of the steps that this one comes after. */
function before<K extends Artifact['kind']>(
  step: StepContext,
  kind: K,
): Extract<Artifact, { kind: K }> | undefined {
  const outputs = step.definition.after.flatMap((name) => Object.values(step.outputsOf(name) ?? {}))
  return outputs.find((a): a is Extract<Artifact, { kind: K }> => a.kind === kind)
}

function register({ registry }: StepDeps): StepKind {
  return {
    kind: 'register',
    async keyParts(step) {
      const definition = step.definition as Of<'from'>
      const artifact = modelArtifact(step, definition.from)
      return {
        model: definition.model,
        tree: artifact.tree,
        run: artifact.runId,
        evaluation: before(step, 'evaluation')?.id ?? null,
      }
    },
    async run(step) {
      const definition = step.definition as Of<'from'>
      const artifact = modelArtifact(step, definition.from)
      const evaluationId = before(step, 'evaluation')?.id
      const command = {
        model: definition.model,
        tree: artifact.tree,
        environmentLock: artifact.environmentLock,
        runId: artifact.runId,
        code: step.code,
        datasets: artifact.datasets,
      }
      const version = await registry.registerVersion(
        evaluationId === undefined ? command : { ...command, evaluationId },
        step.caller,
      )
      const summary = `${version.model}@${version.version} ${version.kind}, ONNX parity ${version.parityMaxAbs?.toExponential(1) ?? 'not measured'}`
      return {
        state: 'succeeded',
        outputs: { version: { kind: 'model_version', model: version.model, version: version.version } },
        summary,
      }
    },
  }
}

/** Gates, then approval, then the rollout begins. */
function deploy({ registry, reviews, serving }: StepDeps): StepKind {
  return {
    kind: 'deploy',
    keyParts: async () => 'never',
    async run(step) {
      const definition = step.definition as Of<'deploy'>
      const made = before(step, 'model_version')
      if (made === undefined)
        throw new Fault(
          'invalid',
          'pipelines.no_version',
          `step ${step.step} comes after no step that registers a version`,
        )
      const outputs = { version: made }
      const gated = await registry.gateVersion(made, step.caller)
      for (const gate of gated.gates)
        step.log(`${gate.passed ? 'ok  ' : 'NO  '} ${gate.name}: ${gate.sentence}`)
      const name = `${made.model}@${made.version}`
      if (!gated.passed) {
        const reasons = gated.gates.filter((g) => !g.passed).map((g) => `${g.name}: ${g.sentence}`)
        return { state: 'refused', outputs, summary: `${name} refused: ${reasons.join('; ')}` }
      }
      const waits = await approval({ registry, reviews }, step, made, gated.gates)
      if (waits !== undefined) return { ...waits, outputs }
      const { sentence } = await serving.deploy({ endpoint: definition.to, ...made }, step.caller)
      return { state: 'succeeded', outputs, summary: sentence }
    },
  }
}

/** Undefined once people have approved, or where nobody needs to. */
async function approval(
  { registry, reviews }: Pick<StepDeps, 'registry' | 'reviews'>,
  step: StepContext,
  made: { model: string; version: number },
  gates: readonly GateResult[],
): Promise<
  { state: 'waiting'; on: string; summary: string } | { state: 'refused'; summary: string } | undefined
> {
  const policy = (await registry.definitionOf(made.model, step.caller)).approvals.to_production
  if (policy === undefined) return undefined
  const name = `${made.model}@${made.version}`
  const subject = `model:${name}`
  const evidence = { gates, pipelineRun: step.pipelineRun }
  const asked = {
    subject,
    question: `${name} to production?`,
    policy,
    author: step.caller.actor.name,
    evidence,
  }
  const review =
    (await reviews.ofSubject(subject, step.caller)) ?? (await reviews.request(asked, step.caller))
  if (review.state === 'approved') return undefined
  if (review.state !== 'open') return { state: 'refused', summary: `${name} was ${review.state}` }
  return {
    state: 'waiting',
    on: `review:${review.id}`,
    summary: `${name} passes ${gates.length} of ${gates.length} gates; waiting for approval`,
  }
}
