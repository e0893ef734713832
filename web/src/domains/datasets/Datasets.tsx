/** Datasets: the list, and one version with its verdict, schema and first rows. */
import { to } from '../../api/client.ts'
import type { DatasetVersion } from '../../api/shapes.ts'
import { useApi } from '../../api/useApi.ts'
import { Await, Card, count, Id, State, When } from '../../ui/parts.tsx'

export function DatasetList() {
  const datasets = useApi<{ datasets: { dataset: string; latest?: DatasetVersion }[] }>('/api/v1/datasets')
  return (
    <Card title="Datasets">
      <Await
        of={datasets}
        empty={(d) => (d.datasets.length === 0 ? 'There is no dataset yet.' : undefined)}
        command="headrace apply"
      >
        {({ datasets: all }) => (
          <table>
            <thead>
              <tr>
                <th>Dataset</th>
                <th>Latest</th>
                <th>State</th>
                <th className="num">Rows</th>
                <th>Id</th>
                <th>When</th>
              </tr>
            </thead>
            <tbody>
              {all.map(({ dataset, latest }) => (
                <tr key={dataset}>
                  <td>
                    <a href={to(`/datasets/${dataset}/${latest?.version ?? 'latest'}`)}>{dataset}</a>
                  </td>
                  {latest === undefined ? (
                    <td colSpan={5} className="muted">
                      no version yet
                    </td>
                  ) : (
                    <>
                      <td>v{latest.version}</td>
                      <td>
                        <State state={latest.state} />
                      </td>
                      <td className="num">{count(latest.rows)}</td>
                      <td>
                        <Id text={latest.id} />
                      </td>
                      <td>
                        <When ms={latest.createdAt} />
                      </td>
                    </>
                  )}
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </Await>
    </Card>
  )
}

interface Full extends DatasetVersion {
  readonly schema: readonly { readonly name: string; readonly type: string }[]
  readonly files: readonly {
    readonly path: string
    readonly digest: string
    readonly rows: number
    readonly size: number
  }[]
}

export function DatasetPage({ dataset, version }: { dataset: string; version: string }) {
  const found = useApi<Full>(`/api/v1/datasets/${dataset}/versions/${version}`)
  return (
    <Await of={found}>
      {(v) => (
        <>
          <div className="row">
            <h1>
              {dataset}@v{v.version}
            </h1>
            <State state={v.state} />
            {v.version > 1 && <a href={to(`/datasets/${dataset}/${v.version - 1}`)}>← v{v.version - 1}</a>}
          </div>
          <div className="halves">
            <Card title="Version">
              <dl className="facts">
                <dt>Id</dt>
                <dd>
                  <Id text={v.id} />
                </dd>
                <dt>Rows</dt>
                <dd>{count(v.rows)}</dd>
                <dt>Bytes</dt>
                <dd>{count(v.bytes)}</dd>
                <dt>Files</dt>
                <dd>{v.files.length}</dd>
                <dt>Made</dt>
                <dd>
                  <When ms={v.createdAt} /> by {v.createdBy}: {v.message}
                </dd>
                <dt>From</dt>
                <dd>
                  {v.parents.length === 0
                    ? 'outside'
                    : v.parents.map((p) => (
                        <a
                          key={`${p.dataset}${p.version}`}
                          className="tag"
                          href={to(`/datasets/${p.dataset}/${p.version}`)}
                        >
                          {p.dataset}@v{p.version}
                        </a>
                      ))}
                </dd>
              </dl>
            </Card>
            <Card title="Schema">
              <table>
                <tbody>
                  {v.schema.map((c) => (
                    <tr key={c.name}>
                      <td>{c.name}</td>
                      <td className="mono muted">{c.type}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </Card>
          </div>
          {v.state !== 'unjudged' && <VerdictCard dataset={dataset} version={v.version} />}
          <RowsCard dataset={dataset} version={v.version} />
        </>
      )}
    </Await>
  )
}

interface VerdictData {
  readonly passed: boolean
  readonly report: {
    readonly checks?: readonly {
      rule: string
      passed: boolean
      severity: string
      sentence: string
      failing: number
    }[]
    readonly quarantinedRows?: number
  }
}
function VerdictCard({ dataset, version }: { dataset: string; version: number }) {
  const verdict = useApi<VerdictData>(`/api/v1/datasets/${dataset}/versions/${version}/verdict`)
  if (verdict.data === undefined) return null
  const { checks = [], quarantinedRows = 0 } = verdict.data.report
  return (
    <Card title="Checks" note={`${count(quarantinedRows)} rows in quarantine`}>
      <table className="wrap">
        <tbody>
          {checks.map((c, i) => (
            <tr key={`${c.rule}${i.toString()}`}>
              <td>
                <State state={c.passed ? 'pass' : c.severity === 'block' ? 'fail' : 'hold'} />
              </td>
              <td>{c.rule}</td>
              <td className="wide">{c.sentence}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Card>
  )
}

function RowsCard({ dataset, version }: { dataset: string; version: number }) {
  const rows = useApi<{ rows: Record<string, unknown>[] }>(
    `/api/v1/datasets/${dataset}/versions/${version}/rows?limit=50`,
  )
  return (
    <Card title="First rows">
      <Await of={rows} empty={(r) => (r.rows.length === 0 ? 'This version has no rows.' : undefined)}>
        {({ rows: all }) => (
          <div className="scroll">
            <table>
              <thead>
                <tr>
                  {Object.keys(all[0] ?? {}).map((name) => (
                    <th key={name}>{name}</th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {all.map((row, i) => (
                  <tr key={i.toString()}>
                    {Object.entries(row).map(([name, value]) => (
                      <td key={name}>
                        {value === null ? <span className="faint">null</span> : String(value)}
                      </td>
                    ))}
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </Await>
    </Card>
  )
}
