import { createHash } from 'node:crypto'

/** Bodies up to this size are worked on in one go: 1 MiB takes about a millisecond, less than a turn of the thread pool costs. */
export const SYNCHRONOUS_BYTES: number = 1 << 20
const BYTES_PER_TURN = 4 << 20 // some 2 to 4 ms of hashing or encryption between two turns of the event loop

/** Hands the event loop back now and then while a large body is hashed, sealed or opened. */
export class Pace {
  #sinceTurn = 0

  /** Awaited after work on `bytes` bytes; costs nothing but a counter until it is time for a turn. */
  after(bytes: number): Promise<void> | undefined {
    this.#sinceTurn += bytes
    if (this.#sinceTurn < BYTES_PER_TURN) return undefined
    this.#sinceTurn = 0
    return new Promise((resolve) => setImmediate(resolve))
  }
}

/** SHA-256 of `parts`, one after the other. */
export async function pacedSha256(parts: readonly Uint8Array[], pace: Pace): Promise<Uint8Array> {
  const hash = createHash('sha256')
  for (const part of parts) {
    for (let at = 0; at < part.length; at += SYNCHRONOUS_BYTES) {
      const chunk = part.subarray(at, at + SYNCHRONOUS_BYTES)
      hash.update(chunk)
      const turn = pace.after(chunk.length)
      if (turn !== undefined) await turn
    }
  }
  return hash.digest()
}
