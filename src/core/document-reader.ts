import { deadlineFor } from './access.ts'
import { Chains, type Opening, wholeOf } from './chains.ts'
import type { Codec } from './codec.ts'
import type { Change } from './diff.ts'
import { KeelstateError } from './errors.ts'
import { missing, onFreshHead } from './fresh-head.ts'
import type { Head } from './head.ts'
import { type HeadStatus, statusOf } from './head-status.ts'
import type { HeadWriter } from './head-writer.ts'
import { same } from './header.ts'
import { type Found, History } from './history.ts'
import type { LeaseGuard, Locker } from './lease.ts'
import { ObjectGone } from './objects.ts'
import type { RevisionRecord } from './record.ts'
import type { Deadline } from './retry.ts'
import { infoOf, type Revision, type RevisionInfo } from './revision.ts'
import type { RevisionIdsByType } from './revision-id.ts'
import type { SpoolFolder } from './spool.ts'
import type { CallOptions } from './store.ts'
import type { VerifyOptions, VerifyReport } from './verify.ts'

export interface RevisionDiff {
  from: RevisionInfo
  to: RevisionInfo
  /** The contents are the same bytes. */
  equal: boolean
  /** Present when both contents are JSON. */
  changes?: Change[]
}

export interface DocumentStatus extends HeadStatus {
  current?: RevisionInfo
  /** How many revisions were ever committed. */
  lastNumber: number
  labels: Record<string, string>
  tombstone?: { at: string; by: string; message: string }
}

/** What `Store` gives a document. */
export interface DocumentParts<T, C> {
  readonly name: string
  readonly codec: Codec<T, C>
  /** Waits for the store's marker where its id is not configured; the signal ends the waiting. */
  readonly writer: (signal?: AbortSignal) => Promise<HeadWriter>
  readonly opening: Opening
  readonly revisionIds: RevisionIdsByType
  /** Author of changes that name none. */
  readonly by: string
  /** Set on the document inside a lock: every change is made under this lease. */
  readonly lease?: LeaseGuard
  readonly locker: Locker
  /** Where what cannot be saved is kept; absent = nowhere. */
  readonly spool?: SpoolFolder | undefined
}

/**
 * What can be read of a document. Every method makes at least one request, so that what it answers was true after the call began; nothing is cached
 * but what cannot change.
 */
export class ReadableDocument<T, C = never> {
  /** As typed: `shop/settings`, or `kind:name`. */
  readonly name: string
  /** @internal */
  protected readonly parts: DocumentParts<T, C>

  /** @internal Made by `Store.document`. */
  constructor(parts: DocumentParts<T, C>) {
    this.name = parts.name
    this.parts = parts
  }

