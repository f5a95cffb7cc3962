import { aborted, throwIfAborted } from '../core/errors.ts'
import type { Disk } from './disk.ts'
import { type FailedStep, fileError } from './errors.ts'
import type { Folders } from './folders.ts'

/** What every step of one call works with. */
export interface Call {
  readonly disk: Disk
  readonly folders: Folders
  readonly step: FailedStep
  /** Throws `Aborted` once the caller has given up. Not called any more from the atomic step of a write on. */
  stillWanted(): void
}

const GRACE_MS = 1_000 // for the step under way to end by itself after an abort, so that the answer can say that nothing was written

/** Runs the steps of one call: their errors become ours, and a disk that hangs does not keep a caller who gave up. */
export async function runCall<T>(
  disk: Disk,
  folders: Folders,
  step: FailedStep,
  signal: AbortSignal | undefined,
  work: (call: Call) => Promise<T>,
): Promise<T> {
  const stillWanted = () => throwIfAborted(signal, step.operation, step.key)
  stillWanted()
  try {
    return await orGivenUp(work({ disk, folders, step, stillWanted }), step, signal)
  } catch (error) {
    throw fileError(error, step)
  }
}

function orGivenUp<T>(work: Promise<T>, step: FailedStep, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined
    const onAbort = () => {
      timer = setTimeout(() => reject(aborted(step.operation, step.key, signal.reason)), GRACE_MS)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    const settled = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
    }
    work.then(resolve, reject).finally(settled)
  })
}
