import { type Access, deadlineFor } from './access.ts'
import { needsSpill, TailSize } from './draft.ts'
import { aborted, KeelstateError } from './errors.ts'
import { Flight, type Waiting } from './flight.ts'
import { missing } from './fresh-head.ts'
import { type Head, type HeadWrite, readHead, sealHead, writeHead, writeName } from './head.ts'
import { EMPTY_BODY, type HeadBody } from './head-body.ts'
import { ID_BYTES } from './header.ts'
import { type LeaseGuard, leaseLost } from './lease.ts'
import { ObjectGone } from './objects.ts'
import type { Deadline } from './retry.ts'
import type { DocumentKeys } from './sealer.ts'
import { appendSegment, findWriteId, SegmentCache, writeIdsSince } from './segments.ts'

const BATCH_CALLERS = 64
const BATCH_BYTES = 24 * 1024

/** A head in the making: the body so far, on the head it will replace. */
export interface Draft {
  readonly base: Head | undefined
  readonly body: HeadBody
  readonly keys: DocumentKeys
  /** The seq that the write will have. */
  readonly seq: number
  readonly epoch: bigint
}

/** What a caller wants done to the head. */
export interface Change<R> {
  /**
   * Judges its conditions on the draft and applies its steps. Runs again whenever another write came first; whatever it throws drops this change
   * and nothing else. What it throws counts only on a head that was read after the call began, and once what it was judged by has landed.
   *
   * @returns With `keys`, those take the place of the document's, from this change on: what the body says of earlier ones is theirs.
   */
  apply(draft: Draft, deadline: Deadline): Promise<{ body: HeadBody; result: R; keys?: DocumentKeys }>
  /** Roughly what it adds to the head, in bytes. */
  readonly weight: number
  /** The lease it is made under: checked before each attempt, and its fence goes into the head. */
  readonly lease?: LeaseGuard | undefined
  /**
   * Told the name of each head write that is to carry this change, before it is sent; what it returns is waited for. What it throws drops this change, and
   * that write is not sent.
   */
  readonly announce?: ((write: string) => Promise<void> | void) | undefined
}

/** A change that was carried out, and the head write that carried it: perhaps superseded since, perhaps shared with others. */
export interface Landed<R> {
  readonly result: R
  readonly write: HeadWrite
}

/**
 * The one way in which a process changes a head: a queue in front of conditional writes.
 *
 * Callers that arrive while a write is under way share the next one. After a definite conflict every change is judged again on the new head,
 * under a new write id. docs/decisions/0003-group-commit-and-refusals.md
 */
export class HeadWriter {
  readonly access: Access
  readonly segments: SegmentCache = new SegmentCache()
  readonly #queue: Waiting[] = []
  readonly #tailSize = new TailSize()
  #running = false
  #known: { head: Head | undefined; tick: number } | undefined
  #lastSeen: Head | undefined
  #newKeys: Promise<DocumentKeys> | undefined
  /** Counts calls and reads, so that "read after the call began" needs no clock. */
  #tick = 0

  constructor(access: Access) {
    this.access = access
  }

  /** The head as this process last saw it: `undefined` = never read, or its state is in doubt. */
  get known(): { readonly head: Head | undefined } | undefined {
    return this.#known
  }

  /** The highest head that this process saw, whatever was in doubt since: to say what a change was made on, and never to write on. */
  get lastSeen(): Head | undefined {
    return this.#lastSeen
  }

