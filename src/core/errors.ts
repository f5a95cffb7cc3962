/** What a program may do after an error: nothing, the same call again, or the same after reading anew. */
export type RetryAdvice = 'never' | 'safe' | 'after-refresh'

/** What a `NotFound`, `Corrupt` or similar error speaks of. */
export type ErrorSubject =
  | 'store'
  | 'bucket'
  | 'object'
  | 'document'
  | 'revision'
  | 'label'
  | 'head'
  | 'segment'
  | 'key'
  | 'entry'
  | 'save'

/** What each code carries in `details`. A code without an entry here carries `CommonDetails` only. */
export interface ErrorDetailsByCode {
  NotFound: CommonDetails & { subject: ErrorSubject }
  BucketMissing: CommonDetails & { subject: 'bucket' }
  /** Contract 000: nothing is current in this deployment. */
  NoCurrent: CommonDetails
  AlreadyExists: CommonDetails
  PreconditionFailed: CommonDetails
  Conflict: CommonDetails & {
    /** Id of the revision that is current now; absent when the document has none. */
    current?: string
    /** Who wrote it and when, as far as known. */
    by?: string
    at?: string
  }
  Locked: CommonDetails & { holder: string; since: string; owner: string; operation?: string }
  LeaseLost: CommonDetails
  OutcomeUnknown: CommonDetails & {
    /** `<write id in hex>@<seq>`: what `outcome` takes to find out later. */
    write: string
  }
  AccessDenied: CommonDetails
  Unauthenticated: CommonDetails
  Throttled: CommonDetails
  Unavailable: CommonDetails
  Timeout: CommonDetails & { timeoutMs?: number }
  Aborted: CommonDetails
  Corrupt: CommonDetails & {
    subject?: ErrorSubject
    /** The field or region that differs from what was expected. */
    differs?: string
  }
  DecryptFailed: CommonDetails & { differs?: string }
  RolledBack: CommonDetails & { rememberedSeq?: number; seenSeq?: number; write?: string }
  Unsupported: CommonDetails
  InvalidName: CommonDetails
  InvalidInput: CommonDetails & {
    /** Where in a document: `entries[0].address`, and the place in its text. */
    path?: string
    line?: number
    column?: number
    /** In bytes. */
    offset?: number
  }
  InvalidOptions: CommonDetails & { option?: string }
  TooLarge: CommonDetails & { bytes?: number; maxBytes?: number }
  NoSpace: CommonDetails
  Closed: CommonDetails
}

/** Fields that any error may carry. */
export interface CommonDetails {
  /** HTTP status or errno name, as the service said it. */
  status?: number | string
  /** The service's own error code, such as `SlowDown`. */
  serviceCode?: string
  /** The service's request id, for a support case. */
  requestId?: string
  /** `true` when the request certainly had no effect, whatever the code says. */
  notExecuted?: boolean
  /** How long the service is better left alone before the next attempt, in ms. */
  retryAfterMs?: number
  /** The file in which what was to be committed is kept: `keelstate recover` brings it into the document. */
  spooled?: string
  /** Why it could not be kept. */
  notSpooled?: string
}

export type ErrorCode = keyof ErrorDetailsByCode

const DEFAULT_RETRY: Record<ErrorCode, RetryAdvice> = {
  NotFound: 'never',
  BucketMissing: 'never',
  NoCurrent: 'never',
  AlreadyExists: 'never',
  PreconditionFailed: 'after-refresh',
  Conflict: 'after-refresh',
  Locked: 'safe',
  LeaseLost: 'never',
  OutcomeUnknown: 'after-refresh',
  AccessDenied: 'never',
  Unauthenticated: 'never',
  Throttled: 'safe',
  Unavailable: 'safe',
  Timeout: 'safe',
  Aborted: 'never',
  Corrupt: 'never',
  DecryptFailed: 'never',
  RolledBack: 'never',
  Unsupported: 'never',
  InvalidName: 'never',
  InvalidInput: 'never',
  InvalidOptions: 'never',
  TooLarge: 'never',
  NoSpace: 'never',
  Closed: 'never',
}

/** What an error is built from. */
export interface KeelstateErrorInit<C extends ErrorCode> {
  /** One sentence for a person: what happened to what. Text that came from a store must have gone through `printable`. */
  message: string
  /** The call that failed, such as `document.commit`. */
  operation?: string
  /** The document, object or option that it was about. */
  key?: string
  details?: ErrorDetailsByCode[C]
  /** The next step, as a sentence or a command. */
  hint?: string
  retry?: RetryAdvice
  cause?: unknown
}

