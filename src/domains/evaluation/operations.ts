/** Verbs of evaluation: challenger, champion and naive on the same unseen rows, overall and by slice. */
import type { Caller } from '#base/caller.ts'
import type { Clock } from '#base/clock.ts'
import { Fault } from '#base/errors.ts'
import { newId } from '#base/ids.ts'
import type { Blobs } from '#platform/blobs/index.ts'
import type { Db } from '#platform/db/index.ts'
import type { Events } from '#platform/events/index.ts'
import type { Onnx } from '#platform/onnx/index.ts'
import { regressionMetrics } from '#stats/regression.ts'
import type { Features, LabelledRows } from '../features/index.ts'
import { onnxOf, type Registry } from '../registry/index.ts'
import { evaluationFinished } from './events.ts'
import type { Evaluation, Subject } from './model.ts'
import { evaluationStore } from './store.ts'

export interface EvaluationDeps {
  readonly db: Db
  readonly events: Events
  readonly blobs: Blobs
  readonly onnx: Onnx
  readonly clockOf: (project: string) => Promise<Clock>
  readonly registry: Registry
  readonly features: Pick<Features, 'labelledRows'>
}
export interface Rows {
  readonly view: string
  readonly lastMs?: number
  /** First and last day, where the rows are a range rather than the last ones. */
  readonly fromDay?: string
  readonly toDay?: string
  readonly labels?: { readonly dataset: string; readonly version: number }
}
export interface EvaluateChallenger {
  readonly model: string
  readonly challenger: { readonly tree: string; readonly environmentLock: string }
  readonly on: Rows
  readonly against: readonly ('champion' | 'naive')[]
  readonly slices: readonly string[]
}
export interface EvaluateVersions {
  readonly model: string
  readonly subjects: readonly { readonly model: string; readonly version: number }[]
  readonly on: Rows
  readonly slices: readonly string[]
}
interface Candidate {
  readonly name: string
  readonly model?: string
  readonly version?: number
  readonly predictions: ArrayLike<number>
}

export function openEvaluation(deps: EvaluationDeps) {
  const store = evaluationStore(deps.db)
  const byOnnx = async (digest: string, rows: LabelledRows): Promise<Float32Array> =>
    deps.onnx.predict(
      await deps.blobs.localPath(digest),
      Float32Array.from(rows.rows.flatMap((r) => r.values)),
      rows.rows.length,
    )
  const naiveOf = async (model: string, rows: LabelledRows, caller: Caller): Promise<Candidate[]> => {
    const { naive } = await deps.registry.definitionOf(model, caller)
    const column = naive === undefined ? -1 : rows.names.indexOf(naive)
    return column === -1 ? [] : [{ name: 'naive', predictions: rows.rows.map((r) => r.values[column] ?? 0) }]
  }
  const keep = async (
    model: string,
    rows: LabelledRows,
    candidates: readonly Candidate[],
    slices: readonly string[],
    caller: Caller,
  ): Promise<Evaluation> => {
    const subjects = candidates.map((c) => subjectOf(c, rows, slices))
    const days = rows.rows.map((r) => r.at).sort()
    const createdAt = (await deps.clockOf(caller.project)).now()
    const evaluation: Evaluation = {
      id: newId(),
      model,
      view: rows.view,
      from: days[0] ?? '',
      to: days.at(-1) ?? '',
      rows: rows.rows.length,
      dataset: rows.dataset,
      subjects,
      createdAt,
    }
    const wape = Object.fromEntries(subjects.map((s) => [s.name, s.metrics.wape]))
    const payload = { evaluation: evaluation.id, model, rows: evaluation.rows, wape }
    await deps.db.commit([
      store.insert({
        project: caller.project,
        id: evaluation.id,
        model,
        evaluation: JSON.stringify(evaluation),
        created_at: createdAt,
      }),
      deps.events.record(caller, {
        type: evaluationFinished,
        subject: `model:${model}`,
        payload,
        atMs: createdAt,
      }),
    ])
    return evaluation
  }
  return {
    async evaluate(command: EvaluateChallenger, caller: Caller): Promise<Evaluation> {
      const rows = await completeRows(deps, command.on, caller)
      const artifact = await deps.registry.prepareArtifact(
        { ...command.challenger, view: command.on.view },
        caller,
      )
      const candidates: Candidate[] = [{ name: 'challenger', predictions: await byOnnx(artifact.onnx, rows) }]
      const champion = command.against.includes('champion')
        ? await deps.registry.byAlias({ model: command.model, alias: 'champion' }, caller)
        : undefined
      if (champion !== undefined)
        candidates.push({
          name: 'champion',
          model: champion.model,
          version: champion.version,
          predictions: await byOnnx(onnxOf(champion), rows),
        })
      if (command.against.includes('naive')) candidates.push(...(await naiveOf(command.model, rows, caller)))
      return keep(command.model, rows, candidates, command.slices, caller)
    },
    /** Any versions, and the naive forecast, on the same rows. */
    async compare(command: EvaluateVersions, caller: Caller): Promise<Evaluation> {
      const rows = await completeRows(deps, command.on, caller)
      const candidates: Candidate[] = []
      for (const { model, version } of command.subjects) {
        const found = await deps.registry.getVersion({ model, version }, caller)
        candidates.push({
          name: `${model}@${version}`,
          model,
          version,
          predictions: await byOnnx(onnxOf(found), rows),
        })
      }
      candidates.push(...(await naiveOf(command.model, rows, caller)))
      return keep(command.model, rows, candidates, command.slices, caller)
    },
    async get({ evaluation }: { evaluation: string }, caller: Caller): Promise<Evaluation> {
      const row = await store.get(caller.project, evaluation)
      if (row !== undefined) return JSON.parse(row.evaluation)
      throw new Fault('not_found', 'evaluation.not_found', `there is no evaluation ${evaluation}`)
    },
  }
}
export type EvaluationRoom = ReturnType<typeof openEvaluation>

/** Rows whose features are all known: the others no model was trained on either. */
async function completeRows(deps: EvaluationDeps, on: Rows, caller: Caller): Promise<LabelledRows> {
  const all = await deps.features.labelledRows(on, caller)
  const rows = all.rows.filter((r) => r.values.every((v) => Number.isFinite(v)))
  if (rows.length > 0) return { ...all, rows }
  throw new Fault(
    'precondition_failed',
    'evaluation.no_rows',
    `${on.view} has no labelled rows in that time`,
    { remedy: 'materialise the view, or ask for a longer time' },
  )
}

function subjectOf(candidate: Candidate, rows: LabelledRows, slices: readonly string[]): Subject {
  const actual = rows.rows.map((r) => r.label)
  const { predictions, ...named } = candidate
  return {
    ...named,
    metrics: regressionMetrics(actual, predictions),
    slices: Object.fromEntries(slices.map((column) => [column, slicesBy(column, rows, predictions)])),
  }
}

function slicesBy(column: string, rows: LabelledRows, predictions: ArrayLike<number>) {
  const groups = new Map<string, { actual: number[]; predicted: number[] }>()
  rows.rows.forEach((row, i) => {
    const value = String(row.key[column])
    const group = groups.get(value) ?? { actual: [], predicted: [] }
    group.actual.push(row.label)
    group.predicted.push(predictions[i] as number)
    groups.set(value, group)
  })
  return [...groups]
    .map(([value, g]) => ({ value, metrics: regressionMetrics(g.actual, g.predicted) }))
    .sort((a, b) => (a.value < b.value ? -1 : 1))
}
