import { type ErrorCode, KeelstateError } from '../core/errors.ts'

/** What the process answers with. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  conflict: 3,
  locked: 4,
  notFound: 5,
  corrupt: 6,
  unknown: 7,
  interrupted: 130,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** One row per error code; the type makes a forgotten one a compile error. */
const BY_CODE: Record<ErrorCode, ExitCode> = {
  NotFound: EXIT.notFound,
  BucketMissing: EXIT.failed,
  NoCurrent: EXIT.notFound,
  AlreadyExists: EXIT.failed,
  PreconditionFailed: EXIT.conflict,
  Conflict: EXIT.conflict,
  Locked: EXIT.locked,
  LeaseLost: EXIT.locked,
  OutcomeUnknown: EXIT.unknown,
  AccessDenied: EXIT.failed,
  Unauthenticated: EXIT.failed,
  Throttled: EXIT.failed,
  Unavailable: EXIT.failed,
  Timeout: EXIT.failed,
  Aborted: EXIT.interrupted,
  Corrupt: EXIT.corrupt,
  DecryptFailed: EXIT.corrupt,
  RolledBack: EXIT.corrupt,
  Unsupported: EXIT.failed,
  InvalidName: EXIT.usage,
  InvalidInput: EXIT.usage,
  InvalidOptions: EXIT.usage,
  TooLarge: EXIT.failed,
  NoSpace: EXIT.failed,
  Closed: EXIT.failed,
}

/**
 * The exit code of an error.
 *
 * A pipeline may read 5 as "no state yet, begin afresh". A store that is not initialised (a mistyped prefix) or a bucket that is
 * missing must not look like that: both are 1.
 */
export function exitCodeOf(error: unknown): ExitCode {
  if (!KeelstateError.is(error)) return EXIT.failed
  if (KeelstateError.is(error, 'NotFound') && ['store', 'bucket'].includes(error.details.subject)) return EXIT.failed
  return BY_CODE[error.code] ?? EXIT.failed
}
