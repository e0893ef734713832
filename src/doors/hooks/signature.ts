/**
 * Who sent a webhook: signatures of Standard Webhooks (`webhook-id`, `webhook-timestamp`, `webhook-signature`; HMAC-SHA256
 * over `id.timestamp.body`, base64) and of GitHub (`x-hub-signature-256`; over the body, hex). Pure.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'

export interface Signed {
  /** Names the delivery: the same one comes again when its sender had no answer. */
  readonly id: string
  readonly verify: (secret: string, body: Buffer) => boolean
}
type Headers = Readonly<Record<string, string | readonly string[] | undefined>>

const toleranceSeconds = 300
const prefix = 'whsec_'

/** The key's bytes: base64 behind `whsec_`, else the text as it is. */
const keyOf = (secret: string): Buffer =>
  secret.startsWith(prefix) ? Buffer.from(secret.slice(prefix.length), 'base64') : Buffer.from(secret)
const isSame = (given: Buffer, wanted: Buffer): boolean =>
  given.length === wanted.length && timingSafeEqual(given, wanted)

/** The signature of a request; undefined where it has none, or one that is too old or too new to count. */
export function signedBy(headers: Headers, nowMs: number): Signed | undefined {
  const one = (name: string) => (typeof headers[name] === 'string' ? (headers[name] as string) : undefined)
  const github = /^sha256=([0-9a-f]{64})$/.exec(one('x-hub-signature-256') ?? '')?.[1]
  if (github !== undefined)
    return {
      // The body alone is signed, so the signature names the delivery: another id would be the sender's word only.
      id: `github ${github}`,
      verify: (secret, body) =>
        isSame(Buffer.from(github, 'hex'), createHmac('sha256', secret).update(body).digest()),
    }
  const [id, timestamp, signatures] = [one('webhook-id'), one('webhook-timestamp'), one('webhook-signature')]
  if (id === undefined || timestamp === undefined || signatures === undefined) return undefined
  if (!/^\d{1,12}$/.test(timestamp) || id.length > 256) return undefined
  if (Math.abs(nowMs / 1_000 - Number(timestamp)) > toleranceSeconds) return undefined
  const given = signatures.split(' ').flatMap((part) => (part.startsWith('v1,') ? [part.slice(3)] : []))
  return {
    id,
    verify(secret, body) {
      const wanted = createHmac('sha256', keyOf(secret)).update(`${id}.${timestamp}.`).update(body).digest()
      return given.slice(0, 10).some((text) => isSame(Buffer.from(text, 'base64'), wanted))
    },
  }
}