const BRAND = Symbol.for('keelstate.error/1')

/**
 * Every error that keelstate throws on purpose.
 *
 * Programs branch on `code` (and `details`), people read `message` and `hint`. No key, secret or plaintext is ever part of one.
 */
export class KeelstateError<C extends ErrorCode = ErrorCode> extends Error {
  override readonly name: string = 'KeelstateError'
  readonly code: C
  readonly retry: RetryAdvice
  readonly operation: string | undefined
  readonly key: string | undefined
  readonly details: ErrorDetailsByCode[C]
  readonly hint: string | undefined

  constructor(code: C, init: KeelstateErrorInit<C>) {
    super(init.message, init.cause === undefined ? undefined : { cause: init.cause })
    this.code = code
    this.retry = init.retry ?? DEFAULT_RETRY[code]
    this.operation = init.operation
    this.key = init.key
    this.details = init.details ?? ({} as ErrorDetailsByCode[C])
    this.hint = init.hint
    Object.defineProperty(this, BRAND, { value: true })
  }

  /**
   * Tells whether `error` is one of ours, and of that code; narrows `details`. Works across duplicate copies of the package.
   */
  static is<C extends ErrorCode = ErrorCode>(error: unknown, code?: C): error is KeelstateError<C> {
    if (typeof error !== 'object' || error === null || !(BRAND in error)) return false
    return code === undefined || (error as unknown as KeelstateError).code === code
  }

  /** What `--json` prints and a log may hold: no stack, no cause. */
  toJSON(): { code: C; message: string; retry: RetryAdvice; hint?: string; key?: string; operation?: string } {
    return {
      code: this.code,
      message: this.message,
      retry: this.retry,
      ...(this.hint === undefined ? {} : { hint: this.hint }),
      ...(this.key === undefined ? {} : { key: this.key }),
      ...(this.operation === undefined ? {} : { operation: this.operation }),
    }
  }
}

/** Makes text that came from a bucket safe to print: control characters and bidi overrides are escaped, length is bounded. */
export function printable(text: string, maxLength = 200): string {
  const cut = text.length > maxLength ? `${text.slice(0, maxLength)}…` : text
  return cut.replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this removes
    /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]/gu,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** Rejects with `Aborted` when the signal has fired: nothing was sent. */
export function throwIfAborted(signal: AbortSignal | undefined, operation: string, key?: string): void {
  if (signal?.aborted) throw aborted(operation, key, signal.reason, true)
}

/** The `Aborted` error for a call that was given up by its caller. */
export function aborted(
  operation: string,
  key?: string,
  reason?: unknown,
  notExecuted = false,
): KeelstateError<'Aborted'> {
  return new KeelstateError('Aborted', {
    operation,
    ...(key === undefined ? {} : { key }),
    message: `${operation} was aborted by its caller.`,
    details: notExecuted ? { notExecuted } : {},
    cause: reason,
  })
}

/** The same error with another hint, and more details. */
export function retold(
  error: KeelstateError,
  { details = {}, hint }: { details?: Pick<CommonDetails, 'spooled' | 'notSpooled'>; hint: string },
): KeelstateError {
  const { code, message, operation, key, retry } = error
  return new KeelstateError(code, {
    message,
    retry,
    ...(operation === undefined ? {} : { operation }),
    ...(key === undefined ? {} : { key }),
    details: { ...error.details, ...details },
    hint,
    cause: error,
  })
}

/** A hint, and one more behind it. */
export function furtherHint(hint: string | undefined, more: string): string {
  return hint === undefined ? more : `${hint} ${more}`
}

/**
 * Waits for work that others wait for, too: an abort ends the waiting and not the work.
 *
 * @param notExecuted Nothing else was begun by the call that waits.
 */
export function untilAborted<T>(
  work: Promise<T>,
  signal: AbortSignal | undefined,
  operation: string,
  key?: string,
  notExecuted?: boolean,
): Promise<T> {
  if (!(signal instanceof AbortSignal)) return work // what is none is refused by what takes it, by name
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(aborted(operation, key, signal.reason, notExecuted))
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    const done = () => signal.removeEventListener('abort', onAbort)
    work.then(resolve, reject)
    work.then(done, done)
  })
}
