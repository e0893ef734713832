/**
 * The one error class and its eleven kinds. Domains name errors by code, doors translate kinds to their wire.
 * Nothing here knows HTTP. Read next: platform/http/problem.ts, which renders a Fault for the native API.
 */
export const errorKinds = [
  'invalid',
  'unauthenticated',
  'forbidden',
  'not_found',
  'conflict',
  'precondition_failed',
  'too_large',
  'rate_limited',
  'unsupported',
  'unavailable',
  'internal',
] as const

export type ErrorKind = (typeof errorKinds)[number]

export interface FaultExtras {
  /** What the reader can do next: a sentence or a command, without a trailing full stop. */
  readonly remedy?: string
  /** Machine-readable facts that go to the caller; never secrets. */
  readonly details?: Readonly<Record<string, unknown>>
  readonly cause?: unknown
}

/** A refusal or failure that somebody should read: what, where, why, and what to do. */
export class Fault extends Error {
  readonly kind: ErrorKind
  readonly code: string
  readonly remedy: string | undefined
  readonly details: Readonly<Record<string, unknown>> | undefined

  constructor(kind: ErrorKind, code: string, message: string, extras: FaultExtras = {}) {
    super(message, extras.cause === undefined ? undefined : { cause: extras.cause })
    this.name = 'Fault'
    this.kind = kind
    this.code = code
    this.remedy = extras.remedy
    this.details = extras.details
  }
}

/** Any thrown value as a Fault: ours as it is, an unknown one as `internal`, its stack kept as the cause. */
export function asFault(thrown: unknown): Fault {
  if (thrown instanceof Fault) return thrown
  return new Fault('internal', 'internal', 'something went wrong inside Headrace', { cause: thrown })
}

export const isFault = (thrown: unknown, code?: string): thrown is Fault =>
  thrown instanceof Fault && (code === undefined || thrown.code === code)
