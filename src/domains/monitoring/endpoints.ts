/** The native API of monitors as data. */
import { z } from 'zod'
import { endpoint, type Route } from '#platform/http/index.ts'
import { Window } from './model.ts'
import type { Monitoring } from './operations.ts'

export const monitoringEndpoints = (monitoring: Monitoring): Route[] => [
  endpoint({
    id: 'monitors.list',
    method: 'GET',
    path: '/api/v1/monitors',
    summary: 'Monitors with their last windows',
    permission: 'monitor:read',
    input: z.strictObject({}),
    output: z.object({
      monitors: z.array(z.object({ name: z.string(), endpoint: z.string(), last: Window.optional() })),
    }),
    run: monitoring.listMonitors,
  }),
  endpoint({
    id: 'monitors.windows',
    method: 'GET',
    path: '/api/v1/monitors/:monitor/windows',
    summary: 'Closed windows of a monitor, oldest first',
    permission: 'monitor:read',
    input: z.strictObject({
      monitor: z.string(),
      from: z
        .string()
        .regex(/^\d{4}-\d\d-\d\d$/)
        .optional(),
    }),
    output: z.object({ windows: z.array(Window) }),
    run: (command, caller) => monitoring.windows(command as { monitor: string }, caller),
  }),
]
