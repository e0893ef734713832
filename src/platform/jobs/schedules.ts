/**
 * What happens by the clock: a schedule is a row, and firing it is one unit with the job that it asks for, so that of two
 * servers one does. Cron counts on the project's clock, also in a replay. Read next: rules.ts.
 */
import { Cron } from 'croner'
import { type Caller, systemCaller } from '#base/caller.ts'
import { type Clock, wallClock } from '#base/clock.ts'
import { Fault, isFault } from '#base/errors.ts'
import type { Db } from '#platform/db/index.ts'
import type { Jobs } from './jobs.ts'
import type { JobKind, Schedule, ScheduleRule, ScheduleView } from './model.ts'
import { type CronTimes, never, turnOf } from './rules.ts'
import { type JobsStore, jobsStore, type ScheduleRow } from './store.ts'

export interface SchedulesDeps {
  readonly db: Db
  readonly jobs: Jobs
  readonly clockOf: (project: string) => Promise<Clock>
  readonly lookEveryMs?: number
  readonly onError?: (thrown: unknown) => void
}
export type Schedules = ReturnType<typeof openSchedules>
const lookEveryMsDefault = 1_000

/** @throws Fault invalid `jobs.cron_invalid` */
export function cronTimes(cron: string, zone: string): CronTimes {
  try {
    const rule = new Cron(cron, { timezone: zone, paused: true })
    // An unknown zone shows at the first use only.
    rule.nextRun(new Date(0))
    return { after: (ms) => rule.nextRun(new Date(ms))?.getTime() }
  } catch (error) {
    throw new Fault('invalid', 'jobs.cron_invalid', `\`${cron}\` in ${zone} is no schedule: ${said(error)}`, {
      remedy: 'five fields: minute, hour, day of the month, month, day of the week, as in `15 2 * * *`',
    })
  }
}
const said = (error: unknown) => (error instanceof Error ? error.message.replace(/^CronPattern: /, '') : '')
const timesOf = (rule: ScheduleRule): CronTimes =>
  'cron' in rule ? cronTimes(rule.cron, rule.zone) : { after: (ms) => ms + rule.everyMs }

type Inner = SchedulesDeps & { readonly store: JobsStore; readonly kinds: Map<string, JobKind> }

export function openSchedules(deps: SchedulesDeps) {
  const inner: Inner = { ...deps, store: jobsStore(deps.db), kinds: new Map() }
  let timer: NodeJS.Timeout | undefined
  let looking = Promise.resolve()
  const look = (): Promise<void> => {
    looking = looking
      .then(async () => {
        for (const row of await inner.store.dueSchedules(Date.now())) await fire(inner, row)
      })
      .catch((error) => deps.onError?.(error))
    return looking
  }
  return {
    /** The kinds of jobs that schedules may ask for; before `start`. */
    know: (kind: JobKind): void => void inner.kinds.set(kind.kind, kind),
    /** Makes the schedules of a project whose names begin with `prefix` those given. Unchanged ones keep their turn. */
    replace: (prefix: string, wanted: readonly Schedule[], caller: Caller) =>
      replace(inner, prefix, wanted, caller),
    async list(_: object, caller: Caller): Promise<{ schedules: ScheduleView[] }> {
      return { schedules: (await inner.store.schedules(caller.project)).map(viewOf) }
    },
    /** Fires what is due; resolves when the jobs are in the queue. */
    look,
    start(): void {
      timer = setInterval(() => void look(), deps.lookEveryMs ?? lookEveryMsDefault)
      timer.unref()
      void look()
    },
    async stop(): Promise<void> {
      clearInterval(timer)
      await looking
    },
  }
}

/** One unit: the schedule's next time, and the job for this one. */
async function fire({ db, jobs, clockOf, store, kinds }: Inner, row: ScheduleRow): Promise<void> {
  const kind = kinds.get(row.kind)
  const clock = await clockOf(row.project)
  const now = clock.now()
  if (kind === undefined || row.next_at > now) return
  const rule = JSON.parse(row.rule) as ScheduleRule
  const isReplay = clock !== wallClock
  // A replay feeds its project itself; intervals belong to the wall clock.
  if (isReplay && 'everyMs' in rule) return
  const { firesFor, nextAt } = turnOf(rule, timesOf(rule), { dueAt: row.next_at, now, isReplay })
  const unit = [store.turnSchedule(row, { next_at: nextAt, last_at: firesFor ?? row.last_at })]
  if (firesFor !== undefined) {
    const payload = { ...JSON.parse(row.payload), at: firesFor }
    const job = { kind, payload, key: `${row.name} ${firesFor}` }
    unit.push(jobs.enqueue(job, systemCaller(row.project, 'schedules')).statement)
  }
  await db.commit(unit).catch((error) => {
    // Another server fired it.
    if (!isFault(error, 'db.guard_failed') && !isFault(error, 'db.duplicate')) throw error
  })
}

async function replace(
  { db, store, clockOf }: Inner,
  prefix: string,
  wanted: readonly Schedule[],
  caller: Caller,
): Promise<void> {
  const known = (await store.schedules(caller.project)).filter((row) => row.name.startsWith(prefix))
  const now = (await clockOf(caller.project)).now()
  const names = new Set(wanted.map((one) => one.name))
  const changed = wanted.flatMap((one): ScheduleRow[] => {
    const [rule, payload] = [JSON.stringify(one.rule), JSON.stringify(one.payload)]
    const before = known.find((row) => row.name === one.name)
    const isSame = before?.rule === rule && before.payload === payload && before.kind === one.kind.kind
    if (isSame) return []
    const next_at = before?.rule === rule ? before.next_at : (timesOf(one.rule).after(now) ?? never)
    const { name, kind } = one
    return [{ project: caller.project, name, rule, kind: kind.kind, payload, next_at, last_at: null }]
  })
  const gone = known.filter((row) => !names.has(row.name))
  const unit = [
    ...gone.map((row) => store.dropSchedule(caller.project, row.name)),
    ...changed.map(store.putSchedule),
  ]
  if (unit.length > 0) await db.commit(unit)
}

const viewOf = (row: ScheduleRow): ScheduleView => ({
  name: row.name,
  kind: row.kind,
  rule: JSON.parse(row.rule),
  nextAt: row.next_at,
  ...(row.last_at === null ? {} : { lastAt: row.last_at }),
})