  /** Reads the head: one request, without a body when it has not changed. */
  async refresh(deadline: Deadline): Promise<Head | undefined> {
    const tick = ++this.#tick
    const head = await readHead(this.access, this.#known?.head, deadline)
    return this.#adopt(head, tick)
  }

  /** Takes a head that was read, whatever was known before: after a legitimate restore. */
  startFrom(head: Head | undefined): void {
    this.#known = { head, tick: ++this.#tick }
    this.#lastSeen = head
  }

  /** Keys to seal an upload with, before the head write that will refer to it. */
  async keysFor(head: Head | undefined, deadline: Deadline): Promise<DocumentKeys> {
    if (head !== undefined) return head.keys
    this.#newKeys ??= this.access.sealer.create(this.access.scope)
    const creating = this.#newKeys
    creating.catch(() => undefined) // who asked may have given up by now: then nobody waits for it
    try {
      return await deadline.within('key.create', this.access.headKey, () => creating)
    } catch (error) {
      this.#newKeys = undefined
      throw error
    }
  }

  /**
   * Queues a change and resolves once the write that carries it has landed.
   *
   * An abort takes it out of the queue; once its write is under way, it is settled within 5 s: landed, or `OutcomeUnknown`.
   */
  async submit<R>(change: Change<R>, signal?: AbortSignal): Promise<Landed<R>> {
    if (signal !== undefined && !(signal instanceof AbortSignal)) throw noSignal()
    let onAbort = () => {}
    try {
      return await new Promise<Landed<R>>((resolve, reject) => {
        if (signal?.aborted) return reject(aborted('head.write', this.access.headKey, signal.reason, true))
        const waiting: Waiting = {
          change,
          tick: ++this.#tick,
          signal,
          resolve: resolve as (landed: Landed<unknown>) => void,
          reject,
          outcome: undefined,
          done: false,
        }
        this.#queue.push(waiting)
        onAbort = () => this.#leaveQueue(waiting)
        signal?.addEventListener('abort', onAbort, { once: true })
        if (!this.#running) void this.#run()
      })
    } finally {
      signal?.removeEventListener('abort', onAbort)
    }
  }

  /** Nothing was done yet for who still waits in the queue. For the others their flight decides. */
  #leaveQueue(waiting: Waiting): void {
    const at = this.#queue.indexOf(waiting)
    if (at < 0) return
    this.#queue.splice(at, 1)
    waiting.done = true
    waiting.reject(aborted('head.write', this.access.headKey, waiting.signal?.reason, true))
  }

  async #run(): Promise<void> {
    this.#running = true
    await Promise.resolve() // callers of the same turn share the first write
    while (this.#queue.length > 0) await this.#land(this.#takeBatch())
    this.#running = false
  }

  #takeBatch(): Waiting[] {
    const lease = this.#queue[0]?.change.lease
    let bytes = 0
    let count = 0
    for (const { change } of this.#queue) {
      bytes += change.weight
      // Under a lease and without one, or under two leases, is never one write: it would carry the wrong fence for somebody.
      if (change.lease !== lease || count === BATCH_CALLERS || (count > 0 && bytes > BATCH_BYTES)) break
      count++
    }
    return this.#queue.splice(0, count)
  }

  /** Brings a batch to its verdict. Never throws: every caller gets an answer of its own. */
  async #land(batch: Waiting[]): Promise<void> {
    const flight = new Flight(this.access, batch)
    const lease = batch[0]?.change.lease
    const deadline = deadlineFor(this.access, flight.signal)
    try {
      while (flight.open.length > 0) {
        if (this.#known === undefined) await this.refresh(deadline)
        const { leavers } = flight
        const draft = await this.#applyAll(flight, lease, deadline)
        if (draft === undefined) continue
        const write = await this.#seal(draft, deadline)
        if (flight.announces && !(await flight.announce(writeName(write)))) continue
        if (flight.leavers !== leavers) continue // who was told that nothing was written must not be in it
        flight.writeName = writeName(write)
        const tick = ++this.#tick // the service may execute it before any later call begins
        const verdict = await writeHead(
          this.access,
          write,
          deadline,
          (head, seq) => findWriteId(this.access, this.segments, head, seq, deadline.settling()),
          lease && (() => lease.ensure({ signal: flight.signal })),
        )
        this.#adopt(verdict.head, tick)
        if (verdict.verdict === 'ok') {
          flight.answerAll(write)
        } else {
          flight.writeName = undefined
          if (deadline.left <= 0) throw lostToOthers(this.access)
          await deadline.afterLostRace()
        }
      }
    } catch (error) {
      this.#known = undefined
      // A refusal that followed from what was to be written with it is no refusal now: it is judged again.
      for (const waiting of flight.failAll(error)) this.#queue.push(waiting)
    } finally {
      flight.end()
    }
  }

