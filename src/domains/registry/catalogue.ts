/**
 * Verbs that clients of registries know: models and versions by name, tags, stages, aliases, sources. A model that the
 * project's definition governs keeps its rules: `champion` goes to gated versions only, and its name stays.
 */
import { type Caller, mayDo } from '#base/caller.ts'
import type { Clock } from '#base/clock.ts'
import { Fault, isFault } from '#base/errors.ts'
import { newId } from '#base/ids.ts'
import type { Db, Statement } from '#platform/db/index.ts'
import type { Definitions } from '#platform/definitions/index.ts'
import type { Events } from '#platform/events/index.ts'
import {
  type CatalogueSearch,
  catalogueStore,
  type ModelRow,
  promptTag,
  type TagRow,
} from './catalogue-store.ts'
import { aliasMoved, modelChanged, versionChanged, versionRegistered } from './events.ts'
import { modelsBlock } from './model.ts'
import { isWithin, parseSource } from './sources.ts'
import { registryStore, type VersionRow } from './store.ts'

export interface Pair {
  readonly key: string
  readonly value: string
}
export interface CatalogueVersion {
  readonly model: string
  readonly version: number
  readonly createdAt: number
  readonly updatedAt: number
  readonly createdBy: string
  readonly stage: string
  readonly description: string
  readonly source: string
  readonly runId: string
  readonly runLink: string
  readonly loggedModel: string | undefined
  readonly tags: readonly Pair[]
  readonly aliases: readonly string[]
}
export interface CatalogueModel {
  readonly name: string
  readonly description: string
  readonly createdAt: number
  readonly updatedAt: number
  readonly tags: readonly Pair[]
  readonly aliases: readonly { readonly alias: string; readonly version: number }[]
  /** Newest first. */
  readonly versions: readonly CatalogueVersion[]
}
export const stages = ['None', 'Staging', 'Production', 'Archived'] as const
export type Stage = (typeof stages)[number]

/** What a run or a logged model holds, for sources (experiments). */
export interface Origin {
  readonly uri: string
  readonly runId: string
}
export interface CatalogueDeps {
  readonly db: Db
  readonly events: Pick<Events, 'record'>
  readonly definitions: Pick<Definitions, 'blockOf'>
  readonly clockOf: (project: string) => Promise<Clock>
  readonly runOrigin: (run: string, caller: Caller) => Promise<Origin>
  readonly loggedOrigin: (id: string, caller: Caller) => Promise<Origin>
}
interface Ref {
  readonly model: string
  readonly version: number
}
const attemptsMax = 20
const hopsMax = 8

export type Catalogue = ReturnType<typeof openCatalogue>

export function openCatalogue(deps: CatalogueDeps) {
  const inner = innerOf(deps)
  return { ...modelVerbs(inner), ...versionVerbs(inner), ...aliasVerbs(inner), ...tagVerbs(inner) }
}

type Inner = ReturnType<typeof innerOf>
function innerOf(deps: CatalogueDeps) {
  const store = { ...registryStore(deps.db), ...catalogueStore(deps.db) }
  const nowIn = async (caller: Caller) => (await deps.clockOf(caller.project)).now()
  const isGoverned = async (model: string, caller: Caller): Promise<boolean> =>
    (await deps.definitions.blockOf(caller.project, modelsBlock))?.[model] !== undefined
  const modelRow = async (model: string, caller: Caller): Promise<ModelRow> => {
    const row = await store.model(caller.project, model)
    if (row !== undefined) return row
    throw new Fault('not_found', 'registry.model_not_found', `Registered Model with name=${model} not found`)
  }
  const versionRow = async ({ model, version }: Ref, caller: Caller): Promise<VersionRow> => {
    const row = await store.version(caller.project, model, version)
    if (row !== undefined) return row
    throw new Fault(
      'not_found',
      'registry.version_not_found',
      `Model Version (name=${model}, version=${version}) not found`,
    )
  }
  const refuseGoverned = async (model: string, verb: string, caller: Caller): Promise<void> => {
    if (!(await isGoverned(model, caller))) return
    throw new Fault(
      'precondition_failed',
      'registry.model_governed',
      `${model} is defined in headrace.yaml and cannot be ${verb} here`,
      { remedy: 'change the definition and apply it' },
    )
  }
  return {
    ...deps,
    store,
    nowIn,
    isGoverned,
    modelRow,
    versionRow,
    refuseGoverned,
    fact: factOf(deps.events),
    ...wholeOf(store),
  }
}
type Store = ReturnType<typeof registryStore> & ReturnType<typeof catalogueStore>

