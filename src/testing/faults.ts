import type { Environment } from '../core/environment.ts'

/** One request as fault rules see it. */
export interface FaultTarget {
  /** The HTTP method at a server, the name of the call (`get`, `put`, …) at an in-process store. */
  readonly method: string
  /** The operation's name, such as `PutObject`. */
  readonly operation: string
  /** The object's key, the prefix of a listing, or `''` when the request is about neither. */
  readonly key: string
}

/** Which requests a rule is about. What is left out matches everything. */
export interface FaultMatch {
  method?: string
  operation?: string
  /** A regular expression, or a text in which `*` stands for any run of characters. */
  key?: string | RegExp
  /** Begin with the n-th matching request, counted from 1 and from the moment the rule was added. Default 1. */
  nth?: number
  /** Hit so many requests. Default 1; `Infinity` for all that follow. */
  times?: number
}

/** What happens to a request that a rule hits. */
export type FaultAction =
  /** The connection is reset before anything is executed. */
  | { do: 'drop-request' }
  /** The request is executed, then the connection is reset without an answer. */
  | { do: 'drop-answer' }
  /** The request waits, then it is executed even if its sender has gone: a message that arrives late. */
  | { do: 'delay-before'; ms: number }
  /** The request is executed at once, its answer waits. */
  | { do: 'delay-answer'; ms: number }
  /**
   * The request is executed twice. The sender gets the first answer (default) and the copy follows `ms` later; or it gets the answer
   * of the copy, as when a proxy sends a request again by itself.
   */
  | { do: 'double'; answer?: 'first' | 'second'; ms?: number }
  /** The service answers with this error: instead of executing the request (default), or after it did. */
  | { do: 'status'; status: number; code: string; when?: 'before' | 'after' }
  /** No answer, and the connection stays open; `when` says whether the request is executed first. Default `before`: it is not. */
  | { do: 'stall'; when?: 'before' | 'after' }
  /** The answer's body ends after `bytes` bytes although its Content-Length says more, and the connection is closed. */
  | { do: 'truncate'; bytes: number }
  /** One bit of the answer's body is flipped in the byte at `at`, counted modulo its length. Default: the first. */
  | { do: 'corrupt'; at?: number }
  /** The request waits for the test. Made by `FaultPlan.hold`. */
  | { do: 'hold'; when: HoldPoint; hold: Hold }

/** What of a request is held: all of it, its answer, or a second copy of it, the first being executed and answered at once. */
export type HoldPoint = 'before' | 'after' | 'copy'

/** A rule that was added to a plan. */
export interface FaultRule {
  readonly match: FaultMatch
  readonly action: FaultAction
  /** How many requests it has hit. */
  readonly fired: number
  /** Takes the rule out of its plan. */
  remove(): void
}

/** The faults that are to come. The first rule that is due acts on a request; rules added after it do not see that request. */
export class FaultPlan {
  readonly #rules: ActiveRule[] = []

  add(match: FaultMatch, action: FaultAction): FaultRule {
    const rule = new ActiveRule(match, action, (gone) => {
      const at = this.#rules.indexOf(gone)
      if (at >= 0) this.#rules.splice(at, 1)
    })
    this.#rules.push(rule)
    return rule
  }

  /**
   * Holds matching requests until the test lets them go, so that it can order them exactly. Held `before` (default), a request is executed
   * on release, even if its sender has gone; held `after`, it is executed at once and its answer waits; of a `copy`, the request is executed and
   * answered at once, and executed a second time on release.
   */
  hold(match: FaultMatch = {}, options: { when?: HoldPoint } = {}): Hold {
    const hold = new Hold()
    this.add(match, { do: 'hold', when: options.when ?? 'before', hold })
    return hold
  }

  /** The action for this request, if a rule hits it. Counts it. */
  take(target: FaultTarget): FaultAction | undefined {
    for (const rule of this.#rules) {
      if (rule.hits(target)) return rule.action
    }
    return undefined
  }

  /** Rules that have not hit anything yet: a test that expects none proves that its faults really happened. */
  unfired(): FaultRule[] {
    return this.#rules.filter((rule) => rule.fired === 0)
  }

  /** Drops all rules. Requests that are held stay held. */
  clear(): void {
    this.#rules.length = 0
  }
}

class ActiveRule implements FaultRule {
  readonly match: FaultMatch
  readonly action: FaultAction
  readonly #key: RegExp | undefined
  readonly #drop: (rule: ActiveRule) => void
  #seen = 0
  fired = 0

  constructor(match: FaultMatch, action: FaultAction, drop: (rule: ActiveRule) => void) {
    this.match = match
    this.action = action
    this.#drop = drop
    this.#key = typeof match.key === 'string' ? globPattern(match.key) : match.key
  }

