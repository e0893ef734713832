/** Whether a version can be rebuilt: the last verdict, and the button that asks for another. */
import { useState } from 'react'
import { call } from '../../api/client.ts'
import { useApi } from '../../api/useApi.ts'
import { State, When } from '../../ui/parts.tsx'

interface Reproduction {
  readonly id: string
  readonly state: string
  readonly verdict?: string
  readonly sentence: string
  readonly startedAt: number
}

export function Reproduced({ model, version }: { model: string; version: number }) {
  const path = `/api/v1/models/${encodeURIComponent(model)}/versions/${version}/reproductions`
  const found = useApi<{ reproductions: Reproduction[] }>(path)
  const [refused, setRefused] = useState<string>()
  const last = found.data?.reproductions[0]
  const ask = () => {
    call('POST', path, {}).then(found.reload, (error: Error) => setRefused(error.message))
  }
  return (
    <>
      <dt>Rebuilt</dt>
      <dd>
        {last === undefined ? (
          <span className="muted">never tried </span>
        ) : (
          <>
            <State state={last.verdict ?? last.state} /> {last.sentence}{' '}
            <span className="muted">
              <When ms={last.startedAt} />{' '}
            </span>
          </>
        )}
        <button type="button" disabled={last?.state === 'running'} onClick={ask}>
          {last === undefined ? 'Reproduce' : 'Again'}
        </button>
        {refused === undefined ? null : <span role="alert"> {refused}</span>}
      </dd>
    </>
  )
}
