/** `POST /api/v1/hooks/NAME`: starts the pipelines that name the hook, for a signature or a token. Read next: signature.ts. */
import type { FastifyRequest } from 'fastify'
import { type Caller, mayDo } from '#base/caller.ts'
import { sha256 } from '#base/digest.ts'
import { Fault } from '#base/errors.ts'
import { newId } from '#base/ids.ts'
import { identityOf, type RequestIdentity, type Route, rawRoute } from '#platform/http/index.ts'
import type { Hook, Pipelines } from '../../domains/pipelines/index.ts'
import { type Signed, signedBy } from './signature.ts'

export interface HooksDeps {
  readonly pipelines: Pick<Pipelines, 'hooksNamed' | 'onHook'>
  /** Who a request is by its token; undefined where it is nobody. */
  readonly whoIs: (identity: RequestIdentity) => Promise<Caller | undefined>
  /** The value of a secret of a project. */
  readonly secretOf: (project: string, name: string) => Promise<string>
}
const bodyBytesMax = 1024 * 1024
type Json = Readonly<Record<string, unknown>>

export const hookRoutes = (deps: HooksDeps): Route[] => [
  rawRoute({
    id: 'hooks.receive',
    method: 'POST',
    path: '/api/v1/hooks/:hook',
    summary: 'Start the pipelines whose trigger is this webhook',
    // Decided below: a signature of the hook's secret, or a token that may run the pipeline.
    permission: 'public',
    bodyBytesMax,
    bytesBody: true,
    async handle(request, reply) {
      const { hook } = request.params as { hook: string }
      const body = request.body as Buffer
      const signed = signedBy(request.headers, Date.now())
      const hooks = await deps.pipelines.hooksNamed(request.project, hook)
      const allowed = await allowedOf(deps, request, { hooks, signed, body })
      if (allowed === undefined) throw notAllowed()
      if (allowed.hooks.length === 0)
        throw new Fault('not_found', 'hooks.hook_not_found', `no pipeline has the webhook ${hook}`, {
          remedy: 'write `{ webhook: NAME }` under its triggers, and apply',
        })
      const { params, type } = messageOf(body)
      const delivery = signed?.id ?? newId()
      const about = { hook, delivery, type, bodyDigest: sha256(body), params }
      const runs = await Promise.all(
        allowed.hooks.map(({ pipeline }) => deps.pipelines.onHook({ ...about, pipeline }, allowed.caller)),
      )
      return reply.code(202).send({ runs: runs.map(({ id, pipeline, state }) => ({ id, pipeline, state })) })
    },
  }),
]

interface Asked {
  readonly hooks: readonly Hook[]
  readonly signed: Signed | undefined
  readonly body: Buffer
}
/** The pipelines that this request may start, and as whom; undefined where it is nobody. */
async function allowedOf(
  deps: HooksDeps,
  request: FastifyRequest,
  { hooks, signed, body }: Asked,
): Promise<{ caller: Caller; hooks: readonly Hook[] } | undefined> {
  if (signed !== undefined) {
    const secrets = [...new Set(hooks.flatMap((one) => one.secret ?? []))]
    for (const name of secrets) {
      if (!signed.verify(await deps.secretOf(request.project, name), body)) continue
      return { caller: senderOf(request), hooks: hooks.filter((one) => one.secret === name) }
    }
    return undefined
  }
  // A browser sends its cookie unasked, so it does not count here.
  const caller = await deps.whoIs({ ...identityOf(request), cookie: undefined })
  if (caller === undefined) return undefined
  const mine = hooks.filter((one) => mayDo(caller, 'pipeline:run', one.pipeline))
  if (mine.length > 0 || mayDo(caller, 'pipeline:run')) return { caller, hooks: mine }
  throw new Fault('forbidden', 'http.not_allowed', `${caller.actor.name} may not pipeline:run`)
}
const senderOf = (request: FastifyRequest): Caller => ({
  actor: { kind: 'system', name: 'system:webhook' },
  project: request.project,
  requestId: request.id,
  grants: ['pipeline:run'],
})
const notAllowed = () =>
  new Fault('unauthenticated', 'hooks.not_signed', 'the webhook is not signed by its secret, or too late', {
    remedy: 'sign it (Standard Webhooks, GitHub) with the secret that its trigger names, or send a token',
  })

/** `params` of a JSON object; anything else is a call without. */
function messageOf(body: Buffer): { params: Record<string, string | number | boolean>; type?: string } {
  let parsed: unknown
  try {
    parsed = JSON.parse(body.toString('utf8'))
  } catch {
    return { params: {} }
  }
  if (typeof parsed !== 'object' || parsed === null) return { params: {} }
  const { params = {}, type } = parsed as Json
  const isPlain = (value: unknown) => ['string', 'number', 'boolean'].includes(typeof value)
  if (typeof params !== 'object' || params === null || !Object.values(params).every(isPlain))
    throw new Fault(
      'invalid',
      'hooks.params_invalid',
      '`params` is an object of strings, numbers and booleans',
    )
  return {
    params: params as Record<string, string | number | boolean>,
    ...(typeof type === 'string' ? { type: type.slice(0, 200) } : {}),
  }
}
