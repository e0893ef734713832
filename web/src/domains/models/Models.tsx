/** Models: the list, and one model with its versions, gates, and who was champion when. */
import { to } from '../../api/client.ts'
import type { ModelVersion } from '../../api/shapes.ts'
import { useApi } from '../../api/useApi.ts'
import { Await, Card, Id, State, When } from '../../ui/parts.tsx'
import { Reproduced } from './Reproduced.tsx'

export function ModelList() {
  const models = useApi<{ models: { name: string; versions: number; champion?: number }[] }>('/api/v1/models')
  return (
    <Card title="Models">
      <Await
        of={models}
        empty={(m) => (m.models.length === 0 ? 'There is no model yet.' : undefined)}
        command="headrace apply"
      >
        {({ models: all }) => (
          <table>
            <thead>
              <tr>
                <th>Model</th>
                <th className="num">Versions</th>
                <th>Champion</th>
              </tr>
            </thead>
            <tbody>
              {all.map((m) => (
                <tr key={m.name}>
                  <td>
                    <a href={to(`/models/${m.name}`)}>{m.name}</a>
                  </td>
                  <td className="num">{m.versions}</td>
                  <td>{m.champion === undefined ? <span className="muted">none</span> : `@${m.champion}`}</td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </Await>
    </Card>
  )
}

interface Model {
  readonly name: string
  readonly versions: readonly ModelVersion[]
  readonly history: readonly { alias: string; version: number; from: number | null; at: number; by: string }[]
}

export function ModelPage({ model }: { model: string }) {
  const found = useApi<Model>(`/api/v1/models/${model}`)
  return (
    <Await
      of={found}
      empty={(m) => (m.versions.length === 0 ? `${model} has no version yet.` : undefined)}
      command="headrace run retrain --watch"
    >
      {(m) => (
        <>
          <h1>{m.name}</h1>
          <Card title="Who was when">
            <table>
              <tbody>
                {m.history.map((h) => (
                  <tr key={h.at}>
                    <td>
                      <When ms={h.at} />
                    </td>
                    <td>
                      <State state={h.alias} />
                    </td>
                    <td>
                      version {h.version}
                      {h.from === null ? '' : `, after version ${h.from}`}
                    </td>
                    <td className="muted">{h.by}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Card>
          {m.versions.map((v) => (
            <Version key={v.version} model={m.name} v={v} />
          ))}
        </>
      )}
    </Await>
  )
}

function Version({ model, v }: { model: string; v: ModelVersion }) {
  const aside = (
    <>
      <State state={v.state} />
      {v.aliases.map((a) => (
        <State key={a} state={a} />
      ))}
    </>
  )
  return (
    <Card title={`${model}@${v.version}`} note={v.kind} aside={aside}>
      <dl className="facts">
        <dt>Registered</dt>
        <dd>
          <When ms={v.createdAt} />
        </dd>
        <dt>Data</dt>
        <dd>
          {v.datasets.map((d) => (
            <a key={d.version} className="tag" href={to(`/datasets/${d.dataset}/${d.version}`)}>
              {d.dataset}@v{d.version}
            </a>
          ))}
        </dd>
        <dt>Code</dt>
        <dd className="mono">
          {v.code.commit?.slice(0, 10) ?? v.code.tree.slice(0, 12)}
          {v.code.dirty ? ' with changes' : ''}
        </dd>
        <dt>Environment</dt>
        <dd>
          <Id text={v.environmentLock} />
        </dd>
        <dt>Run</dt>
        <dd>
          <Id text={v.runId} />
        </dd>
        <dt>ONNX</dt>
        <dd>
          {v.parityMaxAbs === null
            ? 'not converted: registered by a client'
            : `differs by at most ${v.parityMaxAbs.toExponential(1)} from the original`}
        </dd>
        <Reproduced model={model} version={v.version} />
      </dl>
      <table className="wrap">
        <tbody>
          {v.gates.map((g) => (
            <tr key={g.name}>
              <td>
                <State state={g.passed ? 'pass' : 'fail'} />
              </td>
              <td>{g.name}</td>
              <td className="wide">{g.sentence}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Card>
  )
}
