/** What happened, in sentences; each leads to its evidence. */
import type { ReactNode } from 'react'
import { to } from '../../api/client.ts'
import type { HouseEvent } from '../../api/shapes.ts'
import { State, When } from '../../ui/parts.tsx'

type Payload = HouseEvent['payload']
type Told = readonly [state: string, sentence: ReactNode, href: string]
const text = (value: unknown) => String(value ?? '')

const tellers: Record<string, (p: Payload) => Told | undefined> = {
  'datasets.version.judged': (p) =>
    p.passed && !p.quarantined
      ? undefined
      : [
          p.passed ? 'accepted' : 'refused',
          `${p.dataset}@v${p.version}: ${p.quarantined} rows in quarantine`,
          to(`/datasets/${p.dataset}/${p.version}`),
        ],
  'pipelines.run.queued': (p) =>
    p.trigger === 'metric'
      ? [
          'running',
          `${p.pipeline} starts by itself: ${text((p.cause as Payload).rule)}`,
          to(`/pipeline-runs/${p.run}`),
        ]
      : undefined,
  'pipelines.run.ended': (p) =>
    p.state === 'succeeded' && p.pipeline === 'nightly'
      ? undefined
      : [text(p.state), `${p.pipeline} ${p.run}: ${p.summary}`, to(`/pipeline-runs/${p.run}`)],
  'registry.version.gated': (p) => [
    p.passed ? 'pass' : 'refused',
    `${p.model}@${p.version} passes ${p.passedCount} of ${p.count} gates`,
    to(`/models/${p.model}`),
  ],
  'registry.alias.moved': (p) => [
    'champion',
    `${p.model}@${p.version} is ${p.alias}${p.from === null ? '' : `, after version ${p.from}`}`,
    to(`/models/${p.model}`),
  ],
  'reviews.review.decided': (p) => [
    text(p.state),
    `${p.subject} ${p.state} by ${(p.by as string[]).join(', ') || 'time'}`,
    to('/'),
  ],
  'serving.rollout.advanced': (p) => [
    text(p.state),
    `${p.model}@${p.version} at ${p.endpoint}: ${p.sentence}`,
    to(`/endpoints/${p.endpoint}`),
  ],
  'serving.rollout.rolled_back': (p) => [
    'rolled_back',
    `${p.model}@${p.version} taken back from ${p.endpoint}: ${p.reason}`,
    to(`/endpoints/${p.endpoint}`),
  ],
}

export function Happened({ events }: { events: readonly HouseEvent[] }) {
  const told = events.flatMap((e) => {
    const found = tellers[e.type]?.(e.payload)
    return found === undefined ? [] : [{ event: e, told: found }]
  })
  return (
    <table className="wrap">
      <thead>
        <tr>
          <th style={{ width: 140 }}>When</th>
          <th style={{ width: 130 }}>State</th>
          <th>What</th>
          <th style={{ width: 140 }}>By</th>
        </tr>
      </thead>
      <tbody>
        {told.slice(0, 40).map(({ event, told: [state, sentence, href] }) => (
          <tr key={event.seq}>
            <td className="muted">
              <When ms={event.happenedAt} />
            </td>
            <td>
              <State state={state} />
            </td>
            <td className="wide">
              <a href={href}>{sentence}</a>
            </td>
            <td className="faint">{event.actor}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
