import { describe, expect, it } from 'vitest'
import { type ErrorCode, KeelstateError } from '../../src/core/errors.ts'
import { Deadline, isNotExecuted, isTransient } from '../../src/core/retry.ts'
import { VirtualTime } from './virtual-time.ts'

const LIMITS = { attemptMs: 100, attemptMsPerMegabyte: 50, operationMs: 1_000 }
const never = () => new Promise<never>(() => {})
const failing = (code: ErrorCode, details: object = {}) =>
  new KeelstateError(code, { message: `a planned ${code}`, details: details as never })

function setUp(signal?: AbortSignal) {
  const time = new VirtualTime()
  return { time, deadline: new Deadline(time, LIMITS, signal) }
}

describe('one attempt', () => {
  it('answers what the call answers, and leaves no timer behind', async () => {
    const { time, deadline } = setUp()
    expect(await deadline.attempt('get', 'k', 0, async () => 'answer')).toBe('answer')
    await expect(deadline.attempt('get', 'k', 0, () => Promise.reject(failing('NotFound')))).rejects.toMatchObject({
      code: 'NotFound',
    })
    await time.advance(0)
    expect(time.pending).toBe(0)
  })

  it('times out although the driver ignores its signal, and says after how long', async () => {
    const { time, deadline } = setUp()
    let told: AbortSignal | undefined
    const attempt = deadline.attempt('get', 'k', 0, ({ signal }) => {
      told = signal
      return never()
    })
    const ended = expect(attempt).rejects.toMatchObject({
      code: 'Timeout',
      operation: 'get',
      key: 'k',
      details: { timeoutMs: 100 },
    })
    expect(await time.until(attempt)).toBe(100)
    await ended
    expect(told?.aborted).toBe(true)
  })

  it('gets more time for more bytes, but not more than the operation has left', async () => {
    const { time, deadline } = setUp()
    expect(await time.until(deadline.attempt('put', 'k', 2_000_000, never).catch(() => {}))).toBe(200)
    expect(await time.until(deadline.attempt('put', 'k', 60_000_000, never).catch(() => {}))).toBe(800)
    expect(deadline.left).toBe(0)
  })

  it('is not made when the caller has given up', async () => {
    const { deadline } = setUp(AbortSignal.abort('why'))
    let made = false
    const attempt = deadline.attempt('put', 'k', 0, async () => {
      made = true
    })
    await expect(attempt).rejects.toMatchObject({ code: 'Aborted', cause: 'why', details: { notExecuted: true } })
    expect(made).toBe(false)
  })

  it('ends when the caller gives up, and does not claim that nothing happened', async () => {
    const controller = new AbortController()
    const { time, deadline } = setUp(controller.signal)
    const attempt = deadline.attempt('put', 'k', 0, never)
    const ended = expect(attempt).rejects.toMatchObject({ code: 'Aborted', details: {} })
    controller.abort()
    expect(await time.until(attempt)).toBe(0)
    await ended
  })

  it('may still answer during its grace', async () => {
    const controller = new AbortController()
    const { time, deadline } = setUp(controller.signal)
    const answer = time.sleep(40).then(() => 'late')
    const inTime = deadline.attempt('put', 'k', 0, () => answer, 50)
    const tooLate = deadline.attempt('put', 'k', 0, never, 50)
    const ended = expect(tooLate).rejects.toMatchObject({ code: 'Aborted' })
    controller.abort()
    await time.until(inTime)
    expect(await inTime).toBe('late')
    await time.advance(10)
    await ended
  })

  it('has no more than its time-out, grace or not', async () => {
    const controller = new AbortController()
    const { time, deadline } = setUp(controller.signal)
    const attempt = deadline.attempt('put', 'k', 0, never, 5_000)
    const ended = expect(attempt).rejects.toMatchObject({ code: 'Timeout' })
    controller.abort()
    expect(await time.until(attempt)).toBe(100)
    await ended
  })
})

