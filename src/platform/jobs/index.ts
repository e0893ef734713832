/** Work that outlives a process, and the clock that asks for it. Knows no domain. Read next: jobs.ts, schedules.ts. */
export { jobsEndpoints } from './endpoints.ts'
export { jobDied, type Jobs, type JobsDeps, openJobs } from './jobs.ts'
export { jobsMigrations } from './migrations.ts'
export type { Attempt, Job, JobKind, NewJob, Schedule, ScheduleRule } from './model.ts'
export { cronTimes, openSchedules, type Schedules } from './schedules.ts'
