/** Verbs of experiments: create, start, log, end, search. Read next: rules.ts, store.ts, search.ts. */
import type { Caller } from '#base/caller.ts'
import { Fault, isFault } from '#base/errors.ts'
import { newId } from '#base/ids.ts'
import type { Db, Statement } from '#platform/db/index.ts'
import type { Events } from '#platform/events/index.ts'
import { experimentChanged, runEnded, runStaged, runStarted } from './events.ts'
import type {
  Experiment,
  KeyValue,
  LoggedMetric,
  Metric,
  Run,
  RunClause,
  RunDetails,
  RunInput,
  RunOrder,
  RunStatus,
  Stage,
} from './model.ts'
import { actionTo, jsonNumber, loggedValue, numberOf, runLife, storedValue } from './rules.ts'
import { keyOf, searchRuns } from './search.ts'
import { type ExperimentRow, experimentsStore, type PointRow, type RunRow } from './store.ts'

export interface ExperimentsDeps {
  readonly db: Db
  readonly events: Events
}
export interface StartRun {
  readonly experiment: string
  readonly name?: string
  readonly tags?: readonly KeyValue[]
}
export interface LogBatch {
  readonly run: string
  readonly metrics?: readonly Metric[]
  readonly params?: readonly KeyValue[]
  readonly tags?: readonly KeyValue[]
}
export interface LogAll {
  readonly run: string
  readonly metrics: readonly LoggedMetric[]
  readonly params: readonly KeyValue[]
  readonly tags: readonly KeyValue[]
}

const nameTag = 'mlflow.runName'
const idAttemptsMax = 20
const experimentsMax = 900

