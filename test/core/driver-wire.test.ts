import { expect, it } from 'vitest'
import { Wire } from '../../src/core/driver-wire.ts'

const WIRES = 300

/** Milliseconds that so many steps of a chain of promises take; the least of some tries. */
async function stepsMs(): Promise<number> {
  const tries: number[] = []
  for (let n = 0; n < 5; n++) {
    const began = performance.now()
    for (let step = 0; step < 20_000; step++) await null
    tries.push(performance.now() - began)
  }
  return Math.min(...tries)
}

it('what watched the requests of calls costs nothing once it is closed, however often that was', async () => {
  await stepsMs()
  const before = await stepsMs()
  for (let n = 0; n < WIRES; n++) {
    const wire = new Wire()
    expect(await wire.run(new AbortController().signal, async () => n)).toBe(n)
    wire.close()
  }
  // Left open, they made each step a hundred times as long.
  expect(await stepsMs()).toBeLessThan(10 * before + 20)
})
