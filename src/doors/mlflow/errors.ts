/** A Fault on MLflow's wire: `error_code` and message. The client retries 429 and 5xx, so a caller's mistake is never one. */
import type { ErrorKind } from '#base/errors.ts'
import { Fault } from '#base/errors.ts'
import type { RenderFault } from '#platform/http/index.ts'

interface Wire {
  readonly status: number
  readonly errorCode: string
}
const wires: Record<ErrorKind, Wire> = {
  invalid: { status: 400, errorCode: 'INVALID_PARAMETER_VALUE' },
  unauthenticated: { status: 401, errorCode: 'UNAUTHENTICATED' },
  forbidden: { status: 403, errorCode: 'PERMISSION_DENIED' },
  not_found: { status: 404, errorCode: 'RESOURCE_DOES_NOT_EXIST' },
  conflict: { status: 409, errorCode: 'RESOURCE_CONFLICT' },
  precondition_failed: { status: 400, errorCode: 'INVALID_PARAMETER_VALUE' },
  too_large: { status: 400, errorCode: 'INVALID_PARAMETER_VALUE' },
  rate_limited: { status: 429, errorCode: 'REQUEST_LIMIT_EXCEEDED' },
  unsupported: { status: 501, errorCode: 'NOT_IMPLEMENTED' },
  unavailable: { status: 503, errorCode: 'TEMPORARILY_UNAVAILABLE' },
  internal: { status: 500, errorCode: 'INTERNAL_ERROR' },
}
const alreadyExists: Wire = { status: 400, errorCode: 'RESOURCE_ALREADY_EXISTS' }
const invalid: Wire = wires.invalid
const noEndpoint: Wire = { status: 404, errorCode: 'ENDPOINT_NOT_FOUND' }

/** Codes whose wire differs from that of their kind: `*_exists` is a name that is taken, `*_changed` a value that stays. */
function wireOf({ kind, code }: Fault): Wire {
  if (kind === 'conflict' && /(_exists|\.duplicate)$/.test(code)) return alreadyExists
  if (kind === 'conflict' && /(_changed|\.wrong_state)$/.test(code)) return invalid
  if (code === 'mlflow.endpoint_not_found') return noEndpoint
  return wires[kind]
}

export const renderFault: RenderFault = (fault) => {
  const { status, errorCode } = wireOf(fault)
  return {
    status,
    contentType: 'application/json',
    body: { error_code: errorCode, message: fault.message },
  }
}

/** A parameter that cannot be: INVALID_PARAMETER_VALUE with the sentence as it is. */
export const invalidParameter = (message: string): Fault =>
  new Fault('invalid', 'mlflow.invalid_parameter', message)
export const missingParameter = (name: string): Fault =>
  invalidParameter(
    `Missing value for required parameter '${name}'. See the API docs for more information about request parameters.`,
  )
export const invalidValue = (name: string, value: unknown, why: string): Fault =>
  invalidParameter(
    `Invalid value ${JSON.stringify(value)?.slice(0, 500)} for parameter '${name}' supplied: ${why}`,
  )
