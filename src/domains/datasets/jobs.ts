/** Sources with `poll:` are looked at by the clock, kept in step with what is applied. */
import { z } from 'zod'
import { systemCaller } from '#base/caller.ts'
import { type Definitions, durationMs } from '#platform/definitions/index.ts'
import type { Events } from '#platform/events/index.ts'
import type { JobKind, Jobs, Schedule, Schedules } from '#platform/jobs/index.ts'
import { sourcesBlock } from './model.ts'
import type { Datasets } from './operations.ts'

export interface DatasetJobsDeps {
  readonly datasets: Pick<Datasets, 'pollSource'>
  readonly definitions: Definitions
  readonly events: Pick<Events, 'subscribe'>
  readonly jobs: Pick<Jobs, 'define'>
  readonly schedules: Pick<Schedules, 'know' | 'replace'>
}
const Poll = z.object({ source: z.string() })

export function datasetJobs({ datasets, definitions, events, jobs, schedules }: DatasetJobsDeps): void {
  const kind: JobKind<z.output<typeof Poll>> = jobs.define({
    kind: 'datasets.poll',
    payload: Poll,
    timeoutMs: 60 * 60_000,
    // What is wrong with a file is wrong a second later too; the next poll looks again.
    attemptsMax: 1,
    concurrencyMax: 1,
    run: async ({ source }, { caller }) => void (await datasets.pollSource({ source }, caller)),
  })
  schedules.know(kind as JobKind)
  events.subscribe({
    name: 'datasets.schedules',
    types: ['definitions.definition.applied'],
    handle: async ({ project }) => {
      const block = (await definitions.blockOf(project, sourcesBlock)) ?? {}
      const wanted = Object.entries(block).flatMap(([source, { poll }]): Schedule[] =>
        poll === undefined
          ? []
          : [
              {
                name: `sources/${source}`,
                rule: { everyMs: durationMs(poll) },
                kind: kind as JobKind,
                payload: { source },
              },
            ],
      )
      await schedules.replace('sources/', wanted, systemCaller(project, 'schedules'))
    },
  })
}
