import type { DriverCall } from './driver-attempt.ts'
import { type CommonDetails, type ErrorCode, type ErrorSubject, KeelstateError, printable } from './errors.ts'

/** What an answer of a service, or a failure on the way to it, means: one row of a driver's table. */
export interface ServiceMeaning {
  readonly code: ErrorCode
  /** Ends the sentence "SERVICE … of KEY: ". */
  readonly says: string
  readonly hint?: string
  /** What is missing. */
  readonly subject?: ErrorSubject
  /** The request certainly had no effect. Of a refusal that is plain from its code. */
  readonly notExecuted?: true
  /** The service's text may repeat parts of what was signed and is left out. */
  readonly quiet?: true
  /** How long to wait before the next attempt, in ms; without it, as always. */
  readonly retryAfterMs?: number
  /** Where the vendor describes it. */
  readonly page: string
}

/** A row that is found by name. */
export interface ServiceErrorRow extends ServiceMeaning {
  /** Error codes of the service, codes of Node's errors, names of the SDK's; in capitals what a driver tells apart by more than a name. */
  readonly names: readonly string[]
  /** Only for this call. */
  readonly on?: DriverCall['operation']
}

/** A row for answers whose code nobody knows. */
export interface ServiceStatusRow extends ServiceMeaning {
  readonly statuses: readonly [from: number, to: number]
}

/** What is known of one answer. */
export interface ServiceAnswer {
  /** Whether the request was handed to the client. */
  readonly sent: boolean
  /** The service's error code, or Node's. */
  readonly name: string
  /** The service's text. */
  readonly says: string
  readonly status?: number
  readonly requestId?: string
  /** Instead of the row's. */
  readonly hint?: string
}

/** Our error for what a request ended with. Never has the SDK's own error attached: it can repeat tokens and what was signed. */
export function serviceError(
  meaning: ServiceMeaning,
  call: DriverCall,
  bucket: string,
  answer: ServiceAnswer,
): KeelstateError {
  const { operation, key } = call
  const { status, requestId, hint = meaning.hint } = answer
  const name = printable(answer.name, 60)
  const says = meaning.quiet ? '' : printable(answer.says, 300)
  const shown = [status, name].filter((part) => part !== undefined && part !== '').join(' ')
  const details: CommonDetails = {
    ...(status === undefined ? {} : { status }),
    ...(name === '' ? {} : { serviceCode: name }),
    ...(requestId === undefined ? {} : { requestId: printable(requestId, 60) }),
    ...(meaning.notExecuted || !answer.sent ? { notExecuted: true } : {}),
    ...(meaning.retryAfterMs === undefined ? {} : { retryAfterMs: meaning.retryAfterMs }),
  }
  const cause = new Error(says === '' ? meaning.says : says)
  cause.name = name === '' ? 'Error' : name
  return new KeelstateError(meaning.code, {
    operation,
    key,
    message: `${call.service} ${operation} of ${key === '' ? bucket : key}: ${meaning.says}${shown === '' ? '' : ` (${shown})`}.${says === '' ? '' : ` ${says}`}`,
    ...(hint === undefined ? {} : { hint }),
    details: meaning.subject === undefined ? details : { ...details, subject: meaning.subject },
    cause,
  })
}

/** What a failure before the request may mean; anything else then concerns the provider of the credentials. */
const BEFORE_SENDING: readonly ErrorCode[] = [
  'InvalidOptions',
  'Throttled',
  'Timeout',
  'Unauthenticated',
  'Unavailable',
]

/** A driver's tables. */
export interface ServiceTables {
  /** The first row with the name (and call) counts. */
  readonly rows: readonly ServiceErrorRow[]
  readonly byStatus: readonly ServiceStatusRow[]
  /** What nothing else knows. */
  readonly unknown: ServiceMeaning
  /** What a failure before the request means that is not in the table. */
  readonly credentials: string
}

export function meaningOf(
  { rows, byStatus, unknown, credentials }: ServiceTables,
  kind: string,
  { status, sent }: { readonly status?: number | undefined; readonly sent: boolean },
  { operation }: DriverCall,
): ServiceMeaning {
  const row = rows.find(({ names, on }) => names.includes(kind) && (on === undefined || on === operation))
  if (!sent) {
    if (row !== undefined && BEFORE_SENDING.includes(row.code)) return row
    return rows.find(({ names }) => names.includes(credentials)) ?? unknown
  }
  const within = ([from, to]: readonly [number, number]) => status !== undefined && status >= from && status <= to
  return row ?? byStatus.find(({ statuses }) => within(statuses)) ?? unknown
}
