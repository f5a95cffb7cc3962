import { systemEnvironment } from '../../../core/environment.ts'
import { KeelstateError, throwIfAborted } from '../../../core/errors.ts'
import { type DocumentScope, hex } from '../../../core/header.ts'
import { Deadline, isTransient } from '../../../core/retry.ts'
import type { CallOptions } from '../../../core/store.ts'
import { DATA_KEY_BYTES } from '../../derive.ts'
import { changedWrap } from '../../errors.ts'
import type { WrappedKey } from '../../provider.ts'
import { isWrappedLength } from '../../wraps.ts'
import { bounded } from '../bounded.ts'
import type { KeyServiceCall } from '../key-service-error.ts'
import { connectGcpKms, type GcpKmsAnswer, type GcpKmsOperations } from './client.ts'
import { BROKEN, fromGcpKms, isRefusedCiphertext, refusalOf } from './errors.ts'
import { checkedBytes, readDecrypted, readEncrypted } from './integrity.ts'
import type { GcpKmsSettings } from './options.ts'

const ATTEMPTS = 3 // of equal length, if the service stays silent
const BROKEN_ANSWERS = 3 // in one call: more is no accident on the way

/** The calls of one provider to Cloud KMS, with their repetitions. */
export class GcpKmsService {
  readonly #settings: GcpKmsSettings
  #connecting: Promise<GcpKmsOperations> | undefined

  constructor(settings: GcpKmsSettings) {
    this.#settings = settings
  }

  async wrap(dataKey: Uint8Array, scope: DocumentScope, options: CallOptions): Promise<Omit<WrappedKey, 'provider'>> {
    const { text: plaintext, crc32c: plaintextCrc32c } = checkedBytes(dataKey)
    const body = { plaintext, plaintextCrc32c, ...authenticated(scope) }
    const send = (kms: GcpKmsOperations, signal: AbortSignal) => kms.call('encrypt', body, signal)
    return await this.#call('key.wrap', options, send, (answer) => readEncrypted(answer, this.#settings.key))
  }

  async unwrap(wrapped: WrappedKey, scope: DocumentScope, options: CallOptions): Promise<Uint8Array> {
    if (!isWrappedLength(wrapped.wrapped.length)) throw changedWrap(wrapped, scope)
    const { text: ciphertext, crc32c: ciphertextCrc32c } = checkedBytes(wrapped.wrapped)
    const body = { ciphertext, ciphertextCrc32c, ...authenticated(scope) }
    const send = async (kms: GcpKmsOperations, signal: AbortSignal) => {
      const answer = await kms.call('decrypt', body, signal)
      if (isRefusedCiphertext(refusalOf(answer))) throw changedWrap(wrapped, scope)
      return answer
    }
    const dataKey = await this.#call('key.unwrap', options, send, readDecrypted)
    if (dataKey.length !== DATA_KEY_BYTES) throw changedWrap(wrapped, scope)
    return dataKey
  }

  /** Attempts until one succeeds or is refused for good, broken answers become too many, or the time is up. */
  async #call<T>(
    operation: KeyServiceCall['operation'],
    { signal: caller }: CallOptions,
    send: (kms: GcpKmsOperations, signal: AbortSignal) => Promise<GcpKmsAnswer>,
    read: (answer: GcpKmsAnswer) => T,
  ): Promise<T> {
    throwIfAborted(caller, operation, this.#settings.address)
    const call = { service: 'Cloud KMS', operation, key: this.#settings.address }
    const attemptMs = Math.ceil(this.#settings.timeoutMs / ATTEMPTS)
    const limits = { attemptMs, attemptMsPerMegabyte: 0, operationMs: this.#settings.timeoutMs }
    const deadline = new Deadline(systemEnvironment, limits, caller)
    let broken = 0
    let failure: unknown
    for (;;) {
      const allowedMs = Math.max(1, Math.round(Math.min(attemptMs, deadline.left)))
      try {
        return await bounded(call, allowedMs, caller, (signal) => this.#attempt(call, signal, send, read))
      } catch (error) {
        const cutShort = allowedMs < attemptMs && KeelstateError.is(error, 'Timeout')
        failure = cutShort ? (failure ?? error) : error // what was answered before says more
      }
      if (isBroken(failure)) broken += 1
      if (!isTransient(failure) || broken === BROKEN_ANSWERS) throw failure
      await deadline.backoff(failure)
      throwIfAborted(caller, operation, this.#settings.address)
      if (deadline.left <= 0) throw failure
    }
  }

  async #attempt<T>(
    call: KeyServiceCall,
    signal: AbortSignal,
    send: (kms: GcpKmsOperations, signal: AbortSignal) => Promise<GcpKmsAnswer>,
    read: (answer: GcpKmsAnswer) => T,
  ): Promise<T> {
    let sent = false
    try {
      this.#connecting ??= connectGcpKms(this.#settings)
      const kms = await this.#connecting
      await kms.prepare()
      signal.throwIfAborted()
      sent = true
      const answer = await send(kms, signal)
      if (answer.status !== 200) throw refusalOf(answer)
      return read(answer)
    } catch (error) {
      throw fromGcpKms(error, call, sent)
    }
  }
}

function isBroken(error: unknown): boolean {
  return KeelstateError.is(error) && error.details.serviceCode === BROKEN
}

/** What Cloud KMS binds a wrapped key to: three lines of text. docs/format.md "Key table". */
function authenticated(scope: DocumentScope) {
  const lines = [
    `keelstate:store=${hex(scope.storeId)}`,
    `keelstate:kind=${scope.kind}`,
    `keelstate:name=${scope.path}`,
  ]
  const { text, crc32c } = checkedBytes(Buffer.from(lines.join('\n')))
  return { additionalAuthenticatedData: text, additionalAuthenticatedDataCrc32c: crc32c }
}
