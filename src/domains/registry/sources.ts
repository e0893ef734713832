/** Where a version's files lie, as a client says it; and which of these a client may say. Pure. */
import { Fault } from '#base/errors.ts'

export type Source =
  | { readonly kind: 'run'; readonly run: string; readonly path: string }
  | { readonly kind: 'logged'; readonly id: string }
  | { readonly kind: 'version'; readonly model: string; readonly version: number }
  | { readonly kind: 'artifacts'; readonly path: string }
  /** A bucket or the like that the client reads by itself. */
  | { readonly kind: 'elsewhere' }
  /** What prompts say; they have no files. */
  | { readonly kind: 'none' }

const remote = /^(s3|gs|abfss?|wasbs?|hdfs|dbfs|r2|ftp|sftp):\/\//i
const decodesMax = 8

/** @throws Fault invalid `registry.source_refused` for paths of this machine, web addresses and ways out */
export function parseSource(text: string): Source {
  if (leadsOut(text)) throw refused(text, 'it leads out of its place')
  if (text === 'dummy-source' || text === 'prompt-template') return { kind: 'none' }
  const run = /^runs:\/([\w-]+)\/?(.*)$/.exec(text)
  if (run !== null) return { kind: 'run', run: run[1] ?? '', path: run[2] ?? '' }
  const logged = /^models:\/+(m-[\w-]+)$/.exec(text)
  if (logged !== null) return { kind: 'logged', id: logged[1] ?? '' }
  const version = /^models:\/+([^/@]+)\/(\d+)$/.exec(text)
  if (version !== null) return { kind: 'version', model: version[1] ?? '', version: Number(version[2]) }
  const artifacts = /^mlflow-artifacts:\/([^/].*)$/.exec(text)
  if (artifacts !== null) return { kind: 'artifacts', path: (artifacts[1] ?? '').replace(/\/+$/, '') }
  if (remote.test(text)) return { kind: 'elsewhere' }
  throw refused(
    text,
    'To use a local path as a model version source, the run_id request parameter has to be specified and the local path has to be contained within the artifact directory of the run specified by the run_id.',
  )
}

const refused = (text: string, why: string) =>
  new Fault(
    'invalid',
    'registry.source_refused',
    `Invalid model version source: '${text.slice(0, 300)}'. ${why}`,
  )

function leadsOut(text: string): boolean {
  let seen = text
  for (let depth = 0; depth < decodesMax; depth++) {
    if (/(^|[/\\])\.\.([/\\]|$)|[\\#?\0]/.test(seen)) return true
    let next = seen
    try {
      next = decodeURIComponent(seen)
    } catch {}
    if (next === seen) return false
    seen = next
  }
  return true
}

/** Files that a run or a logged model holds. */
export interface Holder {
  readonly uri: string
}
/** Whether files lie below what the version says that they come from. */
export const isWithin = (path: string, holder: Holder): boolean =>
  path === pathOf(holder) || path.startsWith(`${pathOf(holder)}/`)
const pathOf = ({ uri }: Holder) => uri.replace(/^mlflow-artifacts:\//, '')
