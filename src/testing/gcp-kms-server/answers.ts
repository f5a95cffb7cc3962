import type { HttpAnswer } from '../http-fixture.ts'

/** The canonical codes that the server gives by itself. */
export type GcpKmsStatus =
  | 'FAILED_PRECONDITION'
  | 'INTERNAL'
  | 'INVALID_ARGUMENT'
  | 'NOT_FOUND'
  | 'PERMISSION_DENIED'
  | 'UNAUTHENTICATED'
  | 'UNIMPLEMENTED'

/** https://cloud.google.com/apis/design/errors#handling_errors */
const HTTP_STATUS: Record<GcpKmsStatus, number> = {
  FAILED_PRECONDITION: 400,
  INTERNAL: 500,
  INVALID_ARGUMENT: 400,
  NOT_FOUND: 404,
  PERMISSION_DENIED: 403,
  UNAUTHENTICATED: 401,
  UNIMPLEMENTED: 501,
}

/** A request that is answered with an error. */
export class GcpKmsRefusal extends Error {
  override readonly name: string = 'GcpKmsRefusal'
  readonly status: GcpKmsStatus
  /** Members of the error's `details`. */
  readonly details: readonly object[]

  constructor(status: GcpKmsStatus, message: string, details: readonly object[] = []) {
    super(message)
    this.status = status
    this.details = details
  }
}

export function jsonAnswer(value: object, status = 200): HttpAnswer {
  const headers = { 'content-type': 'application/json; charset=UTF-8' }
  return { status, headers, body: Buffer.from(JSON.stringify(value, undefined, 2)) }
}

export function refusalAnswer({ status, message, details }: GcpKmsRefusal): HttpAnswer {
  return statusAnswer(HTTP_STATUS[status], status, message, details)
}

/** An error document with any code: what a fault rule asks for. */
export function statusAnswer(
  code: number,
  status: string,
  message = 'An injected fault.',
  details: readonly object[] = [],
): HttpAnswer {
  const error = { code, message, status, ...(details.length === 0 ? {} : { details }) }
  return { ...jsonAnswer({ error }, code), code: status }
}