  /** Reads the current revision; `undefined` when there is none (never committed, or deleted). */
  async read(options: CallOptions = {}): Promise<Revision<T> | undefined> {
    return await this.reading(options, async (head, writer, deadline) => {
      const current = head?.body.current
      return current && (await this.#open(head!, writer, current, deadline))
    })
  }

  /** @internal Opens the current revision of a head that was just read; a newer one, if its content was pruned meanwhile. */
  async readAt(head: Head, options: CallOptions): Promise<Revision<T> | undefined> {
    const writer = await this.parts.writer(options.signal)
    try {
      const { current } = head.body
      return current && (await this.#open(head, writer, current, deadlineFor(writer.access, options.signal)))
    } catch (error) {
      if (!(error instanceof ObjectGone)) throw error
      return await this.read(options)
    }
  }

  /**
   * Reads the revision named by an id, `@N`, `current`, `current~N` or a label.
   *
   * @throws {KeelstateError} `NotFound` (subject `document` or `revision`).
   */
  async revision(reference: string, options: CallOptions = {}): Promise<Revision<T>> {
    return await this.reading(options, async (head, writer, deadline) => {
      const { record } = await this.#find(head, writer, reference, deadline)
      return await this.#open(head!, writer, record, deadline)
    })
  }

  /** What `revision` says, without the content. */
  async info(reference: string, options: CallOptions = {}): Promise<RevisionInfo> {
    return await this.reading(options, async (head, writer, deadline) => {
      const { record } = await this.#find(head, writer, reference, deadline)
      return infoOf(record, head!)
    })
  }

  /** Yields the kept revisions, newest first, as they were when the iteration began (less what is pruned meanwhile). */
  async *history(options: CallOptions & { limit?: number } = {}): AsyncGenerator<RevisionInfo> {
    const writer = await this.parts.writer(options.signal)
    let left = options.limit ?? Number.POSITIVE_INFINITY
    let below = Number.POSITIVE_INFINITY
    let gone: ObjectGone | undefined
    for (let head: Head | undefined; left > 0; ) {
      const deadline = () => deadlineFor(writer.access, options.signal) // for each read: the consumer sets the pace
      const now = await writer.refresh(deadline())
      if (now === undefined) return
      if (head !== undefined && now.token === head.token) throw missing(gone!)
      head = now
      try {
        for await (const { record } of new History(writer.access, writer.segments, head, deadline).newestFirst(below)) {
          yield infoOf(record, head)
          below = record.number
          if (--left <= 0) return
        }
        return
      } catch (error) {
        if (!(error instanceof ObjectGone)) throw error
        gone = error // pruned under us, perhaps: go on with the head of now
      }
    }
  }

  /** Label → id of the revision that it names. */
  async labels(options: CallOptions = {}): Promise<Record<string, string>> {
    return await this.reading(options, async (head) => labelsOf(head))
  }

  /** Compares two revisions; their contents member by member where both are JSON. */
  async diff(from: string, to: string, options: CallOptions = {}): Promise<RevisionDiff> {
    return await this.reading(options, async (head, writer, deadline) => {
      const [before, after] = [
        await this.#find(head, writer, from, deadline),
        await this.#find(head, writer, to, deadline),
      ]
      const chains = this.chains(writer, head!, deadline)
      const whole = before.record.base === undefined && after.record.base === undefined
      const left = await chains.body(before.record)
      const alike = whole && before.record.digest === after.record.digest
      const right = alike ? left : await chains.body(after.record)
      const equal = alike || (!whole && same(left, right))
      const { diffJson } = await import('./diff.ts') // few processes compare
      const changes = diffJson(left, right)
      return {
        from: infoOf(before.record, head!),
        to: infoOf(after.record, head!),
        equal,
        ...(changes === undefined ? {} : { changes }),
      }
    })
  }

  /** Reads everything the head leads to, and reports what is not as it should be. */
  async verify(options: VerifyOptions = {}): Promise<VerifyReport> {
    const { verify } = await import('./verify.ts')
    return await verify(await this.parts.writer(options.signal), this.parts.opening.forms, options)
  }

  /** @throws {KeelstateError} `NotFound` (subject `document`) when it was never created. */
  async status(options: CallOptions = {}): Promise<DocumentStatus> {
    return await this.reading(options, async (head, writer) => {
      if (head === undefined) throw this.absent()
      const { current, tombstone, lastNumber } = head.body
      return {
        ...statusOf(head.header, head.bytes, writer.access.sealer),
        ...(current === undefined ? {} : { current: infoOf(current, head) }),
        lastNumber,
        labels: labelsOf(head),
        ...(tombstone === undefined ? {} : { tombstone }),
      }
    })
  }

  /**
   * Tells what became of a write whose outcome was unknown.
   *
   * @param write `details.write` of the `OutcomeUnknown` error.
   * @returns `undecided` while its place is still free (it may yet land), or when it is too long ago to tell.
   */
  async outcome(write: string, options: CallOptions = {}): Promise<'landed' | 'not-landed' | 'undecided'> {
    const { outcomeOn, parseWriteName } = await import('./write-outcome.ts') // few processes ask
    const name = parseWriteName(write)
    return await this.reading(options, (head, writer, deadline) => outcomeOn(head, name, writer, deadline))
  }

  /** @internal Runs `use` on a fresh head, and again on a fresher one when an object was pruned under it. */
  protected async reading<R>(
    options: CallOptions,
    use: (head: Head | undefined, writer: HeadWriter, deadline: Deadline) => Promise<R>,
  ): Promise<R> {
    const writer = await this.parts.writer(options.signal)
    const deadline = deadlineFor(writer.access, options.signal)
    return await onFreshHead(writer, deadline, (head) => use(head, writer, deadline))
  }

  async #find(head: Head | undefined, writer: HeadWriter, reference: string, deadline: Deadline): Promise<Found> {
    if (head === undefined || head.body.tombstone !== undefined) throw this.absent()
    return await new History(writer.access, writer.segments, head, deadline).byReference(reference, this.name)
  }

  async #open(head: Head, writer: HeadWriter, record: RevisionRecord, deadline: Deadline): Promise<Revision<T>> {
    return { ...infoOf(record, head), value: await this.opened(this.chains(writer, head, deadline), record) }
  }

  /** @internal The value of a revision. */
  protected async opened(chains: Chains, record: RevisionRecord): Promise<T> {
    const { codec } = this.parts
    const { changes } = codec
    if (changes?.form.name === record.type && (wholeOf(record) === undefined || (changes.lazy && record.parts)))
      return changes.open(await chains.parts(record))
    return await codec.decode(await chains.body(record), record.type)
  }

  /** @internal Gets what was read last ready to be changed by parts, which the first change would have to do else. */
  async makeReady(options: CallOptions): Promise<void> {
    const writer = await this.parts.writer(options.signal)
    const head = writer.known?.head
    const current = head?.body.current
    if (current?.parts)
      await this.chains(writer, head!, deadlineFor(writer.access, options.signal)).partsAtHand(current)
  }

  /** @internal Opens contents of a head's revisions. */
  protected chains(writer: HeadWriter, head: Pick<Head, 'body' | 'keys'>, deadline: Deadline): Chains {
    const history = new History(writer.access, writer.segments, head, deadline)
    return new Chains(writer.access, history, head.keys, deadline, this.parts.opening)
  }

  /** @internal */
  protected absent(): KeelstateError<'NotFound'> {
    return new KeelstateError('NotFound', {
      key: this.name,
      message: `There is no document ${this.name}.`,
      details: { subject: 'document' },
      hint: 'See what there is: keelstate list',
    })
  }
}

function labelsOf(head: Head | undefined): Record<string, string> {
  return Object.fromEntries([...(head?.body.labels ?? [])].map(([label, { id }]) => [label, id]))
}