/** Rows with their tags and aliases, read together. */
function wholeOf(store: Store) {
  const whole = async (rows: readonly ModelRow[], caller: Caller): Promise<CatalogueModel[]> => {
    const names = rows.map((row) => row.model)
    if (names.length === 0) return []
    const [versions, tags, aliases] = await Promise.all([
      store.versionsOf(caller.project, names),
      store.tagsOf(caller.project, names),
      store.aliasesOf(caller.project, names),
    ])
    return rows.map((row) => ({
      name: row.model,
      description: row.description,
      createdAt: row.created_at,
      updatedAt: row.updated_at,
      tags: tagsFor(tags, row.model, 0),
      aliases: aliases.filter((a) => a.model === row.model).map(({ alias, version }) => ({ alias, version })),
      versions: versions.filter((v) => v.model === row.model).map((v) => versionFrom(v, tags, aliases)),
    }))
  }
  const wholeVersions = async (rows: readonly VersionRow[], caller: Caller): Promise<CatalogueVersion[]> => {
    const names = [...new Set(rows.map((row) => row.model))]
    if (names.length === 0) return []
    const [tags, aliases] = await Promise.all([
      store.tagsOf(caller.project, names),
      store.aliasesOf(caller.project, names),
    ])
    return rows.map((row) => versionFrom(row, tags, aliases))
  }
  return { whole, wholeVersions }
}

const factOf =
  (events: CatalogueDeps['events']) =>
  (model: string, change: string, caller: Caller, version?: number): Statement =>
    version === undefined
      ? events.record(caller, {
          type: modelChanged,
          subject: `model:${model}`,
          payload: { model, change },
        })
      : events.record(caller, {
          type: versionChanged,
          subject: `model:${model}@${version}`,
          payload: { model, version, change },
        })

function modelVerbs({ db, store, nowIn, modelRow, whole, fact, refuseGoverned }: Inner) {
  const get = async ({ model }: { model: string }, caller: Caller): Promise<CatalogueModel> =>
    (await whole([await modelRow(model, caller)], caller))[0] as CatalogueModel
  const taken = (model: string) =>
    new Fault('conflict', 'registry.model_exists', `Registered Model (name=${model}) already exists.`)
  return {
    get,
    async create(
      command: { model: string; description: string; tags: readonly Pair[] },
      caller: Caller,
    ): Promise<CatalogueModel> {
      const { model, description } = command
      const at = await nowIn(caller)
      const row: ModelRow = { project: caller.project, model, description, created_at: at, updated_at: at }
      const tags = command.tags.map((tag) =>
        store.setTag({ project: caller.project, model, version: 0, ...tag }),
      )
      try {
        await db.commit([store.insertModel(row), ...tags, fact(model, 'created', caller)])
      } catch (error) {
        throw isFault(error, 'db.duplicate') ? taken(model) : error
      }
      return get({ model }, caller)
    },
    async describe(
      { model, description }: { model: string; description: string },
      caller: Caller,
    ): Promise<CatalogueModel> {
      await modelRow(model, caller)
      const change = { description, updated_at: await nowIn(caller) }
      await db.commit([store.changeModel(caller.project, model, change), fact(model, 'described', caller)])
      return get({ model }, caller)
    },
    async rename({ model, to }: { model: string; to: string }, caller: Caller): Promise<CatalogueModel> {
      await modelRow(model, caller)
      await refuseGoverned(model, 'renamed', caller)
      try {
        const change = store.changeModel(caller.project, model, { updated_at: await nowIn(caller) })
        await db.commit([
          change,
          ...store.renameModel(caller.project, model, to),
          fact(to, 'renamed', caller),
        ])
      } catch (error) {
        throw isFault(error, 'db.duplicate') ? taken(to) : error
      }
      return get({ model: to }, caller)
    },
    async remove({ model }: { model: string }, caller: Caller): Promise<void> {
      await modelRow(model, caller)
      await refuseGoverned(model, 'deleted', caller)
      await db.commit([...store.removeModel(caller.project, model), fact(model, 'deleted', caller)])
    },
    async search(
      search: CatalogueSearch,
      caller: Caller,
    ): Promise<{ models: CatalogueModel[]; isMore: boolean }> {
      const rows = await store.searchModels(caller.project, { ...search, limit: search.limit + 1 })
      return { models: await whole(rows.slice(0, search.limit), caller), isMore: rows.length > search.limit }
    },
  }
}

