/** Verbs of the daily loop: run, status, logs, why, retry, cancel, deploy, rollback, predict. */
import { readFile } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { type Client, CliError } from './client.ts'
import type { Context } from './index.ts'
import type { Verb } from './verbs.ts'

interface Step {
  name: string
  state: string
  summary: string
  startedAt?: number
  finishedAt?: number
}
interface Run {
  id: string
  pipeline: string
  state: string
  steps: Step[]
}
const ended = new Set(['succeeded', 'failed', 'cancelled', 'waiting'])
const needed = (context: Context, at: number, what: string): string => {
  const value = context.args[at]
  if (value !== undefined) return value
  throw new CliError(2, `${what} is missing`)
}
const stepLine = (s: Step) => `  ${s.state.padEnd(9)} ${s.name.padEnd(12)} ${s.summary}`
const secondsOf = (s: Step) =>
  s.startedAt === undefined || s.finishedAt === undefined ? 0 : (s.finishedAt - s.startedAt) / 1000
const outcomeOf = (run: Run): number =>
  run.state === 'succeeded' || run.state === 'waiting'
    ? 0
    : run.steps.some((s) => s.state === 'refused')
      ? 3
      : run.state === 'cancelled'
        ? 130
        : 1

async function watch(context: Context, client: Client, id: string): Promise<number> {
  const told = new Map<string, string>()
  for (;;) {
    const run: Run = await client.call('GET', `/api/v1/pipeline-runs/${id}`)
    for (const step of run.steps) {
      if (step.state === 'pending' || told.get(step.name) === step.state) continue
      told.set(step.name, step.state)
      context.say(stepLine(step))
    }
    if (ended.has(run.state)) {
      const steps = run.steps.map((s) => ({
        name: s.name,
        state: s.state,
        cached: s.state === 'cached',
        seconds: secondsOf(s),
      }))
      context.print({ run: run.id, state: run.state, steps }, [`${run.id} ${run.pipeline} ${run.state}`])
      return outcomeOf(run)
    }
    await pause(100)
  }
}

async function run(context: Context): Promise<number> {
  const client = await context.client()
  const params = Object.fromEntries(
    ((context.flags.param as string[] | undefined) ?? []).map((p) => [
      p.split('=')[0],
      p.split('=').slice(1).join('='),
    ]),
  )
  const started: Run = await client.call(
    'POST',
    `/api/v1/pipelines/${needed(context, 0, 'the name of a pipeline')}/runs`,
    { params, noCache: context.flags['no-cache'] === true },
  )
  context.say(
    `${started.id} ${started.pipeline}  ${client.server}/p/${client.project}/app/pipeline-runs/${started.id}`,
  )
  if (context.flags.watch === true) return watch(context, client, started.id)
  context.print({ run: started.id, state: started.state }, [started.id])
  return 0
}

async function status(context: Context): Promise<number> {
  const client = await context.client()
  const [{ pipelineRuns }, { reviews }, { endpoints }] = await Promise.all([
    client.call('GET', '/api/v1/pipeline-runs?limit=5'),
    client.call('GET', '/api/v1/reviews?state=open'),
    client.call('GET', '/api/v1/endpoints'),
  ])
  const lines = [
    ...pipelineRuns.map((r: Run) => `${r.id.padEnd(7)} ${r.pipeline.padEnd(14)} ${r.state}`),
    ...reviews.map(
      (r: { id: string; question: string }) =>
        `waits for you: ${r.question}   headrace model approve ${r.id}`,
    ),
    ...endpoints.map(
      (e: { name: string; stable?: { model: string; version: number }; rollout?: { state: string } }) =>
        `endpoint ${e.name}: ${e.stable === undefined ? 'nothing deployed' : `${e.stable.model}@${e.stable.version}`}${e.rollout && !/done|rolled|super/.test(e.rollout.state) ? `, rollout in ${e.rollout.state}` : ''}`,
    ),
  ]
  context.print({ pipelineRuns, reviews, endpoints }, lines.length > 0 ? lines : ['nothing has run yet'])
  return 0
}

async function logs(context: Context): Promise<number> {
  const client = await context.client()
  const [id = '', wanted] = needed(context, 0, 'RUN or RUN/STEP').split('/')
  const { steps }: Run = await client.call('GET', `/api/v1/pipeline-runs/${id}`)
  for (const step of steps.filter((s) => wanted === undefined || s.name === wanted)) {
    let from = 0
    for (;;) {
      const part = await client.call('GET', `/api/v1/pipeline-runs/${id}/steps/${step.name}/log?from=${from}`)
      process.stdout.write(
        wanted === undefined ? part.text.replaceAll(/^(?=.)/gm, `${step.name}  `) : part.text,
      )
      const isOver =
        part.next === from &&
        (context.flags.follow !== true ||
          /succeeded|cached|refused|failed|skipped|cancelled|pending/.test(part.state))
      if (isOver) break
      if (part.next === from) await pause(300)
      from = part.next
    }
  }
  return 0
}

