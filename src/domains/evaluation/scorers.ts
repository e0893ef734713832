/** Verbs of scorers: judges of language models, kept by experiment, name and version. */
import { randomUUID } from 'node:crypto'
import type { Caller } from '#base/caller.ts'
import { Fault, isFault } from '#base/errors.ts'
import type { Db } from '#platform/db/index.ts'
import type { Events } from '#platform/events/index.ts'
import { scorerDeleted, scorerRegistered } from './events.ts'
import type { Scorer } from './judging-model.ts'
import { type ScorerRow, scorerStore } from './judging-store.ts'

export interface ScorersDeps {
  readonly db: Db
  readonly events: Pick<Events, 'record'>
  /** @throws Fault not_found where there is no such experiment, invalid where it is deleted */
  readonly checkExperiment: (id: string, caller: Caller) => Promise<unknown>
}
interface Named {
  readonly experiment: string
  readonly name: string
  readonly version?: number | undefined
}
export type Scorers = ReturnType<typeof openScorers>
const attemptsMax = 20

export function openScorers({ db, events, checkExperiment }: ScorersDeps) {
  const store = scorerStore(db)
  const versions = async ({ experiment, name, version }: Named, caller: Caller): Promise<Scorer[]> => {
    await checkExperiment(experiment, caller)
    const all = (await store.versions(caller.project, experiment, name)).map(scorerFrom)
    const found = version === undefined ? all : all.filter((one) => one.version === version)
    if (found.length > 0) return found
    const which = version === undefined ? '' : ` and version ${version}`
    throw new Fault(
      'not_found',
      'evaluation.scorer_not_found',
      `Scorer with name '${name}'${which} not found for experiment ${experiment}.`,
    )
  }
  const newest = (rows: readonly ScorerRow[]): Scorer[] => [
    ...new Map(rows.map((row) => [`${row.experiment} ${row.name}`, scorerFrom(row)])).values(),
  ]
  return {
    /** The next version of that name. */
    async register(
      { experiment, name, body }: { experiment: string; name: string; body: string },
      caller: Caller,
    ): Promise<Scorer> {
      await checkExperiment(experiment, caller)
      for (let attempt = 1; ; attempt++) {
        const [last] = await store.versions(caller.project, experiment, name)
        const [id, version] = [last?.id ?? randomUUID(), (last?.version ?? 0) + 1]
        const scorer: Scorer = { id, experiment, name, version, body, createdAt: Date.now() }
        const payload = { experiment, name, version }
        const fact = { type: scorerRegistered, subject: `scorer:${name}`, payload }
        try {
          await db.commit([store.insert(caller.project, scorer), events.record(caller, fact)])
          return scorer
        } catch (error) {
          if (!isFault(error, 'db.duplicate') || attempt >= attemptsMax) throw error
        }
      }
    },
    versions,
    async get(command: Named, caller: Caller): Promise<Scorer> {
      const [last] = await versions(command, caller)
      return last as Scorer
    },
    /** The newest version of each. */
    async list({ experiment }: { experiment: string }, caller: Caller): Promise<Scorer[]> {
      await checkExperiment(experiment, caller)
      return newest(await store.inExperiments(caller.project, [experiment]))
    },
    /** As `list`, over many experiments; those that are not there have none. */
    listAcross: async (
      { experiments }: { experiments: readonly string[] },
      caller: Caller,
    ): Promise<Scorer[]> => newest(await store.inExperiments(caller.project, experiments)),
    async remove(command: Named, caller: Caller): Promise<void> {
      const { experiment, name } = command
      const all = await versions(command, caller)
      const payload = { experiment, name, versions: all.map((one) => one.version) }
      const fact = { type: scorerDeleted, subject: `scorer:${name}`, payload }
      await db.commit([...all.map((one) => store.drop(caller.project, one)), events.record(caller, fact)])
    },
  }
}
const scorerFrom = (row: ScorerRow): Scorer => ({
  id: row.id,
  experiment: row.experiment,
  name: row.name,
  version: row.version,
  body: row.body,
  createdAt: row.created_at,
})