  hits(target: FaultTarget): boolean {
    const { method, operation, nth = 1, times = 1 } = this.match
    if (this.fired >= times) return false
    if (method !== undefined && method.toUpperCase() !== target.method.toUpperCase()) return false
    if (operation !== undefined && operation !== target.operation) return false
    if (this.#key !== undefined && target.key.search(this.#key) < 0) return false
    this.#seen += 1
    if (this.#seen < nth) return false
    this.fired += 1
    return true
  }

  remove(): void {
    this.#drop(this)
  }
}

/** A text in which `*` stands for any run of characters, as a pattern for the whole of a key. */
export function globPattern(glob: string): RegExp {
  const parts = glob.split('*').map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
  return new RegExp(`^${parts.join('.*')}$`, 's')
}

interface HeldRequest {
  readonly target: FaultTarget
  /** Tells the request to go on, or never to be executed. */
  readonly proceed: (go: boolean) => void
  /** Resolves when the request is over. */
  readonly done: Promise<void>
}

/** Requests that wait for the test. */
export class Hold {
  readonly #waiting: HeldRequest[] = []
  readonly #arrivals: { count: number; resolve: () => void }[] = []
  #total = 0

  /** What is held now, oldest first. */
  get held(): readonly FaultTarget[] {
    return this.#waiting.map((request) => request.target)
  }

  /** Resolves when `count` requests have been held since the beginning. */
  arrived(count = 1): Promise<void> {
    if (this.#total >= count) return Promise.resolve()
    return new Promise((resolve) => this.#arrivals.push({ count, resolve }))
  }

  /** Lets the oldest (or the one at `index`) go on. Resolves when nothing more will happen to it: it was executed, and its answer handed to the network. */
  async release(index = 0): Promise<void> {
    const [request] = this.#waiting.splice(index, 1)
    if (request === undefined) throw new Error(`no request is held at position ${index}`)
    request.proceed(true)
    await request.done
  }

  /** Lets all go on, one after the other, oldest first. */
  async releaseAll(): Promise<void> {
    while (this.#waiting.length > 0) await this.release()
  }

  /** Forgets the oldest (or the one at `index`): what of it was not executed yet never is, and it gets no answer that it does not have. */
  async drop(index = 0): Promise<void> {
    const [request] = this.#waiting.splice(index, 1)
    if (request === undefined) throw new Error(`no request is held at position ${index}`)
    request.proceed(false)
    await request.done
  }

  /** @internal Waits for the test; resolves to whether to go on. `done` is what `release` waits for. */
  wait(target: FaultTarget, done: Promise<void>, signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const request: HeldRequest = { target, proceed: resolve, done }
      const giveUp = () => {
        const at = this.#waiting.indexOf(request)
        if (at >= 0) this.#waiting.splice(at, 1)
        resolve(false)
      }
      signal.addEventListener('abort', giveUp, { once: true })
      this.#waiting.push(request)
      this.#total += 1
      for (const arrival of this.#arrivals.splice(0)) {
        if (this.#total >= arrival.count) arrival.resolve()
        else this.#arrivals.push(arrival)
      }
    })
  }
}

/** What a server or an in-process store offers to the faults: one request, and the ways in which it can end. */
export interface FaultyExchange<A> {
  readonly target: FaultTarget
  /** Does what the request asks for, in one atomic step, and makes the answer. May be called again for a duplicate. */
  execute(): Promise<A>
  /** The service's own form of an error answer. */
  refusal(status: number, code: string): A
  /** Sends the answer. Does nothing when the sender has gone. */
  answer(answer: A): void | Promise<void>
  /** Sends `answer` with a body that ends after `bytes` bytes, then closes the connection. */
  truncate(answer: A, bytes: number): void | Promise<void>
  /** `answer` with one bit flipped in the byte at `at` (modulo the length) of its body. */
  corrupted(answer: A, at: number): A
  /** Ends the connection without an answer. */
  reset(): void
}

/** Runs one exchange under `action`. Resolves when nothing more will happen to it. `signal` ends every wait; what waited is not executed. */
export async function performExchange<A>(
  exchange: FaultyExchange<A>,
  action: FaultAction | undefined,
  environment: Pick<Environment, 'sleep'>,
  signal: AbortSignal,
): Promise<void> {
  if (action === undefined) return exchange.answer(await exchange.execute())
  switch (action.do) {
    case 'drop-request':
      return exchange.reset()
    case 'drop-answer':
      await exchange.execute()
      return exchange.reset()
    case 'delay-before':
      if (!(await elapsed(action.ms, environment, signal))) return exchange.reset()
      return exchange.answer(await exchange.execute())
    case 'delay-answer': {
      const answer = await exchange.execute()
      await elapsed(action.ms, environment, signal)
      return exchange.answer(answer)
    }
    case 'double': {
      const first = await exchange.execute()
      if (action.answer !== 'second') await exchange.answer(first)
      const later = await elapsed(action.ms ?? 0, environment, signal)
      const second = later ? await exchange.execute() : first
      return action.answer === 'second' ? exchange.answer(second) : undefined
    }
    case 'status':
      if (action.when === 'after') await exchange.execute()
      return exchange.answer(exchange.refusal(action.status, action.code))
    case 'stall':
      if (action.when === 'after') await exchange.execute()
      return
    case 'truncate':
      return exchange.truncate(await exchange.execute(), action.bytes)
    case 'corrupt':
      return exchange.answer(exchange.corrupted(await exchange.execute(), action.at ?? 0))
    case 'hold':
      return performHeld(exchange, action, signal)
  }
}

async function performHeld<A>(
  exchange: FaultyExchange<A>,
  { when, hold }: Extract<FaultAction, { do: 'hold' }>,
  signal: AbortSignal,
): Promise<void> {
  let finish = (): void => {}
  const done = new Promise<void>((resolve) => {
    finish = resolve
  })
  try {
    const early = when === 'before' ? undefined : await exchange.execute()
    if (early !== undefined && when === 'copy') await exchange.answer(early)
    const go = await hold.wait(exchange.target, done, signal)
    if (when === 'copy') return void (go && (await exchange.execute()))
    if (!go) return exchange.reset()
    await exchange.answer(early ?? (await exchange.execute()))
  } finally {
    finish()
  }
}

/** Waits; `false` when the wait was cut short. */
async function elapsed(ms: number, environment: Pick<Environment, 'sleep'>, signal: AbortSignal): Promise<boolean> {
  try {
    await environment.sleep(ms, signal)
    return true
  } catch {
    return false
  }
}
