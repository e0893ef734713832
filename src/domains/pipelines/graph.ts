/** The graph that `in`, `out` and `after` make: edges, cycles, and references into nothing. Pure. */
import { asFault } from '#base/errors.ts'
import { type Objection, parseReference, type Reference, type Whole } from '#platform/definitions/index.ts'
import { cronTimes } from '#platform/jobs/index.ts'

type StepLike = Readonly<Record<string, unknown>>
interface PipelineLike {
  readonly triggers: readonly StepLike[]
  readonly params: Readonly<Record<string, unknown>>
  readonly steps: Readonly<Record<string, StepLike>>
}

/** References of a step to other steps' outputs. */
function stepReferences(step: StepLike): Reference[] {
  const inputs = Object.values((step.in as Record<string, Reference> | undefined) ?? {})
  return [...inputs, step.evaluate, step.from].filter(
    (r): r is Reference => (r as Reference | undefined)?.kind === 'step',
  )
}

/** Names of the steps that must end well before this one starts. */
export const needsOf = (step: StepLike): string[] => [
  ...new Set([...stepReferences(step).map((r) => r.name), ...((step.after as string[] | undefined) ?? [])]),
]

export function graphObjections(
  pipelines: Readonly<Record<string, PipelineLike>>,
  whole: Whole,
): Objection[] {
  return Object.entries(pipelines).flatMap(([name, pipeline]) => [
    ...Object.entries(pipeline.steps).flatMap(([step, definition]) =>
      stepObjections(name, pipeline, step, definition, whole),
    ),
    ...cycleObjections(name, pipeline),
    ...triggerObjections(name, pipeline, whole),
  ])
}

function stepObjections(
  name: string,
  pipeline: PipelineLike,
  step: string,
  definition: StepLike,
  whole: Whole,
): Objection[] {
  const at = ['pipelines', name, 'steps', step]
  const steps = Object.keys(pipeline.steps)
  const missing = needsOf(definition)
    .filter((need) => !steps.includes(need))
    .map((need) => ({
      path: at,
      message: `step \`${step}\` needs \`${need}\`, which is no step of \`${name}\``,
      fix: `one of: ${steps.join(', ')}`,
    }))
  const outputs = stepReferences(definition).flatMap((r) => outputObjection(pipeline, r, at))
  const named = namedBlocks(definition).flatMap(([block, noun, wanted]) => {
    const known = Object.keys((whole[block] as object | undefined) ?? {})
    return known.includes(wanted)
      ? []
      : [
          {
            path: at,
            message: `there is no ${noun} \`${wanted}\``,
            fix: `one of: ${known.join(', ') || 'none is defined'}`,
          },
        ]
  })
  const params = Object.values((definition.in as Record<string, Reference> | undefined) ?? {}).flatMap((r) =>
    [r.kind === 'param' ? r.name : undefined, r.last?.startsWith('param:') ? r.last.slice(6) : undefined]
      .filter((p) => p !== undefined && !(p in pipeline.params))
      .map((p) => ({
        path: at,
        message: `there is no parameter \`${p}\``,
        fix: `add it under params of \`${name}\``,
      })),
  )
  return [...missing, ...outputs, ...named, ...params]
}

function outputObjection(pipeline: PipelineLike, r: Reference, at: string[]): Objection[] {
  const out = pipeline.steps[r.name]?.out as Record<string, string> | undefined
  if (out === undefined || r.output === undefined || r.output in out) return []
  return [
    {
      path: at,
      message: `step \`${r.name}\` has no output \`${r.output}\``,
      fix: `one of: ${Object.keys(out).join(', ')}`,
    },
  ]
}