export function openExperiments({ db, events }: ExperimentsDeps) {
  const store = experimentsStore(db)
  const rowOf = async (id: string, caller: Caller): Promise<RunRow> => {
    const row = await store.run(caller.project, id)
    if (row !== undefined) return row
    throw new Fault('not_found', 'experiments.run_not_found', `Run with id=${id} not found`)
  }
  const activeRow = async (id: string, caller: Caller): Promise<RunRow> => {
    const row = await rowOf(id, caller)
    if (row.stage === 'active') return row
    throw new Fault(
      'precondition_failed',
      'experiments.run_deleted',
      `The run ${id} must be in the 'active' state. Current state is deleted.`,
    )
  }
  const experimentFact = (
    { id, name }: Pick<ExperimentRow, 'id' | 'name'>,
    change: 'created' | 'renamed' | 'tagged' | 'untagged' | 'deleted' | 'restored',
    caller: Caller,
  ): Statement => {
    const payload = { experiment: String(id), change, name }
    return events.record(caller, { type: experimentChanged, subject: `experiment:${id}`, payload })
  }
  /** Experiment 0 is there from the start, in every project. */
  const ensureDefault = async (project: string): Promise<void> => {
    if ((await store.experiment(project, 0)) !== undefined) return
    const name = (await store.experimentNamed(project, 'Default')) === undefined ? 'Default' : 'Default (0)'
    await db.commit([store.insertExperiment(newExperiment(project, 0, name))]).catch(ignoreDuplicate)
  }
  const experimentRow = async (id: string, caller: Caller): Promise<ExperimentRow> => {
    if (!/^\d{1,15}$/.test(id))
      throw new Fault(
        'invalid',
        'experiments.id_invalid',
        `Invalid experiment ID '${id.slice(0, 100)}'. Experiment ID must be a valid integer.`,
      )
    const row = await store.experiment(caller.project, Number(id))
    if (row !== undefined) return row
    if (id === '0') {
      await ensureDefault(caller.project)
      return (await store.experiment(caller.project, 0)) as ExperimentRow
    }
    throw new Fault('not_found', 'experiments.not_found', `No Experiment with id=${id} exists`)
  }
  const createRow = async (
    name: string,
    location: string | undefined,
    tags: readonly KeyValue[],
    caller: Caller,
  ): Promise<ExperimentRow> => {
    for (let attempt = 0; ; attempt++) {
      const known = await store.experiments(caller.project)
      const taken = known.find((e) => e.name === name)
      if (taken !== undefined || name === 'Default')
        throw new Fault('conflict', 'experiments.name_exists', `Experiment(name=${name}) already exists.`)
      const id = Math.max(0, ...known.map((e) => e.id)) + 1
      const made = newExperiment(caller.project, id, name)
      const row = location ? { ...made, artifact_location: location } : made
      try {
        const tagged = tags.map((tag) => store.setExperimentTag(caller.project, id, tag))
        await db.commit([store.insertExperiment(row), ...tagged, experimentFact(row, 'created', caller)])
        return row
      } catch (error) {
        // Somebody took the number or the name; look again.
        if (!isFault(error, 'db.duplicate') || attempt >= idAttemptsMax) throw error
      }
    }
  }
  const ensureNamed = async (name: string, caller: Caller): Promise<ExperimentRow> => {
    const known = await store.experimentNamed(caller.project, name)
    if (known !== undefined) return known
    return createRow(name, undefined, [], caller).catch(async (error) => {
      const now = await store.experimentNamed(caller.project, name)
      if (now === undefined) throw error
      return now
    })
  }
  const begin = async (row: RunRow, tags: readonly KeyValue[], caller: Caller): Promise<void> => {
    const payload = { run: row.id, experiment: row.experiment, name: row.name }
    const tagged = tags.length === 0 ? [] : [store.setTags(caller.project, row.id, lastOfEach(tags))]
    const fact = events.record(caller, { type: runStarted, subject: `run:${row.id}`, payload })
    await db.commit([store.insertRun(row), ...tagged, fact])
  }
  /** Commits what is logged; where a guard fails, says which. */
  const commitLog = async ({ run, metrics, params, tags }: LogAll, caller: Caller): Promise<void> => {
    const renamed = tags.findLast((tag) => tag.key === nameTag)
    const unit: Statement[] = [
      ...(params.length === 0 ? [] : [store.logParams(caller.project, run, lastOfEach(params))]),
      ...(metrics.length === 0 ? [] : store.logMetrics(caller.project, run, metrics)),
      ...(tags.length === 0 ? [] : [store.setTags(caller.project, run, lastOfEach(tags))]),
      ...(renamed === undefined ? [] : [store.changeRun(caller.project, run, { name: renamed.value })]),
    ]
    if (unit.length === 0) return void (await activeRow(run, caller))
    try {
      await db.commit(unit)
    } catch (error) {
      if (!isFault(error, 'db.guard_failed')) throw error
      await activeRow(run, caller)
      throw await paramChanged(run, params, caller)
    }
  }
  const paramChanged = async (run: string, params: readonly KeyValue[], caller: Caller): Promise<Fault> => {
    const before = new Map(
      (await store.values(caller.project, [run]))
        .filter((v) => v.kind === 'param')
        .map((v) => [v.key, v.value]),
    )
    const changed = params.filter((p) => before.has(p.key) && before.get(p.key) !== p.value)
    const [first] = changed
    const one = `Changing param values is not allowed. Param with key='${first?.key}' was already logged with value='${before.get(first?.key ?? '')}' for run ID='${run}'. Attempted logging new value '${first?.value}'.`
    const each = changed.map(
      (p) => `{'key': '${p.key}', 'old_value': '${before.get(p.key)}', 'new_value': '${p.value}'}`,
    )
    const all = `Changing param values is not allowed. Params were already logged='[${each.join(', ')}]' for run ID=${run}.`
    return new Fault('conflict', 'experiments.param_changed', params.length === 1 ? one : all, {
      remedy: 'log it under another name, or start another run',
    })
  }
  const detailsOf = async (rows: readonly RunRow[], caller: Caller): Promise<RunDetails[]> => {
    const ids = rows.map((r) => r.id)
    const all: RunDetails[] = []
    for (let at = 0; at < ids.length; at += experimentsMax) {
      const some = ids.slice(at, at + experimentsMax)
      const [metrics, values, inputs] = await Promise.all([
        store.latest(caller.project, some),
        store.values(caller.project, some),
        store.inputs(caller.project, some),
      ])
      const by = <T extends { run: string }>(list: readonly T[]) => Map.groupBy(list, (one) => one.run)
      const [m, v, i] = [by(metrics), by(values), by(inputs)]
      for (const row of rows.slice(at, at + experimentsMax)) {
        const kept = v.get(row.id) ?? []
        const pairs = (kind: string) =>
          kept.filter((one) => one.kind === kind).map(({ key, value }) => ({ key, value }))
        all.push({
          ...factsOf(row),
          params: pairs('param'),
          tags: pairs('tag'),
          metrics: (m.get(row.id) ?? []).map(metricOf),
          inputs: (i.get(row.id) ?? []).map((one) => ({ ...one, context: one.context ?? undefined })),
        })
      }
    }
    return all
  }
  const withTags = async (rows: readonly ExperimentRow[], caller: Caller): Promise<Experiment[]> => {
    const tags = Map.groupBy(await store.experimentTags(caller.project), (tag) => tag.experiment)
    return rows.map((row) => ({
      id: String(row.id),
      name: row.name,
      artifactLocation: row.artifact_location,
      stage: row.stage,
      createdAt: row.created_at,
      updatedAt: row.updated_at,
      tags: Object.fromEntries((tags.get(row.id) ?? []).map((tag) => [tag.key, tag.value])),
    }))
  }
  const activeExperiment = async (id: string, caller: Caller): Promise<ExperimentRow> => {
    const row = await experimentRow(id, caller)
    if (row.stage === 'active') return row
    throw new Fault(
      'precondition_failed',
      'experiments.deleted',
      `The experiment ${id} must be in the 'active' state. Current state is deleted.`,
    )
  }
  return {
    async createExperiment(
      {
        name,
        location,
        tags = [],
      }: { name: string; location?: string | undefined; tags?: readonly KeyValue[] },
      caller: Caller,
    ): Promise<string> {
      return String((await createRow(name, location, tags, caller)).id)
    },
    async getExperiment({ id }: { id: string }, caller: Caller): Promise<Experiment> {
      return (await withTags([await experimentRow(id, caller)], caller))[0] as Experiment
    },
    async experimentNamed({ name }: { name: string }, caller: Caller): Promise<Experiment> {
      if (name === 'Default') await ensureDefault(caller.project)
      const row = await store.experimentNamed(caller.project, name)
      if (row !== undefined) return (await withTags([row], caller))[0] as Experiment
      throw new Fault('not_found', 'experiments.not_found', `Could not find experiment with name '${name}'`)
    },
    /** All experiments of the project, the last changed first. */
    async listExperiments(caller: Caller): Promise<Experiment[]> {
      await ensureDefault(caller.project)
      return withTags(await store.experiments(caller.project), caller)
    },
    async renameExperiment({ id, name }: { id: string; name: string }, caller: Caller): Promise<void> {
      const row = await activeExperiment(id, caller)
      const changes = { name, updated_at: Date.now() }
      try {
        await db.commit([
          store.changeExperiment(caller.project, row.id, changes),
          store.renameRunsOf(caller.project, row.id, name),
          experimentFact({ id: row.id, name }, 'renamed', caller),
        ])
      } catch (error) {
        if (!isFault(error, 'db.duplicate')) throw error
        throw new Fault('conflict', 'experiments.name_exists', `Experiment(name=${name}) already exists.`)
      }
    },
    async stageExperiment({ id, stage }: { id: string; stage: Stage }, caller: Caller): Promise<void> {
      const row = await experimentRow(id, caller)
      if (row.stage === stage)
        throw new Fault(
          'not_found',
          'experiments.not_found',
          `No Experiment with id=${id} exists in the ${stage === 'active' ? 'deleted' : 'active'} stage`,
        )
      const deleted_at = stage === 'deleted' ? Date.now() : null
      await db.commit([
        store.changeExperiment(caller.project, row.id, { stage, updated_at: Date.now() }),
        store.stageRunsOf(caller.project, row.id, row.stage, { stage, deleted_at }),
        experimentFact(row, stage === 'deleted' ? 'deleted' : 'restored', caller),
      ])
    },
    async setExperimentTag({ id, ...tag }: KeyValue & { id: string }, caller: Caller): Promise<void> {
      const row = await activeExperiment(id, caller)
      await db.commit([
        store.setExperimentTag(caller.project, row.id, tag),
        store.changeExperiment(caller.project, row.id, { updated_at: Date.now() }),
        experimentFact(row, 'tagged', caller),
      ])
    },
    async deleteExperimentTag({ id, key }: { id: string; key: string }, caller: Caller): Promise<void> {
      const row = await activeExperiment(id, caller)
      const fact = experimentFact(row, 'untagged', caller)
      await db.commit([store.deleteExperimentTag(caller.project, row.id, key), fact]).catch((error) => {
        if (!isFault(error, 'db.guard_failed')) throw error
        throw new Fault(
          'not_found',
          'experiments.tag_not_found',
          `No tag with name: ${key} in experiment with id ${id}`,
        )
      })
    },

    async startRun({ experiment, name, tags = [] }: StartRun, caller: Caller): Promise<{ id: string }> {
      const id = newId()
      const of = await ensureNamed(experiment, caller)
      await begin(newRun(of, { id, name: name ?? id.slice(-8), startedAt: Date.now() }, caller), tags, caller)
      return { id }
    },
    /** A run whose client says when it started and under whose name. */
    async createRun(
      command: {
        experimentId: string
        name: string
        userId: string
        startedAt: number
        tags: readonly KeyValue[]
      },
      caller: Caller,
    ): Promise<RunDetails> {
      const of = await activeExperiment(command.experimentId, caller)
      const row = newRun(of, { ...command, id: newId() }, caller)
      const named = [
        ...command.tags.filter((tag) => tag.key !== nameTag),
        { key: nameTag, value: command.name },
      ]
      await begin(row, named, caller)
      return { ...factsOf(row), params: [], metrics: [], inputs: [], tags: lastOfEach(named) }
    },
    async updateRun(
      command: {
        run: string
        status?: RunStatus | undefined
        endedAt?: number | undefined
        name?: string | undefined
      },
      caller: Caller,
    ): Promise<RunDetails> {
      const row = await activeRow(command.run, caller)
      const { status = row.status, name = row.name } = command
      const ended_at =
        status === 'running' && command.status !== undefined ? null : (command.endedAt ?? row.ended_at)
      const named =
        name === row.name ? [] : [store.setTags(caller.project, row.id, [{ key: nameTag, value: name }])]
      const isEnd = status !== row.status && status !== 'running' && status !== 'scheduled'
      const payload = { run: row.id, status }
      const fact = isEnd ? [events.record(caller, { type: runEnded, subject: `run:${row.id}`, payload })] : []
      await db.commit([
        store.changeRun(caller.project, row.id, { status, name, ended_at }),
        ...named,
        ...fact,
      ])
      return { ...factsOf({ ...row, status, name, ended_at }), params: [], metrics: [], inputs: [], tags: [] }
    },
    async stageRun({ run, stage }: { run: string; stage: Stage }, caller: Caller): Promise<void> {
      await rowOf(run, caller)
      const deleted_at = stage === 'deleted' ? Date.now() : null
      const fact = { type: runStaged, subject: `run:${run}`, payload: { run, stage } }
      await db.commit([
        store.changeRun(caller.project, run, { stage, deleted_at }),
        events.record(caller, fact),
      ])
    },
    /** All that was logged, in one unit. Hot path: values come checked from the door. */
    log: commitLog,
    async deleteTag({ run, key }: { run: string; key: string }, caller: Caller): Promise<void> {
      await activeRow(run, caller)
      await db.commit([store.deleteTag(caller.project, run, key)]).catch((error) => {
        if (!isFault(error, 'db.guard_failed')) throw error
        throw new Fault(
          'not_found',
          'experiments.tag_not_found',
          `No tag with name: ${key} in run with id ${run}`,
        )
      })
    },
    async logInputs(
      { run, inputs }: { run: string; inputs: readonly RunInput[] },
      caller: Caller,
    ): Promise<void> {
      const row = await activeRow(run, caller)
      const at = { project: caller.project, run, experiment_id: row.experiment_id }
      await db.commit(inputs.map((one) => store.putInput({ ...at, ...one, context: one.context ?? null })))
    },
    async runDetails({ run }: { run: string }, caller: Caller): Promise<RunDetails> {
      return (await detailsOf([await rowOf(run, caller)], caller))[0] as RunDetails
    },
    async findRuns(
      command: {
        experimentIds: readonly string[]
        stages: readonly Stage[]
        clauses: readonly RunClause[]
        orders: readonly RunOrder[]
        limit: number
        after?: readonly (string | number | null)[] | undefined
      },
      caller: Caller,
    ): Promise<{ runs: RunDetails[]; last?: (string | number | null)[] }> {
      const experiments = command.experimentIds.map(Number).filter(Number.isSafeInteger)
      if (experiments.length === 0) return { runs: [] }
      const found = await searchRuns(db, caller.project, {
        ...command,
        experiments,
        limit: command.limit + 1,
      })
      const page = found.slice(0, command.limit)
      const runs = await detailsOf(page, caller)
      const end = page.at(-1)
      return found.length > command.limit && end !== undefined ? { runs, last: keyOf(end) } : { runs }
    },
    async history(
      command: { run: string; key: string; limit: number; offset: number },
      caller: Caller,
    ): Promise<LoggedMetric[]> {
      await rowOf(command.run, caller)
      return (await store.points(caller.project, command.run, command.key, command)).map(metricOf)
    },

    async logBatch({ run, metrics = [], params = [], tags = [] }: LogBatch, caller: Caller): Promise<void> {
      const now = Date.now()
      const logged = metrics.map((m) => ({
        key: m.key,
        step: m.step,
        timestamp: m.timestamp ?? now,
        ...storedValue(numberOf(m.value)),
      }))
      await commitLog({ run, metrics: logged, params, tags }, caller)
    },

    async endRun(
      { run, status }: { run: string; status: 'finished' | 'failed' | 'killed' },
      caller: Caller,
    ): Promise<void> {
      const row = await rowOf(run, caller)
      if (row.status === status) return
      const to = runLife.next(row.status, actionTo[status])
      const fact = { type: runEnded, subject: `run:${run}`, payload: { run, status: to } }
      await db.commit([
        store.moveRun(caller.project, run, row.status, to, Date.now()),
        events.record(caller, fact),
      ])
    },

    async getRun({ run }: { run: string }, caller: Caller): Promise<Run> {
      const row = await rowOf(run, caller)
      const [metrics, values] = await Promise.all([
        store.latest(caller.project, [run]),
        store.values(caller.project, [run]),
      ])
      const kept = (kind: string) =>
        Object.fromEntries(values.filter((v) => v.kind === kind).map((v) => [v.key, v.value]))
      const latest = Object.fromEntries(metrics.map((m) => [m.key, jsonNumber(loggedValue(m))]))
      return { ...plainRun(row), params: kept('param'), tags: kept('tag'), metrics: latest }
    },

    async searchRuns(
      { experiment, beforeMs, limit }: { experiment?: string; beforeMs?: number; limit: number },
      caller: Caller,
    ) {
      const rows = await store.runs(caller.project, experiment, beforeMs ?? Number.MAX_SAFE_INTEGER, limit)
      return { runs: rows.map(plainRun) }
    },

    async metricHistory({ run, key }: { run: string; key: string }, caller: Caller) {
      const page = { limit: pointsMax, offset: 0 }
      const rows = await store.points(caller.project, run, key, page)
      return {
        points: rows.map((r) => ({
          step: r.step,
          timestamp: r.timestamp,
          value: jsonNumber(loggedValue(r)),
        })),
      }
    },
  }
}
export type Experiments = ReturnType<typeof openExperiments>