interface NewVersion {
  readonly model: string
  readonly source: string
  readonly runId: string
  readonly runLink: string
  readonly description: string
  readonly loggedModel: string | undefined
  readonly tags: readonly Pair[]
}

function versionVerbs(inner: Inner) {
  const { db, events, store, nowIn, modelRow, versionRow, wholeVersions, fact } = inner
  const getVersion = async (ref: Ref, caller: Caller): Promise<CatalogueVersion> =>
    (await wholeVersions([await versionRow(ref, caller)], caller))[0] as CatalogueVersion
  const change = async (ref: Ref, changes: Partial<VersionRow>, what: string, caller: Caller) => {
    const row = await versionRow(ref, caller)
    const at = await nowIn(caller)
    await db.commit([
      store.changeVersion(row, { ...changes, updated_at: at }),
      fact(ref.model, what, caller, ref.version),
    ])
    return getVersion(ref, caller)
  }
  return {
    getVersion,
    async createVersion(command: NewVersion, caller: Caller): Promise<CatalogueVersion> {
      const { model } = command
      await modelRow(model, caller)
      const runId = await checkedRun(inner, command, caller)
      for (let attempt = 1; ; attempt++) {
        const version = (await store.lastNumber(caller.project, model)) + 1
        const row = clientVersion({ ...command, runId, version }, await nowIn(caller), caller)
        const payload = { model, version, runId, kind: 'files' }
        try {
          await db.commit([
            store.insertVersion(row),
            store.changeModel(caller.project, model, { updated_at: row.created_at }),
            ...command.tags.map((tag) => store.setTag({ project: caller.project, model, version, ...tag })),
            events.record(caller, { type: versionRegistered, subject: `model:${model}@${version}`, payload }),
          ])
          return await getVersion({ model, version }, caller)
        } catch (error) {
          if (attempt >= attemptsMax || !isFault(error, 'db.duplicate')) throw error
        }
      }
    },
    describeVersion: ({ description, ...ref }: Ref & { description: string }, caller: Caller) =>
      change(ref, { description }, 'described', caller),
    /** A stage is a label; what serves follows `champion`. */
    async moveToStage(
      { stage, archiveOthers, ...ref }: Ref & { stage: Stage; archiveOthers: boolean },
      caller: Caller,
    ): Promise<CatalogueVersion> {
      const row = await versionRow(ref, caller)
      const at = await nowIn(caller)
      await db.commit([
        store.changeVersion(row, { stage, updated_at: at }),
        ...(archiveOthers ? [store.archive(row, stage, at)] : []),
        fact(ref.model, `moved to ${stage}`, caller, ref.version),
      ])
      return getVersion(ref, caller)
    },
    ...versionEnds(inner),
  }
}

function versionEnds(inner: Inner) {
  const { db, store, nowIn, versionRow, wholeVersions, fact } = inner
  return {
    async removeVersion(ref: Ref, caller: Caller): Promise<void> {
      const row = await versionRow(ref, caller)
      const champion = (await store.aliases(caller.project, ref.model)).find((a) => a.alias === 'champion')
      if (champion?.version === ref.version && (await inner.isGoverned(ref.model, caller)))
        throw new Fault(
          'precondition_failed',
          'registry.version_in_use',
          `${ref.model}@${ref.version} is champion and cannot be deleted`,
          { remedy: 'promote another version first' },
        )
      await db.commit([
        store.changeVersion(row, { deleted_at: await nowIn(caller) }),
        store.dropAliasesOf(row),
        fact(ref.model, 'deleted', caller, ref.version),
      ])
    },
    async searchVersions(
      search: CatalogueSearch,
      caller: Caller,
    ): Promise<{ versions: CatalogueVersion[]; isMore: boolean }> {
      const rows = await store.searchVersions(caller.project, { ...search, limit: search.limit + 1 })
      const versions = await wholeVersions(rows.slice(0, search.limit), caller)
      return { versions, isMore: rows.length > search.limit }
    },
    downloadUri: (ref: Ref, caller: Caller) => resolvedUri(inner, ref, caller),
  }
}

