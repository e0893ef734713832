/**
 * `headrace reproduce MODEL@v`: rebuilds the environment from its lock, runs the same code on the exact bytes, converts
 * the result anew, and compares. One at a time; the report stays with the model. Read next: rules.ts.
 */
import type { Caller } from '#base/caller.ts'
import { asFault, Fault } from '#base/errors.ts'
import { newId } from '#base/ids.ts'
import { type Blobs, readTree } from '#platform/blobs/index.ts'
import type { Db } from '#platform/db/index.ts'
import type { Events } from '#platform/events/index.ts'
import { reproductionEnded, reproductionStarted } from './events.ts'
import type { OutputComparison, Reproduction } from './model.ts'
import { compareMetrics, comparePredictions, firstDifference, verdictOf } from './rules.ts'
import { lineageStore, type ReproductionRow } from './store.ts'

type DatasetRef = { readonly dataset: string; readonly version: number; readonly id: string }
export interface ModelOrigin {
  readonly tree: string
  readonly onnx: string
  readonly view: string
  readonly runId: string
  readonly environmentLock: string
  readonly datasets: readonly DatasetRef[]
}
export interface ReproduceDeps {
  readonly db: Db
  readonly events: Events
  readonly blobs: Blobs
  readonly modelOrigin: (command: { model: string; version: number }, caller: Caller) => Promise<ModelOrigin>
  /** Runs the training step again (pipelines). */
  readonly rerun: (
    command: {
      runId: string
      datasets: readonly DatasetRef[]
      lockText: string
      signal: AbortSignal
      say: (line: string) => void
    },
    caller: Caller,
  ) => Promise<{ step: string; runId: string; environmentLock: string; tree: string }>
  /** The ONNX of a model's tree, made anew in its environment (registry); the digest of its bytes. */
  readonly convert: (command: {
    tree: string
    environmentLock: string
    sample: readonly (readonly number[])[]
  }) => Promise<{ onnx: string }>
  /** Real rows of a feature view (features). */
  readonly sampleRows: (view: string, caller: Caller) => Promise<number[][]>
  /** What an ONNX file, by its digest, says of rows. */
  readonly predict: (onnx: string, rows: readonly (readonly number[])[]) => Promise<Float32Array>
  readonly metricsOf: (
    runId: string,
    caller: Caller,
  ) => Promise<Readonly<Record<string, number | string | null>>>
}
const linesKept = 50
const pickles = /\.(pkl|pickle|joblib|cloudpickle|npy|pt|pth)$/

export function openReproductions(deps: ReproduceDeps) {
  const store = lineageStore(deps.db)
  const running = new Map<string, Reproduction>()
  const stopping = new AbortController()
  let turn: Promise<void> = Promise.resolve()
  const reportOf = (row: ReproductionRow): Reproduction => {
    const live = running.get(row.id)
    if (live !== undefined) return live
    const report = JSON.parse(row.report) as Reproduction
    if (row.state !== 'running') return report
    return { ...report, state: 'interrupted', sentence: 'the server ended while it ran; start it again' }
  }
  return {
    /** Starts one; `getReproduction` says how it goes. */
    async reproduce(command: { model: string; version: number }, caller: Caller): Promise<Reproduction> {
      const origin = await deps.modelOrigin(command, caller)
      const { row, report } = begun(command, caller)
      const fact = { type: reproductionStarted, ...factOf(report) }
      await deps.db.commit([store.insert(row), deps.events.record(caller, fact)])
      running.set(report.id, report)
      const finish = async () => {
        const ended = await compare(deps, { report, origin, signal: stopping.signal }, caller)
        const { subject, payload } = factOf(report)
        const outcome = { ...payload, state: ended.state, verdict: ended.verdict ?? null }
        await deps.db.commit([
          store.end(row, ended.state, JSON.stringify(ended)),
          deps.events.record(caller, { type: reproductionEnded, subject, payload: outcome }),
        ])
      }
      turn = turn
        .then(finish)
        .catch(() => undefined)
        .finally(() => running.delete(report.id))
      return report
    },
    async getReproduction({ id }: { id: string }, caller: Caller): Promise<Reproduction> {
      const row = await store.get(caller.project, id)
      if (row !== undefined) return reportOf(row)
      throw new Fault('not_found', 'lineage.reproduction_unknown', `there is no reproduction ${id}`, {
        remedy: 'start one: headrace reproduce MODEL@v',
      })
    },
    async listReproductions(
      { model, version }: { model: string; version: number },
      caller: Caller,
    ): Promise<{ reproductions: Reproduction[] }> {
      const rows = await store.ofVersion(caller.project, model, version, reproductionsListedMax)
      return { reproductions: rows.map(reportOf) }
    },
    async stop(): Promise<void> {
      stopping.abort()
      await turn
    },
  }
}
export type Reproductions = ReturnType<typeof openReproductions>
const reproductionsListedMax = 20