const plainRun = (row: RunRow) => ({
  id: row.id,
  experiment: row.experiment,
  name: row.name,
  status: row.status,
  startedAt: row.started_at,
  ...(row.ended_at === null ? {} : { endedAt: row.ended_at }),
  startedBy: row.started_by,
})

const pointsMax = 1_000_000
const ignoreDuplicate = (error: unknown) => {
  if (!isFault(error, 'db.duplicate')) throw error
}
const newExperiment = (project: string, id: number, name: string): ExperimentRow => ({
  project,
  id,
  name,
  artifact_location: `mlflow-artifacts:/${id}`,
  stage: 'active',
  created_at: Date.now(),
  updated_at: Date.now(),
})
const newRun = (
  of: ExperimentRow,
  { id, name, startedAt, userId }: { id: string; name: string; startedAt: number; userId?: string },
  caller: Caller,
): RunRow => ({
  project: caller.project,
  id,
  experiment: of.name,
  experiment_id: of.id,
  name,
  status: 'running',
  started_at: startedAt,
  ended_at: null,
  started_by: caller.actor.name,
  user_id: userId ?? null,
  stage: 'active',
  deleted_at: null,
})
const factsOf = (row: RunRow) => ({
  id: row.id,
  name: row.name,
  experimentId: String(row.experiment_id),
  userId: row.user_id ?? row.started_by,
  status: row.status,
  startedAt: row.started_at,
  endedAt: row.ended_at ?? undefined,
  stage: row.stage,
  artifactUri: `mlflow-artifacts:/${row.experiment_id}/${row.id}/artifacts`,
})
const metricOf = (row: PointRow): LoggedMetric => ({
  key: row.key,
  value: row.value,
  step: row.step,
  timestamp: row.timestamp,
  special: row.special,
  modelId: row.model_id ?? undefined,
  datasetName: row.dataset_name ?? undefined,
  datasetDigest: row.dataset_digest ?? undefined,
})
/** Where a key comes twice, its last value counts. */
const lastOfEach = (pairs: readonly KeyValue[]): KeyValue[] =>
  [...new Map(pairs.map((pair) => [pair.key, pair.value]))].map(([key, value]) => ({ key, value }))