/** Where the files really lie, over versions that were copied from others. */
async function resolvedUri(inner: Inner, ref: Ref, caller: Caller): Promise<string> {
  let at = ref
  for (let hop = 0; hop < hopsMax; hop++) {
    const row = await inner.versionRow(at, caller)
    const text = row.source ?? sourceOfOurs(row)
    const source = row.source === null ? undefined : parseSource(text)
    if (source?.kind === 'logged') return (await inner.loggedOrigin(source.id, caller)).uri
    if (source?.kind !== 'version') return text
    at = source
  }
  throw new Fault('invalid', 'registry.source_loop', `${ref.model}@${ref.version} leads to itself`)
}

/** The run that a version comes from, where its source allows it. @throws Fault invalid `registry.source_refused` */
async function checkedRun(inner: Inner, command: NewVersion, caller: Caller): Promise<string> {
  const { runId, loggedModel, tags } = command
  const source = parseSource(command.source)
  const wrong = (why: string) =>
    new Fault(
      'invalid',
      'registry.source_refused',
      `Invalid model version source: '${command.source}'. ${why}`,
    )
  const origins = [
    ...(runId === '' ? [] : [await inner.runOrigin(runId, caller)]),
    ...(loggedModel === undefined ? [] : [await inner.loggedOrigin(loggedModel, caller)]),
  ]
  const fallback = runId === '' ? (origins.at(-1)?.runId ?? '') : runId
  switch (source.kind) {
    case 'none':
      if (!tags.some((tag) => tag.key === promptTag)) throw wrong('Only a prompt has no files.')
      return fallback
    case 'run':
      if (source.run !== runId) throw wrong('The run_id request parameter must name the same run.')
      return fallback
    case 'logged':
      if (source.id === loggedModel) return fallback
      if (loggedModel !== undefined) throw wrong('The model_id request parameter names another model.')
      throw wrong('The model_id request parameter has to be specified.')
    case 'version':
      return fallback === '' ? (await inner.versionRow(source, caller)).run_id : fallback
    case 'artifacts':
      if (origins.some((origin) => isWithin(source.path, origin))) return fallback
      throw wrong('It has to lie within the artifact directory of the given run_id or model_id.')
    case 'elsewhere':
      return fallback
  }
}

/** @throws Fault precondition_failed `registry.not_gated`, forbidden */
async function checkChampion(inner: Inner, row: VersionRow, alias: string, caller: Caller): Promise<void> {
  if (alias !== 'champion' || !(await inner.isGoverned(row.model, caller))) return
  if (!mayDo(caller, 'model:promote', row.model))
    throw new Fault('forbidden', 'registry.promote_not_allowed', `${caller.actor.name} may not model:promote`)
  if (row.state === 'gated') return
  throw new Fault(
    'precondition_failed',
    'registry.not_gated',
    `${row.model}@${row.version} is ${row.state}: its gates have not passed, so it does not become champion`,
    { remedy: `headrace model gate ${row.model}@${row.version}` },
  )
}

async function moveAlias(
  { db, events, store, nowIn }: Inner,
  move: Ref & { readonly alias: string },
  caller: Caller,
): Promise<void> {
  const { model, version, alias } = move
  const before = (await store.aliases(caller.project, model)).find((a) => a.alias === alias)?.version
  if (before === version) return
  const row = { project: caller.project, ...move }
  const payload = { ...move, from: before ?? null }
  const about = { from_version: before ?? null, moved_at: await nowIn(caller), moved_by: caller.actor.name }
  await db.commit([
    store.moveAlias(row, before),
    store.insertMove({ ...row, ...about, id: newId() }),
    events.record(caller, { type: aliasMoved, subject: `model:${model}@${version}`, payload }),
  ])
}

