/** Endpoints: the list, and one with its rollout, revisions, a question to try, and the way back. */
import { useState } from 'react'
import { call, to } from '../../api/client.ts'
import type { Endpoint } from '../../api/shapes.ts'
import { useApi } from '../../api/useApi.ts'
import { Await, Card, count, Failure, number, State, When } from '../../ui/parts.tsx'

export function EndpointList() {
  const endpoints = useApi<{ endpoints: Endpoint[] }>('/api/v1/endpoints')
  return (
    <Card title="Endpoints">
      <Await
        of={endpoints}
        empty={(e) => (e.endpoints.length === 0 ? 'There is no endpoint yet.' : undefined)}
        command="headrace apply"
      >
        {({ endpoints: all }) => (
          <table>
            <thead>
              <tr>
                <th>Endpoint</th>
                <th>Answers with</th>
                <th>Rollout</th>
              </tr>
            </thead>
            <tbody>
              {all.map((e) => (
                <tr key={e.name}>
                  <td>
                    <a href={to(`/endpoints/${e.name}`)}>{e.name}</a>
                  </td>
                  <td>{e.stable === undefined ? 'nothing yet' : `${e.stable.model}@${e.stable.version}`}</td>
                  <td>{e.rollout === undefined ? '' : <State state={e.rollout.state} />}</td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </Await>
    </Card>
  )
}

export function EndpointPage({ name }: { name: string }) {
  const found = useApi<Endpoint>(`/api/v1/endpoints/${name}`, { everyMs: 3_000 })
  return (
    <Await of={found}>
      {(e) => (
        <>
          <h1>{e.name}</h1>
          <div className="halves">
            <Card title="Now">
              <dl className="facts">
                <dt>Answers with</dt>
                <dd>
                  {e.stable === undefined
                    ? 'nothing yet'
                    : `${e.stable.model}@${e.stable.version}, revision ${e.stable.number}`}
                </dd>
                <dt>Since the start</dt>
                <dd>
                  {count(e.requests)} requests, {count(e.errors)} errors, p95 {number(e.latencyP95Ms, 2)} ms
                </dd>
                <dt>Address</dt>
                <dd className="mono">
                  POST {to('').replace('/app', '')}/endpoints/{e.name}/predict
                </dd>
              </dl>
            </Card>
            <TryIt name={name} />
          </div>
          {e.rollout !== undefined && <RolloutCard endpoint={e} onDone={found.reload} />}
          <Card title="Revisions">
            <table>
              <tbody>
                {e.revisions.map((r) => (
                  <tr key={r.number}>
                    <td>revision {r.number}</td>
                    <td>
                      {r.model}@{r.version} {r.number === e.stable?.number && <State state="champion" />}
                    </td>
                    <td>
                      <When ms={r.createdAt} />
                    </td>
                    <td className="muted">{r.createdBy}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Card>
        </>
      )}
    </Await>
  )
}

function RolloutCard({ endpoint, onDone }: { endpoint: Endpoint; onDone: () => void }) {
  const [reason, setReason] = useState('')
  const [error, setError] = useState<Error>()
  const { rollout } = endpoint
  if (rollout === undefined) return null
  const back = () =>
    call('POST', `/api/v1/endpoints/${endpoint.name}/rollback`, { reason }).then(onDone, setError)
  return (
    <Card
      title="Last rollout"
      note={`revision ${rollout.revision}${rollout.stable === null ? '' : ` beside ${rollout.stable}`}`}
      aside={<State state={rollout.state} />}
    >
      {rollout.reason !== '' && <p className="body">{rollout.reason}</p>}
      <table className="wrap">
        <tbody>
          {rollout.findings.map((f) => (
            <tr key={f.metric}>
              <td>
                <State state={f.verdict} />
              </td>
              <td className="wide">{f.sentence}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <form
        className="body row"
        onSubmit={(event) => {
          event.preventDefault()
          void back()
        }}
      >
        <input
          aria-label="Reason of the rollback"
          placeholder="reason"
          value={reason}
          onChange={(e) => setReason(e.target.value)}
          required
        />
        <button type="submit" className="danger">
          Roll back
        </button>
      </form>
      {error !== undefined && <Failure error={error} />}
    </Card>
  )
}

function TryIt({ name }: { name: string }) {
  const [rows, setRows] = useState('[{"product_category": "SOFT DRINKS"}]')
  const [answer, setAnswer] = useState<string>()
  const [error, setError] = useState<Error>()
  const ask = async () => {
    setError(undefined)
    try {
      setAnswer(
        JSON.stringify(
          await call('POST', `/endpoints/${name}/predict`, { rows: JSON.parse(rows) }),
          undefined,
          2,
        ),
      )
    } catch (thrown) {
      setError(thrown as Error)
    }
  }
  return (
    <Card
      title="Try it"
      aside={
        <button type="button" onClick={() => void ask()}>
          Ask
        </button>
      }
    >
      <div className="body">
        <textarea aria-label="Rows as JSON" rows={3} value={rows} onChange={(e) => setRows(e.target.value)} />
        {answer !== undefined && <pre className="log">{answer}</pre>}
        {error !== undefined && <Failure error={error} />}
      </div>
    </Card>
  )
}