/** Block, noun and name of what a step speaks of in other blocks. */
function namedBlocks(step: StepLike): [string, string, string][] {
  const found: [string, string, string][] = []
  const text = (key: string) => (typeof step[key] === 'string' ? (step[key] as string) : undefined)
  for (const [key, block, noun] of [
    ['check', 'datasets', 'dataset'],
    ['materialize', 'features', 'feature view'],
    ['model', 'models', 'model'],
    ['deploy', 'models', 'model'],
    ['to', 'endpoints', 'endpoint'],
  ] as const) {
    const name = text(key)
    if (name !== undefined) found.push([block, noun, name])
  }
  for (const r of [
    ...Object.values((step.in as Record<string, Reference> | undefined) ?? {}),
    step.on as Reference | undefined,
  ]) {
    if (r?.kind === 'dataset') found.push(['datasets', 'dataset', r.name])
    if (r?.kind === 'features') found.push(['features', 'feature view', r.name])
  }
  return found
}

function cycleObjections(name: string, pipeline: PipelineLike): Objection[] {
  const done = new Set<string>()
  const visit = (step: string, path: string[]): Objection[] => {
    if (done.has(step)) return []
    if (path.includes(step)) {
      return [
        {
          path: ['pipelines', name, 'steps', step],
          message: `steps wait for each other: ${[...path, step].join(' → ')}`,
          fix: 'leave one of these edges out',
        },
      ]
    }
    const found = needsOf(pipeline.steps[step] ?? {})
      .filter((n) => n in pipeline.steps)
      .flatMap((n) => visit(n, [...path, step]))
    done.add(step)
    return found
  }
  return Object.keys(pipeline.steps)
    .flatMap((step) => visit(step, []))
    .slice(0, 1)
}

/** A trigger that the pipeline's own output would pull is a loop without end. */
function triggerObjections(name: string, pipeline: PipelineLike, whole: Whole): Objection[] {
  const datasets = (whole.datasets as Record<string, { from?: string }> | undefined) ?? {}
  return pipeline.triggers.flatMap((trigger, i) => {
    const at = ['pipelines', name, 'triggers', i]
    if (typeof trigger.metric === 'string') {
      const monitor = trigger.metric.split('/')[0] ?? ''
      const monitors = Object.keys((whole.monitors as object | undefined) ?? {})
      return monitors.includes(monitor)
        ? []
        : [
            {
              path: at,
              message: `there is no monitor \`${monitor}\``,
              fix: `one of: ${monitors.join(', ') || 'none is defined'}`,
            },
          ]
    }
    if (typeof trigger.cron === 'string') return cronObjections(at, trigger.cron, trigger.zone, whole)
    if (typeof trigger.new_version !== 'string') return []
    const dataset = datasets[trigger.new_version]
    if (dataset === undefined)
      return [{ path: at, message: `there is no dataset \`${trigger.new_version}\`` }]
    const writer = parseReference(dataset.from)
    if (writer?.kind !== 'step' || writer.pipeline !== name) return []
    return [
      {
        path: at,
        message: `\`${trigger.new_version}\` is written by \`${name}\` itself: each run would start the next`,
        fix: 'trigger on what comes from outside',
      },
    ]
  })
}

function cronObjections(at: (string | number)[], cron: string, zone: unknown, whole: Whole): Objection[] {
  const { timezone } = (whole.project as { timezone?: string } | undefined) ?? {}
  try {
    cronTimes(cron, typeof zone === 'string' ? zone : (timezone ?? 'UTC'))
    return []
  } catch (error) {
    const { message, remedy = '' } = asFault(error)
    return [{ path: at, message, fix: remedy }]
  }
}

export interface StepView {
  readonly name: string
  readonly needs: readonly string[]
  readonly state: string
}
const isGood = (state: string | undefined) => state === 'succeeded' || state === 'cached'

/** Pending steps whose needs have ended well. */
export function readySteps(steps: readonly StepView[]): string[] {
  const stateOf = new Map(steps.map((s) => [s.name, s.state]))
  return steps
    .filter((s) => s.state === 'pending' && s.needs.every((n) => isGood(stateOf.get(n))))
    .map((s) => s.name)
}
