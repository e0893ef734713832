/** Verbs of the registry: prepare, register, gate, promote. Read next: rules.ts (gates), convert.ts (ONNX). */
import type { Caller } from '#base/caller.ts'
import type { Clock } from '#base/clock.ts'
import { Fault, isFault } from '#base/errors.ts'
import { newId } from '#base/ids.ts'
import type { Db } from '#platform/db/index.ts'
import { type Definitions, durationMs } from '#platform/definitions/index.ts'
import type { Events } from '#platform/events/index.ts'
import { type ConvertDeps, convert, type Prepared } from './convert.ts'
import { aliasMoved, versionGated, versionRegistered } from './events.ts'
import {
  type AliasMove,
  type GateResult,
  type ModelDefinition,
  type ModelVersion,
  modelsBlock,
  type Subject,
} from './model.ts'
import { gateResults, modelVersionLife } from './rules.ts'
import { registryStore, type VersionRow } from './store.ts'

export interface RegistryDeps extends ConvertDeps {
  readonly db: Db
  readonly events: Events
  readonly definitions: Definitions
  readonly clockOf: (project: string) => Promise<Clock>
  /** Real rows of a feature view, for parity and latency. */
  readonly sampleRows: (view: string, caller: Caller) => Promise<number[][]>
  /** What an evaluation measured (evaluation). */
  readonly verdictOf: (evaluation: string, caller: Caller) => Promise<readonly Subject[]>
}
export interface RegisterVersion {
  readonly model: string
  readonly tree: string
  readonly environmentLock: string
  readonly runId: string
  readonly code: ModelVersion['code']
  readonly datasets: ModelVersion['datasets']
  readonly evaluationId?: string
}
const attemptsMax = 5

