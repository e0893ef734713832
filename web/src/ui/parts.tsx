/** Parts without words of the domain. Colour is never the only signal: each state has a sign. */
import type { ReactNode } from 'react'
import { useState } from 'react'
import { ApiFault } from '../api/client.ts'
import type { Loaded } from '../api/useApi.ts'

export function Card({
  title,
  note,
  aside,
  children,
}: {
  title: string
  note?: string
  aside?: ReactNode
  children: ReactNode
}) {
  return (
    <section className="card" aria-label={title}>
      <header>
        <h2>{title}</h2>
        {note !== undefined && <span className="muted">{note}</span>}
        <span className="grow" />
        {aside}
      </header>
      {children}
    </section>
  )
}

const looks: Record<string, [string, string]> = {
  succeeded: ['ok', '✓'],
  cached: ['ok', '≡'],
  accepted: ['ok', '✓'],
  gated: ['ok', '✓'],
  'bit-identical': ['ok', '✓'],
  equivalent: ['warn', '≈'],
  different: ['bad', '✗'],
  done: ['ok', '✓'],
  pass: ['ok', '✓'],
  approved: ['ok', '✓'],
  champion: ['champion', '★'],
  running: ['run', '▸'],
  baking: ['run', '▸'],
  canary: ['run', '▸'],
  shadow: ['run', '▸'],
  waiting: ['warn', '…'],
  open: ['warn', '…'],
  hold: ['warn', '…'],
  unjudged: ['warn', '…'],
  failed: ['bad', '✕'],
  refused: ['bad', '✕'],
  fail: ['bad', '✕'],
  rejected: ['bad', '✕'],
  expired: ['bad', '✕'],
  rolled_back: ['bad', '↩'],
}
export function State({ state }: { state: string }) {
  const [look, sign] = looks[state] ?? ['', '·']
  return (
    <span className={`tag ${look}`}>
      <span aria-hidden="true">{sign}</span>
      {state.replaceAll('_', ' ')}
    </span>
  )
}

/** A moment of the project's clock, in UTC. */
export function When({ ms }: { ms: number }) {
  const iso = new Date(ms).toISOString()
  return (
    <time dateTime={iso} title={iso}>
      {iso.slice(0, 16).replace('T', ' ')}
    </time>
  )
}

export function Id({ text }: { text: string }) {
  const [isCopied, setCopied] = useState(false)
  const copy = () => navigator.clipboard?.writeText(text).then(() => setCopied(true))
  return (
    <button type="button" className="id mono" title={`copy ${text}`} onClick={copy}>
      {text.slice(0, 12)}
      {isCopied ? ' copied' : ''}
    </button>
  )
}

/** What a page shows while it has nothing: loading, a fault with its remedy, or a sentence and a command. */
export function Await<T>({
  of,
  empty,
  command,
  children,
}: {
  of: Loaded<T>
  empty?: (data: T) => string | undefined
  command?: string
  children: (data: T) => ReactNode
}) {
  if (of.error !== undefined && of.data === undefined) return <Failure error={of.error} />
  if (of.data === undefined) return <p className="body muted">loading …</p>
  const sentence = empty?.(of.data)
  if (sentence === undefined) return <>{children(of.data)}</>
  return (
    <div className="body muted">
      <p>{sentence}</p>
      {command !== undefined && <code className="mono">{command}</code>}
    </div>
  )
}

export function Failure({ error }: { error: Error }) {
  const { remedy, requestId } =
    error instanceof ApiFault ? error : { remedy: undefined, requestId: undefined }
  return (
    <div className="body" role="alert">
      <b>{error.message}</b>
      {remedy !== undefined && <p>What to do: {remedy}</p>}
      {requestId !== undefined && <p className="faint mono">request {requestId}</p>}
    </div>
  )
}

export const number = (value: number | null | undefined, digits = 3) =>
  typeof value === 'number' ? value.toFixed(digits) : '–'
export const count = (value: number) => value.toLocaleString('en')
