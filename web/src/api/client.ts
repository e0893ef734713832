/** The way to the server: the project comes from the address; faults keep their remedy. */
const base = document.querySelector<HTMLMetaElement>('meta[name=headrace-base]')?.content ?? ''
const inProject = /^\/p\/[\w.-]+/.exec(location.pathname.slice(base.length))?.[0] ?? ''
const prefix = `${base}${inProject}`
export const project = inProject.slice('/p/'.length) || 'default'
/** An address of the page itself. */
export const to = (path: string) => `${prefix}/app${path}`
export const here = () => location.pathname.slice(`${prefix}/app`.length) || '/'

export class ApiFault extends Error {
  readonly remedy: string | undefined
  readonly requestId: string | undefined
  constructor(problem: { detail?: string; remedy?: string; requestId?: string }, status: number) {
    super(problem.detail ?? `the server answered ${status}`)
    this.remedy = problem.remedy
    this.requestId = problem.requestId
  }
}

/** Told once when the server asks who we are. */
const onSignedOut = new Set<() => void>()
export function whenSignedOut(listener: () => void): () => void {
  onSignedOut.add(listener)
  return () => void onSignedOut.delete(listener)
}

export async function call<T>(method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown): Promise<T> {
  const init =
    body === undefined
      ? { method }
      : { method, body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
  const reply = await fetch(`${prefix}${path}`, init)
  if (reply.status === 401 && path !== '/api/v1/session') for (const listener of onSignedOut) listener()
  if (!reply.ok) throw new ApiFault(await reply.json().catch(() => ({})), reply.status)
  return reply.json() as Promise<T>
}

type Listener = () => void
const listeners = new Set<Listener>()
let stream: EventSource | undefined
let _waiting: ReturnType<typeof setTimeout> | undefined
const coalesceMs = 1_000

/** Tells when something happened in the project, at most once a second, from one stream for the whole tab. */
export function onChange(listener: Listener): () => void {
  listeners.add(listener)
  openStream()
  return () => void listeners.delete(listener)
}

function openStream(): void {
  if (stream !== undefined || document.hidden) return
  stream = new EventSource(`${prefix}/api/v1/events/stream`)
  for (const type of eventTypes) stream.addEventListener(type, changed)
}
function changed(): void {
  _waiting ??= setTimeout(() => {
    _waiting = undefined
    for (const listener of listeners) listener()
  }, coalesceMs)
}
document.addEventListener('visibilitychange', () => {
  if (document.hidden) {
    stream?.close()
    stream = undefined
  } else if (listeners.size > 0) {
    openStream()
    changed()
  }
})
const eventTypes = [
  'datasets.version.committed',
  'datasets.version.judged',
  'features.view.materialised',
  'pipelines.run.queued',
  'pipelines.run.moved',
  'pipelines.run.ended',
  'pipelines.step.ended',
  'registry.version.registered',
  'registry.version.gated',
  'registry.alias.moved',
  'reviews.review.requested',
  'reviews.review.decided',
  'serving.revision.created',
  'serving.rollout.advanced',
  'serving.rollout.promoted',
  'serving.rollout.rolled_back',
  'monitoring.window.closed',
  'evaluation.evaluation.finished',
]
