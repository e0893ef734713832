/** The shell, and which page an address means. */
import { useEffect, useState } from 'react'
import { here, project, to, whenSignedOut } from '../api/client.ts'
import { SignIn, SignOut } from '../domains/access/SignIn.tsx'
import { DatasetList, DatasetPage } from '../domains/datasets/Datasets.tsx'
import { EndpointList, EndpointPage } from '../domains/endpoints/Endpoints.tsx'
import { Home } from '../domains/home/Home.tsx'
import { ModelList, ModelPage } from '../domains/models/Models.tsx'
import { RunList, RunPage } from '../domains/pipelines/Runs.tsx'

const sections = [
  ['/', 'Home'],
  ['/datasets', 'Data'],
  ['/pipeline-runs', 'Pipelines'],
  ['/models', 'Models'],
  ['/endpoints', 'Endpoints'],
] as const

function pageOf(path: string) {
  const [section = '', name = '', more = ''] = path
    .split('/')
    .filter((p) => p !== '')
    .map(decodeURIComponent)
  if (section === '') return <Home />
  if (section === 'pipeline-runs') return name === '' ? <RunList /> : <RunPage id={name} />
  if (section === 'datasets')
    return name === '' ? <DatasetList /> : <DatasetPage dataset={name} version={more || 'latest'} />
  if (section === 'models') return name === '' ? <ModelList /> : <ModelPage model={name} />
  if (section === 'endpoints') return name === '' ? <EndpointList /> : <EndpointPage name={name} />
  return <p>There is no page here. Go to Home.</p>
}

/** Links of the page change its state without loading it again; Back works. */
function usePath(): string {
  const [path, setPath] = useState(here())
  useEffect(() => {
    const moved = () => setPath(here())
    const clicked = (event: MouseEvent) => {
      const link = (event.target as Element | null)?.closest?.('a')
      const isOurs =
        link instanceof HTMLAnchorElement &&
        link.origin === location.origin &&
        link.pathname.startsWith(to('')) &&
        !event.ctrlKey &&
        !event.metaKey
      if (!isOurs) return
      event.preventDefault()
      history.pushState(null, '', link.href)
      moved()
      window.scrollTo(0, 0)
    }
    addEventListener('popstate', moved)
    document.addEventListener('click', clicked)
    return () => {
      removeEventListener('popstate', moved)
      document.removeEventListener('click', clicked)
    }
  }, [])
  return path
}

export function App() {
  const path = usePath()
  const [isSignedOut, setSignedOut] = useState(false)
  useEffect(() => whenSignedOut(() => setSignedOut(true)), [])
  const current = sections.findLast(([at]) => path.startsWith(at))?.[0]
  const title = sections.find(([at]) => at === current)?.[1] ?? 'Headrace'
  useEffect(() => {
    document.title = `${title} · ${project} · Headrace`
  }, [title])
  if (isSignedOut) return <SignIn />
  return (
    <div className="app">
      <nav className="nav" aria-label="Sections">
        <a className="brand" href={to('/')}>
          <span aria-hidden="true">≋</span> Headrace
        </a>
        {sections.map(([at, name]) => (
          <a key={at} href={to(at)} aria-current={at === current ? 'page' : undefined}>
            {name}
          </a>
        ))}
      </nav>
      <div className="header">
        <span className="crumbs">
          <b>{project}</b> {path === '/' ? '' : path.split('/').filter(Boolean).join(' / ')}
        </span>
        <span className="grow" />
        <span className="live">live</span>
        <SignOut />
      </div>
      <main key={path}>{pageOf(path)}</main>
    </div>
  )
}
