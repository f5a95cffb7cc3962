import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { documentName } from '../../src/core/names.ts'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'
import { MemoryLockTable, memoryLockStore, VirtualNetwork, VirtualTime } from '../../src/testing/index.ts'

const KEY = 'heads/state/doc/~'
const body = (text: string) => Buffer.from(text)

describe('virtual time', () => {
  it('fires timers in order, lets what follows from each run before the next, and takes no real time', async () => {
    const time = new VirtualTime()
    const [a, b] = [time.machine(), time.machine()]
    const seen: string[] = []
    b.timer(2_000, () => seen.push('b 2'))
    const cancel = a.timer(1_500, () => seen.push('never'))
    a.timer(1_000, () => {
      seen.push('a 1')
      cancel()
      void a.sleep(500).then(() => seen.push('a 1.5'))
    })
    const began = Date.now()
    await time.advance(3_600_000)
    expect(seen).toEqual(['a 1', 'a 1.5', 'b 2'])
    expect(time.elapsed).toBe(3_600_000)
    expect(a.monotonic()).toBe(3_600_000)
    expect(a.timers + b.timers).toBe(0)
    expect(Date.now() - began).toBeLessThan(5_000)
  })

  it('passes until a piece of work has ended, and not longer', async () => {
    const time = new VirtualTime()
    const machine = time.machine()
    machine.timer(90_000, () => {})
    expect(await time.finish(machine.sleep(60_000).then(() => 'done'))).toBe('done')
    expect(time.elapsed).toBe(60_000)
    await expect(time.finish(machine.sleep(1_000), 100)).rejects.toThrow('within 100 ms')
    const abort = new AbortController()
    const given = machine.sleep(1_000, abort.signal)
    abort.abort()
    await expect(given).rejects.toMatchObject({ code: 'Aborted' })
    await expect(machine.sleep(1, AbortSignal.abort())).rejects.toMatchObject({ code: 'Aborted' })
  })

  it('stands still while something really leaves the process', async () => {
    const time = new VirtualTime()
    const machine = time.machine()
    let read = ''
    const reading = machine.sleep(10).then(async () => {
      read = await time.during(readFile(fileURLToPath(import.meta.url), 'utf8'))
      return time.elapsed
    })
    machine.timer(11, () => expect(read).toContain('stands still'))
    await time.advance(20)
    expect(await reading).toBe(10)
  })

  it('repeats itself by its seed', () => {
    const draw = (seed: number) => {
      const time = new VirtualTime({ seed })
      return [...Array.from({ length: 5 }, () => time.random()), ...time.machine().randomBytes(8)]
    }
    expect(draw(7)).toEqual(draw(7))
    expect(draw(7)).not.toEqual(draw(8))
  })

  it('stops a process as SIGSTOP does: its clocks go on, and what became due happens when it goes on', async () => {
    const time = new VirtualTime()
    const machine = time.machine()
    const fired: number[] = []
    machine.timer(1_000, () => fired.push(machine.monotonic()))
    machine.stop()
    await time.advance(5_000)
    expect(machine.stopped).toBe(true)
    expect(fired).toEqual([])
    expect(machine.monotonic()).toBe(5_000)
    machine.resume()
    await time.advance(0)
    expect(fired).toEqual([5_000])
  })

  it('suspends a machine: its monotonic clock stands still, its wall clock need not', async () => {
    const time = new VirtualTime({ wall: 1_000_000 })
    const [suspended, frozen] = [time.machine(), time.machine()]
    suspended.stop({ monotonic: true })
    frozen.stop({ monotonic: true, wall: true })
    await time.advance(60_000)
    suspended.resume()
    frozen.resume()
    await time.advance(1_000)
    expect([suspended.monotonic(), suspended.now()]).toEqual([1_000, 1_061_000])
    expect([frozen.monotonic(), frozen.now()]).toEqual([1_000, 1_001_000])
  })

  it('gives machines clocks that jump and drift', async () => {
    const time = new VirtualTime({ wall: 0 })
    const fast = time.machine({ rate: 1.1 })
    let due = 0
    fast.timer(1_100, () => {
      due = time.elapsed
    })
    await time.advance(10_000)
    expect(fast.monotonic()).toBeCloseTo(11_000)
    expect(due).toBeCloseTo(1_000)
    fast.jumpWall(-3_000)
    expect(fast.now()).toBe(8_000)
    expect(fast.monotonic()).toBeCloseTo(11_000)
  })
})

