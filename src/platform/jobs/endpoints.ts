/** The native API of jobs and schedules as data. */
import { z } from 'zod'
import { endpoint, type Route } from '#platform/http/index.ts'
import type { Jobs } from './jobs.ts'
import { Job, jobStates, ScheduleView } from './model.ts'
import type { Schedules } from './schedules.ts'

const One = z.strictObject({ job: z.string() })
export const jobsEndpoints = (jobs: Jobs, schedules: Schedules): Route[] => [
  endpoint({
    id: 'jobs.list',
    method: 'GET',
    path: '/api/v1/jobs',
    summary: 'Jobs of the project, the newest first',
    permission: 'job:read',
    input: z.strictObject({
      state: z.enum(jobStates).optional(),
      limit: z.coerce.number().int().min(1).max(1_000).default(100),
    }),
    output: z.object({ jobs: z.array(Job) }),
    run: (command, caller) => jobs.list(command, caller),
  }),
  endpoint({
    id: 'jobs.get',
    method: 'GET',
    path: '/api/v1/jobs/:job',
    summary: 'One job',
    permission: 'job:read',
    input: One,
    output: Job,
    run: (command, caller) => jobs.get(command, caller),
  }),
  endpoint({
    id: 'jobs.cancel',
    method: 'POST',
    path: '/api/v1/jobs/:job/cancel',
    summary: 'End a job',
    permission: 'job:write',
    input: One,
    output: Job,
    run: (command, caller) => jobs.cancel(command, caller),
  }),
  endpoint({
    id: 'jobs.retry',
    method: 'POST',
    path: '/api/v1/jobs/:job/retry',
    summary: 'Queue a dead or cancelled job again',
    permission: 'job:write',
    input: One,
    output: Job,
    run: (command, caller) => jobs.retry(command, caller),
  }),
  endpoint({
    id: 'schedules.list',
    method: 'GET',
    path: '/api/v1/schedules',
    summary: 'What the clock starts, and when next',
    permission: 'job:read',
    input: z.strictObject({}),
    output: z.object({ schedules: z.array(ScheduleView) }),
    run: (command, caller) => schedules.list(command, caller),
  }),
]
