import { type CommonDetails, type ErrorCode, KeelstateError, printable } from '../../core/errors.ts'

/** What a call to a key service is about, for its errors. */
export interface KeyServiceCall {
  /** Name of the service, as messages have it. */
  readonly service: string
  readonly operation: 'key.generate' | 'key.unwrap' | 'key.wrap'
  /** The key's address. */
  readonly key: string
}

/** What an answer of a key service, or a failure on the way to it, means: one row of a provider's table. */
export interface KeyServiceMeaning {
  readonly code: ErrorCode
  /** Ends the sentence "SERVICE … with KEY: ". */
  readonly says: string
  readonly hint?: string
  /** The service's text may repeat what was signed and is left out. */
  readonly quiet?: true
  /** Where the vendor describes it. */
  readonly page: string
}

/** A row that is found by name. */
export interface KeyServiceErrorRow extends KeyServiceMeaning {
  /** Error codes of the service, names of the SDK's errors, codes of Node's. */
  readonly names: readonly string[]
}

/** What is known of a failed call. */
export interface KeyServiceFailure {
  /** The service's error code, or Node's. */
  readonly name: string
  /** The service's text. */
  readonly said: string
  readonly status?: number | undefined
  readonly requestId?: string | undefined
}

/**
 * Our error for what a call ended with. Never has the SDK's own error attached: it can repeat tokens, what was signed, and the data key. No call
 * to a key service changes a store, so none of these was executed.
 */
export function keyServiceError(
  meaning: KeyServiceMeaning,
  { service, operation, key }: KeyServiceCall,
  failure: KeyServiceFailure,
): KeelstateError {
  const { status, requestId } = failure
  const name = printable(failure.name, 60)
  const said = meaning.quiet ? '' : printable(failure.said, 300)
  const shown = [status, name].filter((part) => part !== undefined && part !== '').join(' ')
  const details: CommonDetails = {
    notExecuted: true,
    ...(status === undefined ? {} : { status }),
    ...(name === '' ? {} : { serviceCode: name }),
    ...(requestId === undefined ? {} : { requestId: printable(requestId, 60) }),
  }
  return new KeelstateError(meaning.code, {
    operation,
    key,
    message: `${service} ${operation} with ${key}: ${meaning.says}${shown === '' ? '' : ` (${shown})`}.${said === '' ? '' : ` ${said}`}`,
    details,
    ...(meaning.hint === undefined ? {} : { hint: meaning.hint }),
  })
}