async function why(context: Context): Promise<number> {
  const client = await context.client()
  if (context.args[0] === 'prediction') {
    const found = await client.call(
      'GET',
      `/api/v1/predictions/${needed(context, 1, 'the id of a prediction')}/why`,
    )
    const datasets = found.datasets.map(
      (d: { dataset: string; version: number; id: string; files: object[] }) =>
        `  data   ${d.dataset}@v${d.version}  ${d.id.slice(0, 12)}  ${d.files.length} files`,
    )
    context.print(found, [
      `${found.endpoint} revision ${found.revision}`,
      `  model  ${found.model}@${found.version}  onnx ${found.onnx.slice(0, 12)}`,
      `  run    ${found.run}`,
      `  code   ${found.code.commit ?? found.code.tree.slice(0, 12)}${found.code.dirty ? ' (with changes)' : ''}`,
      `  env    ${found.environment.lock.slice(0, 12)}`,
      ...datasets,
    ])
    return 0
  }
  const [id = '', step] = needed(context, 0, 'RUN/STEP').split('/')
  if (step === undefined) throw new CliError(2, 'name a step: RUN/STEP')
  const found = await client.call('GET', `/api/v1/pipeline-runs/${id}/steps/${step}/why`)
  context.print(found, [
    found.sentence,
    `  started by ${found.startedBy}`,
    ...(found.key === undefined
      ? []
      : [`  key ${found.key.slice(0, 16)}  ${Object.keys(found.parts ?? {}).join(' + ')}`]),
    ...(/failed|refused/.test(found.state) ? found.lines : []),
  ])
  return 0
}

const act = (verb: 'retry' | 'cancel') => async (context: Context) => {
  const found: Run = await (await context.client()).call(
    'POST',
    `/api/v1/pipeline-runs/${needed(context, 0, 'RUN')}/${verb}`,
  )
  context.print(found, [`${found.id} ${found.state}`])
  return 0
}

export const versionRef = (text: string): { name: string; version: number } => {
  const match = /^([\w.-]+)@v?(\d+)$/.exec(text)
  if (match === null) throw new CliError(2, `\`${text}\` is not NAME@VERSION`)
  return { name: match[1] ?? '', version: Number(match[2]) }
}

async function deploy(context: Context): Promise<number> {
  const { name, version } = versionRef(needed(context, 0, 'MODEL@VERSION'))
  const to = (context.flags.to as string | undefined) ?? name
  const found = await (await context.client()).call('POST', `/api/v1/endpoints/${to}/deploy`, {
    model: name,
    version,
    force: context.flags.force === true,
  })
  context.print(found, [found.sentence])
  return 0
}

async function rollback(context: Context): Promise<number> {
  const to = context.flags.to as string | undefined
  const found = await (await context.client()).call(
    'POST',
    `/api/v1/endpoints/${needed(context, 0, 'the name of an endpoint')}/rollback`,
    {
      reason: (context.flags.reason as string | undefined) ?? '',
      ...(to === undefined ? {} : { to: Number(to) }),
    },
  )
  context.print(found, [`revision ${found.from} → ${found.to} in ${(found.ms / 1000).toFixed(3)} s`])
  return 0
}

async function predict(context: Context): Promise<number> {
  const given = context.flags.data as string | undefined
  if (given === undefined) throw new CliError(2, 'the rows are missing', 'give -d @rows.json or -d JSON')
  const body = JSON.parse(given.startsWith('@') ? await readFile(given.slice(1), 'utf8') : given)
  const answer = await (await context.client()).call(
    'POST',
    `/endpoints/${needed(context, 0, 'the name of an endpoint')}/predict`,
    Array.isArray(body) ? { rows: body } : body,
  )
  context.print(
    answer,
    answer.predictions.map(
      (p: { value: number; id: string; version: number }) =>
        `${p.value.toFixed(3)}  version ${p.version}  ${p.id}`,
    ),
  )
  return 0
}

const text = { type: 'string' } as const
const flag = { type: 'boolean' } as const
export const runVerbs: Verb[] = [
  {
    name: 'run',
    usage: 'PIPELINE [-p k=v] [--watch] [--no-cache]',
    summary: 'Run a pipeline',
    options: { param: { type: 'string', short: 'p', multiple: true }, watch: flag, 'no-cache': flag },
    run,
  },
  { name: 'status', usage: '', summary: 'What runs, what waits for you, what is served', run: status },
  {
    name: 'logs',
    usage: 'RUN[/STEP] [-f]',
    summary: 'Logs of a pipeline run',
    options: { follow: { type: 'boolean', short: 'f' } },
    run: logs,
  },
  {
    name: 'why',
    usage: 'RUN/STEP | prediction ID',
    summary: 'Why a step ran or not; where a prediction came from',
    run: why,
  },
  { name: 'retry', usage: 'RUN', summary: 'Go on from the steps that did not end well', run: act('retry') },
  { name: 'cancel', usage: 'RUN', summary: 'Stop a pipeline run', run: act('cancel') },
  {
    name: 'deploy',
    usage: 'MODEL@V --to ENDPOINT',
    summary: 'Start a rollout',
    options: { to: text, force: flag },
    run: deploy,
  },
  {
    name: 'rollback',
    usage: 'ENDPOINT [--to REV] [--reason TEXT]',
    summary: 'Point back to an earlier revision at once',
    options: { to: text, reason: text },
    run: rollback,
  },
  {
    name: 'predict',
    usage: 'ENDPOINT -d @rows.json',
    summary: 'Call an endpoint',
    options: { data: { type: 'string', short: 'd' } },
    run: predict,
  },
]
