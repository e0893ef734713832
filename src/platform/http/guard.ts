/**
 * Who may reach us at all: which proxies are believed, Host against DNS rebinding, Origin against forged requests of a
 * browser. Pure. Read next: mount.ts.
 */
import { BlockList, isIP } from 'node:net'
import { Fault } from '#base/errors.ts'

export interface Doorkeeper {
  /** Host names (without port) that we answer to. */
  readonly allowedHosts: readonly string[]
  /** Origins of other sites that may call us from a browser. */
  readonly corsOrigins: readonly string[]
}
type Headers = Readonly<Record<string, string | string[] | undefined>>

/** Where a request really came from. */
export interface Reach {
  readonly address: string
  /** As the browser knows it, with its port. */
  readonly host: string
  readonly proto: 'http' | 'https'
  /** True where a proxy stood between, trusted or not: then nobody is the owner for being on this machine. */
  readonly isForwarded: boolean
}
const forwardedNames = ['x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'forwarded', 'x-real-ip']
const loopbackNames = ['localhost', '127.0.0.1', '[::1]', '::1']
const changes = new Set(['POST', 'PUT', 'PATCH', 'DELETE'])

/** @throws Fault invalid `config.proxy_invalid` */
export function trustOf(ranges: readonly string[]): (address: string) => boolean {
  const list = new BlockList()
  for (const range of ranges) {
    const [address = '', bits] = range.split('/')
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    try {
      list.addSubnet(address, bits === undefined ? (family === 'ipv6' ? 128 : 32) : Number(bits), family)
    } catch {
      throw new Fault('invalid', 'config.proxy_invalid', `\`${range}\` is no range of addresses`, {
        remedy: 'write HEADRACE_TRUSTED_PROXIES as 10.0.0.0/8,127.0.0.1',
      })
    }
  }
  return (address) => isIP(address) !== 0 && list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
}

/** Forwarded headers are read only from a peer that is trusted, and only as far as trusted peers go. */
export function reachOf(
  peer: { readonly address: string; readonly isTls: boolean; readonly headers: Headers },
  isTrusted: (address: string) => boolean,
): Reach {
  const address = plain(peer.address)
  const { headers } = peer
  const own: Reach = {
    address,
    host: textOf(headers.host),
    proto: peer.isTls ? 'https' : 'http',
    isForwarded: forwardedNames.some((name) => headers[name] !== undefined),
  }
  if (!own.isForwarded || !isTrusted(address)) return own
  const said = forwardedOf(headers)
  const chain = said.addresses.map(plain)
  const client = chain.findLast((hop) => !isTrusted(hop)) ?? chain[0] ?? address
  return {
    address: client,
    host: said.host === '' ? own.host : said.host,
    proto: said.proto === 'https' ? 'https' : said.proto === 'http' ? 'http' : own.proto,
    isForwarded: true,
  }
}

/** RFC 7239 where it is there, else the X-Forwarded family. The last proxy's word is the last in each list. */
function forwardedOf(headers: Headers): { addresses: string[]; host: string; proto: string } {
  const forwarded = textOf(headers.forwarded)
  if (forwarded !== '') {
    const hops = forwarded.split(',').map((hop) =>
      Object.fromEntries(
        hop.split(';').map((pair) => {
          const [key = '', ...value] = pair.trim().split('=')
          return [key.toLowerCase(), value.join('=').replaceAll('"', '')] as const
        }),
      ),
    )
    const last = (key: string) => hops.findLast((hop) => hop[key] !== undefined)?.[key] ?? ''
    return {
      addresses: hops.map((hop) => withoutPort(hop.for ?? '')),
      host: last('host'),
      proto: last('proto'),
    }
  }
  const list = (name: string) =>
    textOf(headers[name])
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '')
  return {
    addresses: list('x-forwarded-for').map(withoutPort),
    host: list('x-forwarded-host').at(-1) ?? '',
    proto: list('x-forwarded-proto').at(-1) ?? '',
  }
}

const textOf = (value: string | string[] | undefined) =>
  Array.isArray(value) ? value.join(',') : (value ?? '')
const plain = (address: string) => address.replace(/^::ffff:(?=\d+\.)/, '')
const withoutPort = (hop: string) => hop.replace(/^\[(.*)\](:\d+)?$/, '$1').replace(/^([\d.]+):\d+$/, '$1')

export interface Asked {
  readonly method: string
  readonly origin: string | undefined
  /** Sec-Fetch-Site, which pages cannot forge. */
  readonly site: string | undefined
}

/** @throws Fault forbidden `http.host_refused` | `http.origin_refused` */
export function checkReach(keeper: Doorkeeper, reach: Reach, { method, origin, site }: Asked): void {
  const name = reach.host.replace(/:\d+$/, '').toLowerCase()
  if (!loopbackNames.includes(name) && !keeper.allowedHosts.includes(name)) {
    throw new Fault(
      'forbidden',
      'http.host_refused',
      `this server does not answer to the name \`${name.slice(0, 100)}\``,
      {
        remedy: 'add it to HEADRACE_ALLOWED_HOSTS, or say HEADRACE_PUBLIC_URL',
      },
    )
  }
  const isPreflight = method === 'OPTIONS'
  if (!isPreflight && !changes.has(method)) return
  if (origin === undefined) {
    if (site !== 'cross-site' && site !== 'same-site') return
  } else if (keeper.corsOrigins.includes(origin) || hostOf(origin) === reach.host.toLowerCase()) return
  throw new Fault(
    'forbidden',
    'http.origin_refused',
    `requests from \`${(origin ?? site ?? '').slice(0, 100)}\` may change nothing here`,
    {
      remedy:
        'call from the page of this server, or add the origin to HEADRACE_CORS_ORIGINS; behind a proxy, name it in HEADRACE_TRUSTED_PROXIES',
    },
  )
}

function hostOf(origin: string): string | undefined {
  try {
    const { protocol, host } = new URL(origin)
    return /^https?:$/.test(protocol) ? host : undefined
  } catch {
    return undefined
  }
}
