/** What the clock starts: a schedule for each cron trigger, kept in step with what is applied. */
import { z } from 'zod'
import { systemCaller } from '#base/caller.ts'
import { type Definitions, durationMs } from '#platform/definitions/index.ts'
import type { Events } from '#platform/events/index.ts'
import type { JobKind, Jobs, Schedule, Schedules } from '#platform/jobs/index.ts'
import { pipelinesBlock } from './model.ts'
import type { Pipelines } from './operations.ts'

export interface PipelineJobsDeps {
  readonly pipelines: Pick<Pipelines, 'onTime'>
  readonly definitions: Definitions
  readonly events: Pick<Events, 'subscribe'>
  readonly jobs: Pick<Jobs, 'define'>
  readonly schedules: Pick<Schedules, 'know' | 'replace'>
}
const CronTime = z.object({ pipeline: z.string(), cron: z.string(), at: z.number() })
type Payload = z.output<typeof CronTime>

export function pipelineJobs({ pipelines, definitions, events, jobs, schedules }: PipelineJobsDeps): void {
  const kind: JobKind<Payload> = jobs.define({
    kind: 'pipelines.start',
    payload: CronTime,
    timeoutMs: 60_000,
    attemptsMax: 10,
    concurrencyMax: 4,
    run: async (payload, { caller }) => void (await pipelines.onTime(payload, caller)),
  })
  schedules.know(kind as JobKind)
  events.subscribe({
    name: 'pipelines.schedules',
    types: ['definitions.definition.applied'],
    handle: async ({ project }) => {
      const applied = await definitions.applied(project)
      const zone = (applied?.whole.project as { timezone?: string } | undefined)?.timezone ?? 'UTC'
      const block = (await definitions.blockOf(project, pipelinesBlock)) ?? {}
      const wanted = Object.entries(block).flatMap(([pipeline, { triggers }]) =>
        triggers.flatMap((trigger): Schedule[] => {
          if (!('cron' in trigger)) return []
          const { cron, zone: own = zone, catch_up } = trigger
          const rule = { cron, zone: own, catchUpMs: durationMs(catch_up) }
          return [
            {
              name: `pipelines/${pipeline} ${cron} ${own}`,
              rule,
              kind: kind as JobKind,
              payload: { pipeline, cron },
            },
          ]
        }),
      )
      await schedules.replace('pipelines/', wanted, systemCaller(project, 'schedules'))
    },
  })
}
