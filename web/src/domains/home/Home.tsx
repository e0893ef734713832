/** Home: the race as it runs, the error, what waits, what happened. */
import { project } from '../../api/client.ts'
import type { Endpoint, HouseEvent, MonitorWindow, PipelineRun, Review } from '../../api/shapes.ts'
import { useApi } from '../../api/useApi.ts'
import { Await, Card } from '../../ui/parts.tsx'
import { alarmOf, type Definition } from './alarm.ts'
import { ErrorChart } from './ErrorChart.tsx'
import { Happened } from './Happened.tsx'
import { Race } from './Race.tsx'
import { Waits } from './Waits.tsx'

export function Home() {
  const runs = useApi<{ pipelineRuns: PipelineRun[] }>('/api/v1/pipeline-runs?limit=60', { everyMs: 3_000 })
  const reviews = useApi<{ reviews: Review[] }>('/api/v1/reviews?state=open')
  const endpoints = useApi<{ endpoints: Endpoint[] }>('/api/v1/endpoints')
  const monitors = useApi<{ monitors: { name: string; last?: MonitorWindow }[] }>('/api/v1/monitors')
  const events = useApi<{ events: HouseEvent[] }>('/api/v1/events?limit=400')
  const about = useApi<{ clockMs?: number }>(`/api/v1/projects/${project}`)
  const definition = useApi<Definition>('/api/v1/definition')
  const monitor = monitors.data?.monitors[0]
  const alarm = alarmOf(definition.data, monitor?.name)
  const night =
    about.data?.clockMs === undefined
      ? ''
      : `living ${new Date(about.data.clockMs).toISOString().slice(0, 10)} on its own clock`
  return (
    <>
      <div>
        <h1>{project}</h1>
        <span className="muted">{night}</span>
      </div>
      <section className="card" aria-label="The race">
        <Race
          runs={runs.data?.pipelineRuns ?? []}
          reviews={reviews.data?.reviews ?? []}
          endpoint={endpoints.data?.endpoints[0]}
          last={monitor?.last}
          alarm={alarm}
        />
      </section>
      <div className="two">
        <Card
          title="Rolling error"
          note={
            alarm === undefined ? 'nothing watches it' : `${alarm.metric}; above ${alarm.above} it retrains`
          }
        >
          {monitor === undefined ? (
            <p className="body muted">
              There is no monitor yet. It begins with the first labels after the first deployment.
            </p>
          ) : (
            <ErrorChart monitor={monitor.name} alarm={alarm} events={events.data?.events ?? []} />
          )}
        </Card>
        <Waits reviews={reviews} />
      </div>
      <Card title="What happened" note="newest first">
        <Await
          of={events}
          empty={(e) => (e.events.length === 0 ? 'Nothing has happened in this project yet.' : undefined)}
          command="headrace apply"
        >
          {({ events: all }) => <Happened events={all} />}
        </Await>
      </Card>
    </>
  )
}