describe('a call that is repeated', () => {
  it('goes on after what passes, and stops at what does not', async () => {
    const { time, deadline } = setUp()
    const answers = ['Unavailable', 'Throttled', 'Timeout'] as const
    let calls = 0
    const work = deadline.repeat('get', 'k', 0, async () => {
      const code = answers[calls++]
      if (code !== undefined) throw failing(code)
      return 'there'
    })
    await time.until(work)
    expect(await work).toBe('there')
    expect(calls).toBe(4)
    let refused = 0
    const denied = deadline.repeat('get', 'k', 0, async () => {
      refused++
      throw failing('AccessDenied')
    })
    await expect(denied).rejects.toMatchObject({ code: 'AccessDenied' })
    expect(refused).toBe(1)
  })

  it('gives up when the time is up, with the last error', async () => {
    const { time, deadline } = setUp()
    const work = deadline.repeat('get', 'k', 0, async () => {
      throw failing('Unavailable')
    })
    const ended = expect(work).rejects.toMatchObject({ code: 'Unavailable' })
    const took = await time.until(work)
    await ended
    expect(took).toBeGreaterThan(900)
    expect(took).toBeLessThanOrEqual(1_001)
  })

  it('does not outlive its caller, asleep or not, and names what was aborted', async () => {
    const controller = new AbortController()
    const { time, deadline } = setUp(controller.signal)
    const work = deadline.repeat('head.read', 'k', 0, async () => {
      throw failing('Throttled')
    })
    const ended = expect(work).rejects.toMatchObject({ code: 'Aborted', operation: 'head.read', key: 'k' })
    await time.advance(20)
    controller.abort()
    expect(await time.until(work)).toBe(0)
    await ended
  })

  it('waits with full jitter: longer and longer at most, five seconds at the utmost', async () => {
    const time = new VirtualTime({ seed: 5 })
    const deadline = new Deadline(time, { ...LIMITS, operationMs: 10_000_000 })
    for (let n = 0; n < 200; n++) {
      const took = await time.until(deadline.backoff())
      expect(took).toBeLessThanOrEqual(Math.min(5_000, 50 * 2 ** n))
      expect(took).toBeGreaterThan(0)
    }
  })

  it('waits for as long as the service asks, and up to a quarter more, however often it failed', async () => {
    const time = new VirtualTime({ seed: 5 })
    const deadline = new Deadline(time, { ...LIMITS, operationMs: 10_000_000 })
    const asked = failing('Throttled', { retryAfterMs: 1_000 })
    const waits: number[] = []
    for (let n = 0; n < 50; n++) waits.push(await time.until(deadline.backoff(asked)))
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(1_000)
    expect(Math.max(...waits)).toBeLessThanOrEqual(1_250)
    expect(new Set(waits).size).toBeGreaterThan(25) // who was refused together comes back apart
  })

  it('waits no longer after the hundredth race that somebody else won than after the first', async () => {
    const time = new VirtualTime({ seed: 5 })
    const deadline = new Deadline(time, { ...LIMITS, operationMs: 10_000_000 })
    for (let n = 0; n < 10; n++) await time.until(deadline.backoff())
    const waits: number[] = []
    for (let n = 0; n < 100; n++) waits.push(await time.until(deadline.afterLostRace()))
    expect(Math.max(...waits)).toBeLessThanOrEqual(200)
    expect(Math.max(...waits.slice(90))).toBeGreaterThan(50)
  })

  it('never waits beyond its time', async () => {
    const { time, deadline } = setUp()
    await time.advance(999)
    expect(await time.until(deadline.backoff())).toBe(1)
    expect(await time.until(deadline.backoff())).toBe(1)
  })
})

describe('finding out what became of a write', () => {
  it('has at least five seconds, or what the operation has left', async () => {
    const { time, deadline } = setUp()
    expect(deadline.settling().left).toBe(5_000)
    expect(new Deadline(time, { ...LIMITS, operationMs: 60_000 }).settling().left).toBe(60_000)
  })

  it('ends five seconds after the abort, the grace of the attempt included', async () => {
    const controller = new AbortController()
    const time = new VirtualTime()
    const deadline = new Deadline(time, { ...LIMITS, attemptMs: 60_000, operationMs: 60_000 }, controller.signal)
    const attempt = deadline.attempt('put', 'k', 0, never, 2_000).catch(() => {})
    controller.abort()
    expect(await time.until(attempt)).toBe(2_000)
    const first = deadline.settling()
    expect(first.left).toBe(3_000)
    expect(first.aborted).toBe(false)
    await time.advance(1_000)
    expect(deadline.settling().left).toBe(2_000)
    await time.advance(9_000)
    expect(deadline.settling().left).toBeGreaterThan(0)
  })
})

describe('an error of a driver', () => {
  const known: Readonly<Record<string, { transient: boolean; notExecuted: boolean }>> = {
    Unavailable: { transient: true, notExecuted: false },
    Timeout: { transient: true, notExecuted: false },
    Throttled: { transient: true, notExecuted: true },
    Aborted: { transient: false, notExecuted: false },
    PreconditionFailed: { transient: false, notExecuted: true },
    NotFound: { transient: false, notExecuted: true },
    AccessDenied: { transient: false, notExecuted: true },
    Unauthenticated: { transient: false, notExecuted: true },
    InvalidInput: { transient: false, notExecuted: true },
    TooLarge: { transient: false, notExecuted: true },
    Unsupported: { transient: false, notExecuted: true },
    NoSpace: { transient: false, notExecuted: true },
    BucketMissing: { transient: false, notExecuted: true },
  }

  it.each(Object.entries(known))('%s says whether it passes, and whether the request had no effect', (code, says) => {
    const error = failing(code as ErrorCode)
    expect({ transient: isTransient(error), notExecuted: isNotExecuted(error) }).toEqual(says)
  })

  it('that says itself that nothing was executed is believed', () => {
    expect(isNotExecuted(failing('Unavailable', { notExecuted: true }))).toBe(true)
  })

  it('that is none of ours proves nothing', () => {
    expect(isNotExecuted(new TypeError('fetch failed'))).toBe(false)
    expect(isTransient(new TypeError('fetch failed'))).toBe(false)
  })
})
