/** The loop as a channel of stations, each with its last result. */
import { to } from '../../api/client.ts'
import type { Endpoint, MonitorWindow, PipelineRun, Review, Step } from '../../api/shapes.ts'
import { number } from '../../ui/parts.tsx'
import type { Alarm } from './alarm.ts'

interface Station {
  readonly name: string
  readonly first: string
  readonly second: string
  readonly look: 'ok' | 'warn' | 'bad' | 'idle' | 'run'
  readonly href: string
}
const looks: Record<string, Station['look']> = {
  succeeded: 'ok',
  cached: 'ok',
  running: 'run',
  waiting: 'warn',
  failed: 'bad',
  refused: 'bad',
}
const colours: Record<Station['look'], string> = {
  ok: 'var(--ok)',
  warn: 'var(--warn)',
  bad: 'var(--bad)',
  idle: 'var(--faint)',
  run: 'var(--accent)',
}
const cut = (text: string, length = 30) => (text.length > length ? `${text.slice(0, length - 1)}…` : text)

function lastStep(
  runs: readonly PipelineRun[],
  kinds: readonly string[],
  names?: readonly string[],
): { run: PipelineRun; step: Step } | undefined {
  for (const run of runs) {
    const step = run.steps.findLast(
      (s) =>
        kinds.includes(s.kind) &&
        (names === undefined || names.includes(s.name)) &&
        !/pending|skipped/.test(s.state),
    )
    if (step !== undefined) return { run, step }
  }
  return undefined
}

function station(
  name: string,
  found: { run: PipelineRun; step: Step } | undefined,
  say?: (s: Step) => [string, string],
): Station {
  if (found === undefined)
    return { name, first: 'not yet', second: '', look: 'idle', href: to('/pipeline-runs') }
  const { run, step } = found
  const day = new Date(run.happenedAt).toISOString().slice(0, 10)
  const [first, second] = say?.(step) ?? [
    cut(step.state === 'running' ? step.summary || 'running' : step.summary),
    `${run.id}, ${day}`,
  ]
  return { name, first, second, look: looks[step.state] ?? 'idle', href: to(`/pipeline-runs/${run.id}`) }
}

interface Props {
  readonly runs: readonly PipelineRun[]
  readonly reviews: readonly Review[]
  readonly endpoint: Endpoint | undefined
  readonly last: MonitorWindow | undefined
  readonly alarm: Alarm | undefined
}
function stationsOf({ runs, reviews, endpoint, last, alarm }: Props): Station[] {
  const nightly = runs.filter((r) => r.steps.some((s) => s.kind === 'check'))
  const deploying = runs.filter((r) => r.steps.some((s) => s.kind === 'deploy'))
  const newest = nightly[0]
  const first = newest?.steps[0]
  return [
    station('Ingest', newest && first && { run: newest, step: first }, (s) => [
      cut(s.summary.split(':')[0] ?? ''),
      newest?.id ?? '',
    ]),
    station('Check', lastStep(nightly, ['check']), (s) => [
      cut(s.summary.split(': ').slice(1).join(': ') || s.state),
      '',
    ]),
    station('Features', lastStep(nightly, ['materialize']), (s) => [
      cut(s.summary.split(';')[1]?.trim() ?? s.state),
      '',
    ]),
    station('Train', lastStep(deploying, ['run'])),
    gateStation(lastStep(deploying, ['deploy'])),
    approveStation(reviews[0]),
    rolloutStation(endpoint),
    serveStation(endpoint),
    ...watchStations(endpoint, last, alarm),
  ]
}

/** The deploy step holds the gates; while it waits for people they have passed. */
function gateStation(deployed: ReturnType<typeof lastStep>): Station {
  if (deployed === undefined) return station('Gate', undefined)
  const state = deployed.step.state === 'waiting' ? 'succeeded' : deployed.step.state
  return station('Gate', { ...deployed, step: { ...deployed.step, state } }, (s) => [
    s.state === 'refused' ? 'refused' : 'passed',
    deployed.run.id,
  ])
}

