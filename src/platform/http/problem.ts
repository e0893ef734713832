/** A Fault on the native wire: problem details of RFC 9457, with our code and remedy. */
import type { ErrorKind, Fault } from '#base/errors.ts'

const statuses: Record<ErrorKind, number> = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
  precondition_failed: 412,
  too_large: 413,
  rate_limited: 429,
  unsupported: 501,
  unavailable: 503,
  internal: 500,
}
export const statusOf = (fault: Fault): number => statuses[fault.kind]

export function problemOf(fault: Fault, requestId: string) {
  return {
    type: `https://headrace.dev/errors/${fault.code}`,
    title: fault.kind.replaceAll('_', ' '),
    status: statusOf(fault),
    detail: fault.message,
    code: fault.code,
    ...(fault.remedy === undefined ? {} : { remedy: fault.remedy }),
    ...(fault.details === undefined ? {} : { details: fault.details }),
    requestId,
  }
}
