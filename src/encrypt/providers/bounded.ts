import { aborted, KeelstateError } from '../../core/errors.ts'
import type { KeyServiceCall } from './key-service-error.ts'

/**
 * Settles as `work` does; rejects with `Aborted` as soon as the caller's signal fires and with `Timeout` after `timeoutMs`, whatever the
 * client does. `work` is told by the signal that it gets.
 */
export async function bounded<T>(
  call: KeyServiceCall,
  timeoutMs: number,
  caller: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { service, operation, key } = call
  const controller = new AbortController()
  let giveUp = (_: KeelstateError): void => {}
  const given = new Promise<never>((_, reject) => {
    giveUp = (error) => {
      reject(error)
      controller.abort(error)
    }
  })
  const onAbort = () => giveUp(aborted(operation, key, caller?.reason, true))
  const timer = setTimeout(() => {
    const message = `${service} gave no answer to ${operation} with ${key} within ${timeoutMs} ms.`
    giveUp(new KeelstateError('Timeout', { operation, key, message, details: { timeoutMs, notExecuted: true } }))
  }, timeoutMs)
  caller?.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([work(controller.signal), given])
  } finally {
    clearTimeout(timer)
    caller?.removeEventListener('abort', onAbort)
  }
}