describe('a virtual network', () => {
  const open = () => {
    const time = new VirtualTime()
    const network = new VirtualNetwork(time)
    const bucket = new MemoryBucket()
    const machine = time.machine()
    const store = network.objectStore(machine, memoryStore({ bucket }))
    return { time, network, bucket, machine, store }
  }

  it('takes 100 ms for a round trip, so that time counts round trips', async () => {
    const { network, store, machine } = open()
    const cost = await network.cost(async () => {
      await Promise.all([store.put(KEY, body('1'), { ifAbsent: true }), store.get('heads/state/other/~')])
      await store.get(KEY)
    })
    expect(cost.ms).toBe(200)
    expect(cost.requests.map(({ method, sentAt }) => [method, sentAt])).toEqual([
      ['put', 0],
      ['get', 0],
      ['get', 100],
    ])
    expect(cost.requests.every((request) => request.machine === machine)).toBe(true)
  })

  it('brings the answer to a stopped process when it goes on, and a request of which the sender gave up all the same', async () => {
    const { time, network, store, machine, bucket } = open()
    let answered: number | undefined
    void store.put(KEY, body('1'), { ifAbsent: true }).then(() => {
      answered = time.elapsed
    })
    await time.advance(60)
    machine.stop()
    await time.advance(1_000)
    expect(bucket.peek(KEY)).toBeDefined()
    expect(answered).toBeUndefined()
    machine.resume()
    await time.advance(0)
    expect(answered).toBe(1_060)

    const abort = new AbortController()
    network.faults.add({ method: 'put' }, { do: 'delay-before', ms: 5_000 })
    const late = store.put('heads/state/late/~', body('2'), { ifAbsent: true }, { signal: abort.signal })
    abort.abort()
    await expect(late).rejects.toMatchObject({ code: 'Aborted' })
    await time.finish(network.settled())
    expect(time.elapsed).toBe(1_060 + 5_100)
    expect(bucket.peek('heads/state/late/~')).toBeDefined()
  })

  it('loses, delays and doubles messages by chance, as often as the weather says', async () => {
    const { time, network, store } = open()
    network.weather = { requestLost: 0.1, answerLost: 0.1, late: 0.1, doubled: 0.1, latencyMs: [10, 100] }
    const outcomes = { stored: 0, reset: 0, silent: 0 }
    const calls = Array.from({ length: 2_000 }, async (_, n) => {
      const signal = AbortSignal.any([]) // nobody gives up
      await store.put(`heads/state/${n}/~`, body('x'), { ifAbsent: true }, { signal }).then(
        () => outcomes.stored++,
        (error: { code: string }) => (error.code === 'Unavailable' ? outcomes.reset++ : undefined),
      )
    })
    void Promise.all(calls)
    await time.advance(200_000)
    outcomes.silent = 2_000 - outcomes.stored - outcomes.reset
    expect(outcomes.reset).toBeGreaterThan(120) // half of what is lost, and the second answers of what was doubled
    expect(outcomes.silent).toBeGreaterThan(120)
    expect(outcomes.stored).toBeGreaterThan(1_400)
  })

  it('stands between a machine and a lock store too', async () => {
    const { time, network, machine } = open()
    const table = new MemoryLockTable()
    const locks = network.lockStore(machine, memoryLockStore(table))
    const key = { storeId: '0'.repeat(32), name: documentName(['doc']), identity: 'state/doc' }
    network.faults.add({ method: 'read' }, { do: 'drop-answer' })
    await expect(time.finish(locks.read(key))).rejects.toMatchObject({ code: 'Unavailable' })
    expect(await time.finish(locks.read(key))).toBeUndefined()
    expect(network.requests.map(({ operation, key: about }) => [operation, about])).toEqual([
      ['GetItem', 'state/doc'],
      ['GetItem', 'state/doc'],
    ])
  })
})
