import type { FaultAction, FaultTarget } from '../faults.ts'

/** One request, as it came in and as it ended. Entries are in the order of arrival and fill up while the request runs. */
export interface S3RequestRecord extends FaultTarget {
  /** `Unknown` when the server does not know the operation. */
  readonly operation: string
  readonly method: string
  readonly bucket: string
  readonly key: string
  readonly query: Readonly<Record<string, string>>
  /** As sent, names in lower case, without `authorization` and `x-amz-security-token`. */
  readonly headers: Readonly<Record<string, string>>
  /** Bytes of the body. */
  readonly bytesIn: number
  /** Number of the connection that it came on, counted from 1. */
  readonly connection: number
  /** The fault that hit it. */
  readonly fault: FaultAction['do'] | undefined
  /** How often it was executed: 0 when it was refused or lost before, 2 when it was doubled. */
  executions: number
  /** `pending` until it ended; `lost` when the connection ended without an answer. */
  outcome: 'pending' | 'answered' | 'lost'
  /** Status that was sent. */
  status: number | undefined
  /** Error code that was sent. */
  code: string | undefined
  /** Bytes of the body that was sent. */
  bytesOut: number
}

/** Headers that may be kept and printed. */
export function withoutSecrets(headers: Readonly<Record<string, string>>): Record<string, string> {
  const { authorization: _, 'x-amz-security-token': __, ...others } = headers
  return others
}