const approveStation = (review: Review | undefined): Station => ({
  name: 'Approve',
  first: review === undefined ? 'nothing waits' : 'waits for you',
  second: review?.subject ?? '',
  look: review === undefined ? 'ok' : 'warn',
  href: to('/'),
})

const pageOf = (endpoint: Endpoint | undefined) =>
  to(endpoint === undefined ? '/endpoints' : `/endpoints/${endpoint.name}`)

function rolloutStation(endpoint: Endpoint | undefined): Station {
  const rollout = endpoint?.rollout
  const href = pageOf(endpoint)
  if (rollout === undefined) return { name: 'Roll out', first: 'not yet', second: '', look: 'idle', href }
  const isOver = /done|rolled_back|superseded/.test(rollout.state)
  const second = isOver ? cut(rollout.reason) : `revision ${rollout.revision}, window ${rollout.windows}`
  const look = isOver ? (rollout.state === 'rolled_back' ? 'bad' : 'ok') : 'run'
  return { name: 'Roll out', first: rollout.state.replace('_', ' '), second, look, href }
}

function serveStation(endpoint: Endpoint | undefined): Station {
  const href = pageOf(endpoint)
  const stable = endpoint?.stable
  if (stable === undefined) return { name: 'Serve', first: 'not yet', second: '', look: 'idle', href }
  const p95 = endpoint?.latencyP95Ms
  const second = typeof p95 === 'number' ? `p95 ${p95.toFixed(1)} ms` : ''
  return { name: 'Serve', first: `${stable.model}@${stable.version}`, second, look: 'ok', href }
}

function watchStations(
  endpoint: Endpoint | undefined,
  last: MonitorWindow | undefined,
  alarm: Alarm | undefined,
): Station[] {
  const href = pageOf(endpoint)
  const error = last?.metrics[alarm?.metric ?? 'wape']
  const labels: Station =
    last === undefined
      ? { name: 'Labels', first: 'not yet', second: '', look: 'idle', href }
      : {
          name: 'Labels',
          first: `night of ${last.day}`,
          second: `wape ${number(last.metrics.wape)}`,
          look: 'ok',
          href,
        }
  if (typeof error !== 'number')
    return [labels, { name: 'Watch', first: 'not yet', second: '', look: 'idle', href }]
  return [
    labels,
    {
      name: 'Watch',
      first: `${alarm?.metric ?? 'wape'} ${number(error)}`,
      second: alarm === undefined ? 'no threshold' : `threshold ${alarm.above}`,
      look: alarm !== undefined && error > alarm.above ? 'bad' : 'ok',
      href,
    },
  ]
}

export function Race(props: Props) {
  const stations = stationsOf(props)
  const place = (i: number): [number, number] => (i < 7 ? [90 + i * 165, 62] : [1020 - (i - 7) * 310, 172])
  return (
    <svg
      className="race"
      viewBox="0 0 1170 230"
      role="img"
      aria-label={stations.map((s) => `${s.name}: ${s.first}`).join('; ')}
    >
      <path
        d="M60 62H1110a40 55 0 0 1 0 110H60a40 55 0 0 1 0-110"
        fill="none"
        stroke="var(--water-soft)"
        strokeWidth="18"
      />
      <path
        d="M60 62H1110a40 55 0 0 1 0 110H60a40 55 0 0 1 0-110"
        fill="none"
        stroke="var(--water)"
        strokeWidth="1.5"
        strokeDasharray="2 7"
      />
      {stations.map((s, i) => {
        const [x, y] = place(i)
        return (
          <a key={s.name} href={s.href}>
            <text className="strong" x={x} y={y - 20}>
              {s.name}
            </text>
            <circle cx={x} cy={y} r="11" fill="var(--surface)" stroke={colours[s.look]} strokeWidth="2" />
            <circle cx={x} cy={y} r="5" fill={colours[s.look]} />
            <text className={s.look} x={x} y={y + 27}>
              {s.first}
            </text>
            <text x={x} y={y + 42}>
              {s.second}
            </text>
          </a>
        )
      })}
    </svg>
  )
}
