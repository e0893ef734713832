/** What no caller may overdo: headers, slow requests, slow bodies; and the headers that every reply carries. */
import type { IncomingMessage } from 'node:http'

export interface Limits {
  /** Until all headers are there; against connections that only begin. */
  readonly headersMs: number
  /** Until a body of bounded size is there. */
  readonly bodyMs: number
  /** Between two parts of a body of any size. */
  readonly bodyIdleMs: number
}
const headerBytesMax = 32 * 1024
const limitsDefault: Limits = { headersMs: 20_000, bodyMs: 120_000, bodyIdleMs: 60_000 }

export const httpLimits = (given: Partial<Limits> = {}) => {
  const { headersMs } = { ...limitsDefault, ...given }
  return {
    maxHeaderSize: headerBytesMax,
    headersTimeout: headersMs,
    connectionsCheckingInterval: Math.max(100, headersMs / 4),
  }
}

/** Ends the connection of a body that comes too slowly. */
export function boundBody(raw: IncomingMessage, bytesMax: number, given: Partial<Limits> = {}): void {
  const { bodyMs, bodyIdleMs } = { ...limitsDefault, ...given }
  const hasBody = Number(raw.headers['content-length'] ?? 0) > 0 || 'transfer-encoding' in raw.headers
  if (!hasBody || raw.complete) return
  const { socket } = raw
  socket.setTimeout(bodyIdleMs)
  const whole = Number.isFinite(bytesMax) ? setTimeout(() => socket.destroy(), bodyMs) : undefined
  whole?.unref()
  const done = () => {
    clearTimeout(whole)
    socket.setTimeout(0)
  }
  raw.once('end', done).once('close', done)
}

/** A route that shows something says its own policy over this one. */
export const securityHeaders = (isTls: boolean): Record<string, string> => ({
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'same-origin',
  'x-frame-options': 'DENY',
  'cross-origin-resource-policy': 'same-origin',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  ...(isTls ? { 'strict-transport-security': 'max-age=31536000' } : {}),
})
