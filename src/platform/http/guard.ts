/** Who may reach us at all: Host against DNS rebinding, Origin against forged requests of a browser. Pure. */
import { Fault } from '#base/errors.ts'

export interface Doorkeeper {
  /** Host names (without port) that we answer to. */
  readonly allowedHosts: readonly string[]
  /** Origins of other sites that may call us from a browser. */
  readonly corsOrigins: readonly string[]
}
const loopbackNames = ['localhost', '127.0.0.1', '[::1]', '::1']
const changes = new Set(['POST', 'PUT', 'PATCH', 'DELETE'])

/** @throws Fault forbidden `http.host_refused` | `http.origin_refused` */
export function checkReach(
  keeper: Doorkeeper,
  method: string,
  host: string | undefined,
  origin: string | undefined,
): void {
  const name = (host ?? '').replace(/:\d+$/, '').toLowerCase()
  if (!loopbackNames.includes(name) && !keeper.allowedHosts.includes(name)) {
    throw new Fault(
      'forbidden',
      'http.host_refused',
      `this server does not answer to the name \`${name.slice(0, 100)}\``,
      {
        remedy: 'add it to HEADRACE_ALLOWED_HOSTS',
      },
    )
  }
  if (origin === undefined || !changes.has(method) || keeper.corsOrigins.includes(origin)) return
  if (hostOf(origin) === (host ?? '').toLowerCase()) return
  throw new Fault(
    'forbidden',
    'http.origin_refused',
    `requests from \`${origin.slice(0, 100)}\` may change nothing here`,
    {
      remedy: 'call from the page of this server, or add the origin to HEADRACE_CORS_ORIGINS',
    },
  )
}

function hostOf(origin: string): string | undefined {
  try {
    return new URL(origin).host
  } catch {
    return undefined
  }
}