  /** Applies every change in order. `undefined` = nothing to write in this round. */
  async #applyAll(flight: Flight, lease: LeaseGuard | undefined, deadline: Deadline): Promise<Draft | undefined> {
    const known = this.#known!
    const base = known.head
    let draft: Draft = {
      base,
      body: base?.body ?? EMPTY_BODY,
      keys: await this.keysFor(base, deadline),
      seq: (base?.header.seq ?? 0) + 1,
      epoch: base?.header.epoch ?? 0n,
    }
    const fencedOff = lease !== undefined && draft.epoch > lease.fence
    if (lease !== undefined && !fencedOff) draft = { ...draft, epoch: lease.fence }
    let changes = 0
    for (const waiting of flight.open) {
      if (flight.dropAborted(waiting)) continue
      try {
        if (fencedOff) throw leaseLost(this.access.identity, 'a later holder has claimed the document')
        const { body, result, keys = draft.keys } = await waiting.change.apply(draft, deadline)
        draft = { ...draft, body, keys }
        waiting.outcome = { result }
        changes++
      } catch (error) {
        if (known.tick < waiting.tick || error instanceof ObjectGone) {
          // It may be the head that is old, not the caller.
          const now = await this.refresh(deadline)
          if (!(error instanceof ObjectGone) || now?.token !== base?.token) return undefined
        }
        const refusal = error instanceof ObjectGone ? missing(error) : error
        if (changes === 0) flight.reject(waiting, refusal)
        else waiting.outcome = { refusal } // it followed from what is to be written with it
      }
    }
    return changes === 0 ? undefined : draft
  }

  async #seal(draft: Draft, deadline: Deadline): Promise<HeadWrite> {
    const birth = draft.base?.header.birth ?? this.access.environment.randomBytes(ID_BYTES)
    const { body } = draft
    if (!needsSpill(body, draft.seq, draft.base, this.#tailSize)) {
      try {
        return await sealHead(this.access, draft.base, body, draft.keys, birth, draft.epoch)
      } catch (error) {
        // What is not compressed (plaintext) can be too much for a head although its tail is short enough otherwise.
        if (body.tail.length === 0 || !KeelstateError.is(error, 'TooLarge')) throw error
      }
    }
    const baseSeq = draft.base?.header.seq ?? 0
    const firstSeq = body.indexedSeq + 1
    const segment = {
      records: body.tail,
      firstSeq,
      writeIds: draft.base === undefined ? new Uint8Array(0) : writeIdsSince(draft.base.header, firstSeq),
      untils: body.untils,
    }
    const segments = await appendSegment(this.access, body.segments, segment, draft.keys, baseSeq, deadline)
    const spilled = { ...body, tail: [], untils: new Map<number, string>(), segments, indexedSeq: baseSeq }
    return await sealHead(this.access, draft.base, spilled, draft.keys, birth, draft.epoch)
  }

  /** Takes over what was read or written, unless something newer is known already. */
  #adopt(head: Head | undefined, tick: number): Head | undefined {
    const known = this.#known?.head
    const newer = known !== undefined && head !== undefined && known.header.seq > head.header.seq
    this.#known = { head: newer ? known : head, tick: Math.max(tick, this.#known?.tick ?? 0) }
    this.#lastSeen = this.#known.head ?? this.#lastSeen
    if (this.#known.head !== undefined) this.#newKeys = undefined
    return this.#known.head
  }
}

function noSignal(): KeelstateError<'InvalidInput'> {
  return new KeelstateError('InvalidInput', {
    message: 'signal must be an AbortSignal.',
    hint: 'Pass the signal of an AbortController, not the controller.',
  })
}

function lostToOthers(access: Access): KeelstateError<'Timeout'> {
  return new KeelstateError('Timeout', {
    operation: 'head.write',
    key: access.headKey,
    message: `Other writers of ${access.headKey} came first each time until the time was up. Nothing was written.`,
    details: { notExecuted: true },
    hint: 'Try again, or take turns: many writers of one document slow each other down.',
  })
}
