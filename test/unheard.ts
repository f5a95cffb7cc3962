import { afterEach, beforeEach, expect } from 'vitest'

/** Failures that nobody waits for while a test runs: each would end a process of Node. */
export class Unheard {
  #errors: unknown[] = []
  readonly #hear = (error: unknown) => void this.#errors.push(error)

  /** Listens during each test of the file. */
  constructor() {
    beforeEach(() => {
      this.#errors = []
      process.on('unhandledRejection', this.#hear)
    })
    afterEach(() => void process.off('unhandledRejection', this.#hear))
  }

  /** Waits until Node would have told of one, and expects none. */
  async expectNone(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect(this.#errors).toEqual([])
  }
}
