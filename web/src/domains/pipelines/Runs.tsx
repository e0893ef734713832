/** Pipeline runs: the list, and one run with its steps, why, and logs. */
import { useState } from 'react'
import { to } from '../../api/client.ts'
import type { PipelineRun, Step } from '../../api/shapes.ts'
import { useApi } from '../../api/useApi.ts'
import { Await, Card, State, When } from '../../ui/parts.tsx'

export function RunList() {
  const runs = useApi<{ pipelineRuns: PipelineRun[] }>('/api/v1/pipeline-runs?limit=100')
  return (
    <Card title="Pipeline runs" note="newest first">
      <Await
        of={runs}
        empty={(r) => (r.pipelineRuns.length === 0 ? 'No pipeline has run yet.' : undefined)}
        command="headrace run PIPELINE --watch"
      >
        {({ pipelineRuns }) => (
          <table>
            <thead>
              <tr>
                <th>Run</th>
                <th>Pipeline</th>
                <th>State</th>
                <th>Started by</th>
                <th>Night</th>
                <th>Steps</th>
              </tr>
            </thead>
            <tbody>
              {pipelineRuns.map((r) => (
                <tr key={r.id}>
                  <td>
                    <a href={to(`/pipeline-runs/${r.id}`)}>{r.id}</a>
                  </td>
                  <td>{r.pipeline}</td>
                  <td>
                    <State state={r.state} />
                  </td>
                  <td>{r.trigger.kind.replace('_', ' ')}</td>
                  <td>
                    <When ms={r.happenedAt} />
                  </td>
                  <td className="muted">{r.steps.map((s) => `${s.name} ${s.state}`).join(' · ')}</td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </Await>
    </Card>
  )
}

const seconds = (s: Step) =>
  s.startedAt === undefined || s.finishedAt === undefined
    ? ''
    : `${((s.finishedAt - s.startedAt) / 1000).toFixed(1)} s`

export function RunPage({ id }: { id: string }) {
  const run = useApi<PipelineRun>(`/api/v1/pipeline-runs/${id}`, { everyMs: 1_500 })
  const [chosen, setChosen] = useState<string>()
  return (
    <Await of={run}>
      {(found) => {
        const bad = found.steps.find((s) => s.state === 'failed' || s.state === 'refused')
        const shown =
          chosen ??
          bad?.name ??
          found.steps.find((s) => s.state === 'running')?.name ??
          found.steps[0]?.name ??
          ''
        return (
          <>
            <div className="row">
              <h1>
                {found.pipeline} {found.id}
              </h1>
              <State state={found.state} />
              <span className="muted">
                started by {found.trigger.kind.replace('_', ' ')}{' '}
                {String(found.trigger.cause.rule ?? found.trigger.cause.by ?? '')} ·{' '}
                <When ms={found.happenedAt} />
              </span>
            </div>
            <Card title="Steps">
              <table className="wrap">
                <thead>
                  <tr>
                    <th>Step</th>
                    <th>State</th>
                    <th>Attempt</th>
                    <th>Took</th>
                    <th>Result</th>
                  </tr>
                </thead>
                <tbody>
                  {found.steps.map((s) => (
                    <tr key={s.name} aria-selected={s.name === shown}>
                      <td>
                        <button type="button" className="id" onClick={() => setChosen(s.name)}>
                          {s.name}
                        </button>
                      </td>
                      <td>
                        <State state={s.state} />
                      </td>
                      <td className="num">{s.attempt}</td>
                      <td className="num">{seconds(s)}</td>
                      <td className="wide">{s.summary}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </Card>
            {shown !== '' && <StepDetail key={shown} run={id} step={shown} />}
          </>
        )
      }}
    </Await>
  )
}

function StepDetail({ run, step }: { run: string; step: string }) {
  const why = useApi<{ sentence: string; startedBy: string; parts?: Record<string, unknown> }>(
    `/api/v1/pipeline-runs/${run}/steps/${step}/why`,
  )
  const log = useApi<{ text: string }>(`/api/v1/pipeline-runs/${run}/steps/${step}/log`, { everyMs: 1_500 })
  return (
    <Card title={step} note={why.data?.sentence ?? ''}>
      <Await of={log} empty={(l) => (l.text === '' ? 'This step wrote no log.' : undefined)}>
        {({ text }) => <pre className="log">{text}</pre>}
      </Await>
    </Card>
  )
}
