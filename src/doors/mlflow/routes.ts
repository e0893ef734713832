/** How a route of this door is said: method, path below `/api/2.0/mlflow/`, permission, and fields → reply. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Caller } from '#base/caller.ts'
import { type Method, type Route, rawRoute } from '#platform/http/index.ts'
import { renderFault } from './errors.ts'
import { fieldsOf, type Json } from './wire.ts'

export interface MlflowRoute {
  /** `POST runs/create`; `:name` in the path is a field like the others. */
  readonly at: string
  readonly permission: string
  readonly bodyBytesMax?: number
  run(fields: Json, caller: Caller, about: { request: FastifyRequest; reply: FastifyReply }): Promise<unknown>
}

// A batch of 1,000 metrics with long names, or a dataset profile of 16 MB.
const bodyBytesMaxDefault = 32 * 1024 * 1024

/**
 * Mounted once, at `/api/2.0/mlflow/…`: what comes at `/api/3.0/…`, `/ajax-api/2.0/…` or `/ajax-api/3.0/…` is rewritten
 * to that before routing (see `canonicalAddress`), and so is `/p/PROJECT`.
 */
export const mlflowRoute = ({ at, permission, bodyBytesMax, run }: MlflowRoute): Route => {
  const [method = 'GET', path = ''] = at.split(' ')
  return rawRoute({
    id: `mlflow.${method.toLowerCase()}.${path.replaceAll(/[/:]+/g, '.')}`,
    method: method as Method,
    path: `/api/2.0/mlflow/${path}`,
    summary: `MLflow: ${path}`,
    permission,
    bodyBytesMax: bodyBytesMax ?? bodyBytesMaxDefault,
    renderFault,
    async handle(request, reply, caller) {
      const answer = await run(fieldsOf(request), caller, { request, reply })
      if (reply.sent) return reply
      reply.header('content-type', 'application/json')
      return JSON.stringify(answer ?? {})
    },
  })
}

/** All of MLflow's API prefixes lead to one table. */
export function canonicalAddress(url: string): string {
  const address = url.startsWith('/ajax-api/') ? `/${url.slice('/ajax-'.length)}` : url
  if (address.startsWith('/api/3.0/mlflow')) return `/api/2.0${address.slice('/api/3.0'.length)}`
  return address
}
