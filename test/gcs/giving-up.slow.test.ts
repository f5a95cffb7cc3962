import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ABSENT, FOREVER, gcsBench, HEAD, refusal } from '../clouds/bench.ts'
import { start } from '../file/children.ts'
import { bundle } from '../kill/bundle.ts'

const bench = gcsBench()
beforeEach(() => bench.start({ anonymous: true }))
afterEach(() => bench.stop())

describe('a read that ends early', () => {
  it('leaves the requests of others alone: their connections stay', async () => {
    const store = bench.open()
    await store.put(HEAD, new Uint8Array(1_000_000), ABSENT)
    const hold = bench.server.faults.hold({ operation: 'PutObject' })
    const writing = store.put('heads/state/other/~', new Uint8Array(10), ABSENT)
    await hold.arrived()
    bench.server.faults.add({ operation: 'GetObject' }, { do: 'truncate', bytes: 500_000 })
    await refusal(store.get(HEAD), 'Unavailable')
    await refusal(bench.open({ maxBytes: 1_000 }).get(HEAD), 'TooLarge')
    const abort = new AbortController()
    bench.server.faults.add({ operation: 'GetObject' }, { do: 'stall' })
    const reading = store.get(HEAD, { signal: abort.signal })
    setTimeout(() => abort.abort(), 50)
    await refusal(reading, 'Aborted')
    await hold.release()
    expect(await writing).toMatch(/^\d+$/)
  })
})

describe('answers that all break off', () => {
  it('keep no process alive that has closed its store: the client would wait for the rest of them for a minute', async () => {
    const program = await bundle(new URL('programs/broken-answers.ts', import.meta.url))
    bench.server.faults.add(FOREVER, { do: 'truncate', bytes: 7 })
    const { child, ended } = start(process.execPath, [program, bench.server.endpoint])
    let closedAt: number | undefined
    child.stdout!.on('data', (chunk: Buffer) => {
      if (chunk.includes('closed')) closedAt = performance.now()
    })
    const { code, stdout, stderr } = await ended
    expect([code, stdout, stderr]).toEqual([0, `${'Unavailable\n'.repeat(4)}closed\n`, ''])
    expect(performance.now() - closedAt!).toBeLessThan(30_000)
  })
})