function aliasVerbs(inner: Inner) {
  const { db, store, modelRow, versionRow, isGoverned, wholeVersions, fact } = inner
  return {
    async setAlias({ alias, ...ref }: Ref & { alias: string }, caller: Caller): Promise<void> {
      await modelRow(ref.model, caller)
      const row = await versionRow(ref, caller)
      await checkChampion(inner, row, alias, caller)
      await moveAlias(inner, { ...ref, alias }, caller)
    },
    async removeAlias({ model, alias }: { model: string; alias: string }, caller: Caller): Promise<void> {
      await modelRow(model, caller)
      if (alias === 'champion' && (await isGoverned(model, caller)))
        throw new Fault(
          'precondition_failed',
          'registry.model_governed',
          `${model} keeps its champion: it is defined in headrace.yaml`,
          { remedy: 'promote another version instead' },
        )
      await db.commit([
        store.dropAlias(caller.project, model, alias),
        fact(model, `alias ${alias} removed`, caller),
      ])
    },
    /** `latest` is reserved: it is the newest version. */
    async byAlias(
      { model, alias }: { model: string; alias: string },
      caller: Caller,
    ): Promise<CatalogueVersion> {
      await modelRow(model, caller)
      const found =
        alias.toLowerCase() === 'latest'
          ? (await store.versions(caller.project, model))[0]
          : (await store.aliases(caller.project, model)).find((a) => a.alias === alias)
      if (found !== undefined) {
        const row = await versionRow(found, caller)
        return (await wholeVersions([row], caller))[0] as CatalogueVersion
      }
      throw new Fault('invalid', 'registry.alias_not_found', `Registered model alias ${alias} not found.`)
    },
  }
}

/** `version` 0 is the model itself. */
function tagVerbs({ db, store, nowIn, modelRow, versionRow, fact }: Inner) {
  const touch = async ({ model, version }: Ref, caller: Caller): Promise<Statement> => {
    const change = { updated_at: await nowIn(caller) }
    if (version > 0) return store.changeVersion(await versionRow({ model, version }, caller), change)
    await modelRow(model, caller)
    return store.changeModel(caller.project, model, change)
  }
  const about = ({ model, version }: Ref, what: string, caller: Caller) =>
    fact(model, what, caller, version > 0 ? version : undefined)
  return {
    async setTag({ key, value, ...ref }: Ref & Pair, caller: Caller): Promise<void> {
      const row: TagRow = { project: caller.project, ...ref, key, value }
      await db.commit([await touch(ref, caller), store.setTag(row), about(ref, `tagged ${key}`, caller)])
    },
    async removeTag({ key, ...ref }: Ref & { key: string }, caller: Caller): Promise<void> {
      const row = { project: caller.project, ...ref, key }
      await db.commit([await touch(ref, caller), store.dropTag(row), about(ref, `untagged ${key}`, caller)])
    },
  }
}

const tagsFor = (tags: readonly TagRow[], model: string, version: number): Pair[] =>
  tags.filter((t) => t.model === model && t.version === version).map(({ key, value }) => ({ key, value }))
/** Versions of the loop have no source that a client reads; this names them. */
const sourceOfOurs = ({ model, version }: VersionRow) => `headrace:/models/${model}/${version}`

function versionFrom(
  row: VersionRow,
  tags: readonly TagRow[],
  aliases: readonly { model: string; alias: string; version: number }[],
): CatalogueVersion {
  return {
    model: row.model,
    version: row.version,
    createdAt: row.created_at,
    updatedAt: row.updated_at ?? row.created_at,
    createdBy: row.created_by,
    stage: row.stage,
    description: row.description ?? '',
    source: row.source ?? sourceOfOurs(row),
    runId: row.run_id,
    runLink: row.run_link ?? '',
    loggedModel: row.logged_model ?? undefined,
    tags: tagsFor(tags, row.model, row.version),
    aliases: aliases.filter((a) => a.model === row.model && a.version === row.version).map((a) => a.alias),
  }
}

/** A version of files that nothing here has converted or judged. */
const clientVersion = (
  command: NewVersion & { readonly version: number },
  at: number,
  caller: Caller,
): VersionRow => ({
  project: caller.project,
  model: command.model,
  version: command.version,
  state: 'registered',
  tree: '',
  artifact: '',
  view: '',
  run_id: command.runId,
  environment_lock: '',
  code: '{"tree":"","dirty":false}',
  datasets: '[]',
  evaluation_id: null,
  gates: '[]',
  created_at: at,
  created_by: caller.actor.name,
  source: command.source,
  run_link: command.runLink,
  description: command.description,
  logged_model: command.loggedModel ?? null,
  updated_at: at,
  deleted_at: null,
  stage: 'None',
})
