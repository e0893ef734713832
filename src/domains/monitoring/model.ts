/** Nouns of monitoring: monitors, and windows in which labels met predictions. */
import { z } from 'zod'
import { defineBlock, duration, type Objection } from '#platform/definitions/index.ts'

const MetricDefinition = z.union([
  z.strictObject({ of: z.enum(['wape', 'rmse', 'mae', 'bias']), rolling: z.int().min(1).max(366) }),
  z.strictObject({ psi: z.string() }),
  z.strictObject({}),
])
export const MonitorDefinition = z.strictObject({
  endpoint: z.string(),
  labels: z.strictObject({
    from: z.string(),
    join: z.array(z.string()).min(1),
    column: z.string(),
    delay: duration().default('1d'),
  }),
  reference: z.enum(['training']).default('training'),
  windows: z.enum(['1d']).default('1d'),
  metrics: z.record(z.string().regex(/^[a-z_]\w*$/i), MetricDefinition).default({}),
})
export type MonitorDefinition = z.output<typeof MonitorDefinition>
export const monitorsBlock = defineBlock({
  name: 'monitors',
  summary: 'What is watched of an endpoint, and where its labels come from',
  schema: z.record(z.string().regex(/^[a-z0-9][\w.-]{0,127}$/i), MonitorDefinition),
  objections(block, whole) {
    const has = (name: string, key: string) => key in ((whole[name] as object | undefined) ?? {})
    return Object.entries(block).flatMap(([name, monitor]): Objection[] => [
      ...(has('endpoints', monitor.endpoint)
        ? []
        : [
            { path: ['monitors', name, 'endpoint'], message: `there is no endpoint \`${monitor.endpoint}\`` },
          ]),
      ...(has('datasets', monitor.labels.from)
        ? []
        : [
            {
              path: ['monitors', name, 'labels', 'from'],
              message: `there is no dataset \`${monitor.labels.from}\``,
            },
          ]),
    ])
  },
})
/** Sums from which errors over any windows follow exactly. */
export const Sums = z.object({
  rows: z.number(),
  absolute: z.number(),
  squared: z.number(),
  signed: z.number(),
  total: z.number(),
})
export type Sums = z.output<typeof Sums>
export const Window = z
  .object({
    monitor: z.string(),
    /** The day that predictions were for. */
    day: z.string(),
    metrics: z.record(z.string(), z.number().nullable()),
    served: Sums,
    byRevision: z.record(z.string(), Sums),
    labelVersion: z.number(),
    closedAt: z.number(),
  })
  .meta({ id: 'MonitorWindow' })
export type Window = z.output<typeof Window>