const factOf = ({ id, model, version }: Reproduction) => ({
  subject: `model:${model}@${version}`,
  payload: { model, version, reproduction: id },
})

function begun(
  command: { model: string; version: number },
  caller: Caller,
): { row: ReproductionRow; report: Reproduction } {
  const report: Reproduction = {
    id: newId(),
    ...command,
    state: 'running',
    startedAt: Date.now(),
    startedBy: caller.actor.name,
    sentence: 'queued',
    outputs: [],
    metrics: [],
    lines: [],
  }
  const row: ReproductionRow = {
    project: caller.project,
    id: report.id,
    ...command,
    state: 'running',
    report: JSON.stringify(report),
    started_at: report.startedAt,
    started_by: report.startedBy,
  }
  return { row, report }
}

interface Work {
  readonly report: Reproduction
  readonly origin: ModelOrigin
  readonly signal: AbortSignal
}

async function compare(deps: ReproduceDeps, work: Work, caller: Caller): Promise<Reproduction> {
  const { report } = work
  const say = (line: string) => {
    report.lines.push(line)
    if (report.lines.length > linesKept) report.lines.shift()
    report.sentence = line.slice(0, 300)
  }
  try {
    return { ...report, ...(await rebuilt(deps, work, say, caller)), state: 'done', finishedAt: Date.now() }
  } catch (error) {
    const fault = asFault(error)
    const sentence = fault.remedy === undefined ? fault.message : `${fault.message}. ${fault.remedy}`
    return { ...report, state: 'failed', sentence, finishedAt: Date.now() }
  }
}

async function rebuilt(
  deps: ReproduceDeps,
  { origin, signal }: Work,
  say: (line: string) => void,
  caller: Caller,
): Promise<Partial<Reproduction>> {
  const { environmentLock: before, runId, datasets } = origin
  const lockText = before === '' ? '' : (await deps.blobs.bytes(before)).toString('utf8')
  const again = await deps.rerun({ runId, datasets, lockText, signal, say }, caller)
  say('converting and comparing')
  const sample = await deps.sampleRows(origin.view, caller)
  const { onnx } = await deps.convert({
    tree: again.tree,
    environmentLock: again.environmentLock,
    sample,
  })
  const [first, second] = await Promise.all([deps.predict(origin.onnx, sample), deps.predict(onnx, sample)])
  const outputs = [
    await compareBytes(deps, 'model.onnx', 'onnx', { before: origin.onnx, after: onnx }),
    comparePredictions(first, second),
    ...(await compareTrees(deps, origin.tree, again.tree)),
  ]
  const metrics = compareMetrics(
    await deps.metricsOf(runId, caller),
    await deps.metricsOf(again.runId, caller),
  )
  const environment = { before, after: again.environmentLock, same: before === again.environmentLock }
  return { ...verdictOf(outputs, metrics), step: again.step, run: again.runId, environment, outputs, metrics }
}

async function compareTrees(deps: ReproduceDeps, before: string, after: string): Promise<OutputComparison[]> {
  const [a, b] = await Promise.all([readTree(deps.blobs, before), readTree(deps.blobs, after)])
  const paths = [...new Set([...a.files, ...b.files].map((file) => file.path))].sort()
  const compared: OutputComparison[] = []
  for (const path of paths) {
    const digest = (tree: typeof a) => tree.files.find((file) => file.path === path)?.digest
    const pair = { before: digest(a), after: digest(b) }
    compared.push(await compareBytes(deps, path, pickles.test(path) ? 'pickle' : 'file', pair))
  }
  return compared
}

async function compareBytes(
  { blobs }: ReproduceDeps,
  name: string,
  kind: OutputComparison['kind'],
  { before, after }: { before: string | undefined; after: string | undefined },
): Promise<OutputComparison> {
  const digests = {
    ...(before === undefined ? {} : { before }),
    ...(after === undefined ? {} : { after }),
  }
  if (before === after || before === undefined || after === undefined)
    return { name, kind, same: before === after, ...digests }
  const at = firstDifference(await blobs.bytes(before), await blobs.bytes(after))
  return { name, kind, same: false, ...digests, ...(at === undefined ? {} : { firstDifference: at }) }
}