export function openRegistry(deps: RegistryDeps) {
  const { db, events, definitions, clockOf } = deps
  const store = registryStore(db)
  const blockOf = async (model: string, caller: Caller): Promise<ModelDefinition> => {
    const found = (await definitions.blockOf(caller.project, modelsBlock))?.[model]
    if (found !== undefined) return found
    throw new Fault('not_found', 'registry.model_not_found', `there is no model ${model}`, {
      remedy: 'list them with: headrace model ls',
    })
  }
  const rowOf = async (model: string, version: number, caller: Caller): Promise<VersionRow> => {
    const row = await store.version(caller.project, model, version)
    if (row !== undefined) return row
    throw new Fault('not_found', 'registry.version_not_found', `${model} has no version ${version}`, {
      remedy: `list them with: headrace model show ${model}`,
    })
  }
  const versionFrom = async (row: VersionRow): Promise<ModelVersion> => {
    const aliases = (await store.aliases(row.project, row.model))
      .filter((a) => a.version === row.version)
      .map((a) => a.alias)
    return versionOf(row, aliases)
  }
  const prepareArtifact = async (
    command: { tree: string; environmentLock: string; view: string },
    caller: Caller,
  ): Promise<Prepared> => {
    const made = await store.artifact(caller.project, command.tree, command.environmentLock)
    if (made !== undefined) return JSON.parse(made)
    const prepared = await convert(deps, { ...command, sample: await deps.sampleRows(command.view, caller) })
    await db.commit([
      store.insertArtifact(caller.project, command.tree, command.environmentLock, JSON.stringify(prepared)),
    ])
    return prepared
  }
  const byAlias = async (
    { model, alias }: { model: string; alias: string },
    caller: Caller,
  ): Promise<ModelVersion | undefined> => {
    const found = (await store.aliases(caller.project, model)).find((a) => a.alias === alias)
    return found === undefined ? undefined : versionFrom(await rowOf(model, found.version, caller))
  }
  return {
    prepareArtifact,
    byAlias,
    definitionOf: (model: string, caller: Caller) => blockOf(model, caller),
    /** A version of what a run made; the same run's model is registered once. */
    async registerVersion(command: RegisterVersion, caller: Caller): Promise<ModelVersion> {
      const { signature } = await blockOf(command.model, caller)
      const known = await store.byRun(caller.project, command.model, command.runId)
      if (known !== undefined && known.tree === command.tree) return versionFrom(known)
      const artifact = await prepareArtifact({ ...command, view: signature.in }, caller)
      for (let attempt = 1; ; attempt++) {
        const version = (await store.lastNumber(caller.project, command.model)) + 1
        const at = (await clockOf(caller.project)).now()
        const row: VersionRow = {
          project: caller.project,
          model: command.model,
          version,
          state: 'registered',
          tree: command.tree,
          artifact: JSON.stringify(artifact),
          view: signature.in,
          run_id: command.runId,
          environment_lock: command.environmentLock,
          code: JSON.stringify(command.code),
          datasets: JSON.stringify(command.datasets),
          evaluation_id: command.evaluationId ?? null,
          gates: '[]',
          created_at: at,
          created_by: caller.actor.name,
          source: null,
          run_link: null,
          description: null,
          logged_model: null,
          updated_at: at,
          deleted_at: null,
          stage: 'None',
        }
        const payload = { model: row.model, version, runId: row.run_id, kind: artifact.kind }
        try {
          const fact = {
            type: versionRegistered,
            subject: `model:${row.model}@${version}`,
            payload,
            atMs: row.created_at,
          }
          await db.commit([
            store.ensureModel(caller.project, command.model, at),
            store.insertVersion(row),
            events.record(caller, fact),
          ])
          return await versionFrom(row)
        } catch (error) {
          if (attempt >= attemptsMax || !isFault(error, 'db.duplicate')) throw error
        }
      }
    },
    /** Holds a version against its model's gates and keeps what each observed. */
    async gateVersion(
      { model, version }: { model: string; version: number },
      caller: Caller,
    ): Promise<{ passed: boolean; gates: GateResult[] }> {
      const { gates } = await blockOf(model, caller)
      const row = await rowOf(model, version, caller)
      if (row.artifact === '') throw notConverted(row)
      const { latencyP95Ms, parityMaxAbs } = JSON.parse(row.artifact) as Prepared
      const subjects = row.evaluation_id === null ? [] : await deps.verdictOf(row.evaluation_id, caller)
      const results = gateResults(gates, { subjects, latencyP95Ms, parityMaxAbs }, durationMs)
      const passed = results.every((r) => r.passed)
      const to = modelVersionLife.next(row.state, passed ? 'pass' : 'refuse')
      const reasons = results.filter((r) => !r.passed).map((r) => `${r.name}: ${r.sentence}`)
      const payload = {
        model,
        version,
        passed,
        passedCount: results.length - reasons.length,
        count: results.length,
        reasons,
      }
      const fact = {
        type: versionGated,
        subject: `model:${model}@${version}`,
        payload,
        atMs: (await clockOf(caller.project)).now(),
      }
      await db.commit([store.gate(row, to, JSON.stringify(results)), events.record(caller, fact)])
      return { passed, gates: results }
    },
    /** Moves an alias. @throws Fault precondition_failed `registry.not_gated` */
    async promote(
      { model, version, alias }: { model: string; version: number; alias: string },
      caller: Caller,
    ): Promise<ModelVersion> {
      const row = await rowOf(model, version, caller)
      if (row.state !== 'gated') {
        throw new Fault(
          'precondition_failed',
          'registry.not_gated',
          `${model}@${version} is ${row.state}: its gates have not passed`,
          { remedy: `headrace model gate ${model}@${version}` },
        )
      }
      const before = (await store.aliases(caller.project, model)).find((a) => a.alias === alias)?.version
      if (before === version) return versionFrom(row)
      const at = (await clockOf(caller.project)).now()
      const move = {
        project: caller.project,
        model,
        id: newId(),
        alias,
        version,
        from_version: before ?? null,
        moved_at: at,
        moved_by: caller.actor.name,
      }
      const fact = {
        type: aliasMoved,
        subject: `model:${model}@${version}`,
        payload: { model, version, alias, from: before ?? null },
        atMs: at,
      }
      await db.commit([
        store.moveAlias({ project: caller.project, model, alias, version }, before),
        store.insertMove(move),
        events.record(caller, fact),
      ])
      return versionFrom(row)
    },
    /** A version that can be judged and served. @throws Fault precondition_failed `registry.not_converted` */
    async getConverted(
      { model, version }: { model: string; version: number },
      caller: Caller,
    ): Promise<ConvertedVersion> {
      const found = await versionFrom(await rowOf(model, version, caller))
      return { ...found, onnx: onnxOf(found) }
    },
    getVersion: async ({ model, version }: { model: string; version: number }, caller: Caller) =>
      versionFrom(await rowOf(model, version, caller)),
    async getModel(
      { model }: { model: string },
      caller: Caller,
    ): Promise<{ name: string; versions: ModelVersion[]; history: AliasMove[] }> {
      if (!(await store.names(caller.project)).includes(model)) await blockOf(model, caller)
      const versions = await Promise.all((await store.versions(caller.project, model)).map(versionFrom))
      const history = (await store.moves(caller.project, model)).map((m) => ({
        alias: m.alias,
        version: m.version,
        from: m.from_version,
        at: m.moved_at,
        by: m.moved_by,
      }))
      return { name: model, versions, history }
    },
    async listModels(_: object, caller: Caller) {
      const defined = Object.keys((await definitions.blockOf(caller.project, modelsBlock)) ?? {})
      const names = [...new Set([...defined, ...(await store.names(caller.project))])]
      const models = await Promise.all(
        names.map(async (name) => {
          const versions = await store.versions(caller.project, name)
          const champion = (await store.aliases(caller.project, name)).find(
            (a) => a.alias === 'champion',
          )?.version
          return { name, versions: versions.length, ...(champion === undefined ? {} : { champion }) }
        }),
      )
      return { models }
    },
  }
}
export type Registry = ReturnType<typeof openRegistry>

export type ConvertedVersion = ModelVersion & { readonly onnx: string }
const notConverted = ({ model, version }: { model: string; version: number }) =>
  new Fault(
    'precondition_failed',
    'registry.not_converted',
    `${model}@${version} was registered by a client: it has no form that is judged or served here`,
    { remedy: 'register it by a step with `do: register`' },
  )
/** The served form of a version. @throws Fault precondition_failed `registry.not_converted` */
export function onnxOf(version: ModelVersion): string {
  if (version.onnx === null) throw notConverted(version)
  return version.onnx
}

function versionOf(row: VersionRow, aliases: string[]): ModelVersion {
  const artifact = row.artifact === '' ? undefined : (JSON.parse(row.artifact) as Prepared)
  return {
    project: row.project,
    model: row.model,
    version: row.version,
    state: row.state,
    tree: row.tree,
    onnx: artifact?.onnx ?? null,
    features: [...(artifact?.features ?? [])],
    kind: artifact?.kind ?? 'files',
    parityMaxAbs: artifact?.parityMaxAbs ?? null,
    latencyP95Ms: artifact?.latencyP95Ms ?? null,
    ...(row.source === null ? {} : { source: row.source }),
    view: row.view,
    runId: row.run_id,
    environmentLock: row.environment_lock,
    code: JSON.parse(row.code),
    datasets: JSON.parse(row.datasets),
    ...(row.evaluation_id === null ? {} : { evaluationId: row.evaluation_id }),
    gates: JSON.parse(row.gates),
    aliases,
    createdAt: row.created_at,
    createdBy: row.created_by,
  }
}
