import type { Access } from './access.ts'
import { KeelstateError, printable } from './errors.ts'
import type { HeadBody, SegmentReference } from './head-body.ts'
import type { RevisionRecord } from './record.ts'
import type { Deadline } from './retry.ts'
import type { DocumentKeys } from './sealer.ts'
import { type IndexSegment, leaves, type Segment, type SegmentCache } from './segments.ts'

const SEGMENTS_AT_ONCE = 16

/** A kept revision and where its record stands. */
export interface Found {
  readonly record: RevisionRecord
  /** In a segment, as opposed to the head. */
  readonly stored: boolean
}

/** The kept revisions of one head, read from its body and, as far as needed, from its segments. */
export class History {
  readonly body: HeadBody
  readonly #access: Access
  readonly #cache: SegmentCache
  readonly #keys: DocumentKeys
  readonly #deadline: () => Deadline

  /** @param deadline Over all reads; or what gives each read one of its own, where the consumer sets the pace. */
  constructor(
    access: Access,
    cache: SegmentCache,
    head: { body: HeadBody; keys: DocumentKeys },
    deadline: Deadline | (() => Deadline),
  ) {
    this.body = head.body
    this.#access = access
    this.#cache = cache
    this.#keys = head.keys
    this.#deadline = typeof deadline === 'function' ? deadline : () => deadline
  }

  readonly read = (reference: SegmentReference): Promise<Segment | IndexSegment> =>
    this.#cache.read(this.#access, reference, this.#keys, this.#deadline())

  /** Yields every kept revision, highest number first; opens a segment only when its turn comes. */
  async *newestFirst(below?: number): AsyncGenerator<Found> {
    for await (const found of this.everyRecord(below)) if (found.record.dropped === undefined) yield found
  }

  /** The same with those that were dropped and still have a content standing on them. */
  async *everyRecord(below: number = Number.POSITIVE_INFINITY): AsyncGenerator<Found> {
    const loaded = new Map<number, Found>()
    for (const record of this.#inHead()) loaded.set(record.number, { record, stored: this.#isStored(record) })
    let closed = this.body.segments.filter((one) => one.numbers[0] > 0)
    const untils = new Map(this.body.untils)
    for (;;) {
      const next = Math.max(0, ...[...loaded.keys()].filter((number) => number < below))
      const opening = closed.filter((one) => one.numbers[1] >= next && one.numbers[0] < below)
      if (opening.length > 0) {
        const newest = opening.reduce((a, b) => (b.numbers[1] > a.numbers[1] ? b : a))
        closed = closed.filter((one) => one !== newest)
        const segment = await this.read(newest)
        if ('references' in segment) closed = [...closed, ...segment.references.filter((one) => one.numbers[0] > 0)]
        else {
          for (const record of segment.records)
            if (!loaded.has(record.number)) loaded.set(record.number, { record, stored: true })
          for (const [number, until] of segment.untils) if (!untils.has(number)) untils.set(number, until)
        }
        continue
      }
      if (next === 0) return
      const found = dated(loaded.get(next)!, next === this.body.current?.number ? undefined : untils.get(next))
      for (const number of loaded.keys()) if (number >= next) loaded.delete(number)
      yield found
      below = next
    }
  }

  async byNumber(number: number): Promise<Found | undefined> {
    return await this.#find(
      (record) => record.number === number && record.dropped === undefined,
      ({ numbers }) => numbers[0] <= number && number <= numbers[1],
    )
  }

  /** A record that a delta stands on, dropped or not. */
  async standing(number: number): Promise<RevisionRecord | undefined> {
    const found = await this.#find(
      (record) => record.number === number,
      ({ numbers }) => numbers[0] <= number && number <= numbers[1],
    )
    return found?.record
  }

  /** The records with these numbers, dropped ones too. Segments are read side by side. */
  async between(low: number, high: number): Promise<Map<number, RevisionRecord>> {
    const found = new Map<number, RevisionRecord>()
    let pending: readonly SegmentReference[] = this.body.segments
    for (;;) {
      pending = pending.filter(({ numbers }) => numbers[0] <= high && low <= numbers[1])
      if (pending.length === 0) break
      const segments = await Promise.all(pending.slice(0, SEGMENTS_AT_ONCE).map(this.read))
      const below: SegmentReference[] = []
      for (const segment of segments) {
        if ('references' in segment) below.push(...segment.references)
        else for (const record of segment.records) found.set(record.number, record)
      }
      pending = [...below, ...pending.slice(SEGMENTS_AT_ONCE)]
    }
    for (const record of this.#inHead()) found.set(record.number, record)
    return found
  }

  async byId(id: string): Promise<Found | undefined> {
    return await this.#find(
      (record) => record.id === id && record.dropped === undefined,
      ({ ids }) => ids[0] <= id && id <= ids[1],
    )
  }

  /**
   * Finds the revision that a person named: `current`, `@N`, a label or an id, each perhaps followed by `~N` (N parents back).
   *
   * @throws {KeelstateError} `NotFound` when no kept revision has that name.
   */
  async byReference(text: string, document: string): Promise<Found> {
    const match = /^(.+?)(?:~(\d{1,9}))?$/s.exec(text)
    const base = match?.[1] ?? ''
    let found = await this.#byName(base)
    if (found === undefined)
      throw noRevision(
        document,
        text,
        base === 'current' ? 'there is no current revision' : 'no kept revision has that name',
      )
    for (let back = Number(match?.[2] ?? 0); back > 0; back--)
      found = await this.#parentOf(found.record, document, text)
    return found
  }

  async #parentOf({ id, parent }: RevisionRecord, document: string, text: string): Promise<Found> {
    const found = parent === undefined ? undefined : await this.byId(parent)
    if (found !== undefined) return found
    throw noRevision(
      document,
      text,
      `${printable(id)} ${parent === undefined ? 'has no parent' : 'follows one that is not kept'}`,
    )
  }

  async #byName(name: string): Promise<Found | undefined> {
    const { current } = this.body
    if (name === 'current') return current && { record: current, stored: this.body.currentStored }
    const label = this.body.labels.get(name)
    if (label !== undefined) return await this.byNumber(label.number)
    const number = /^@(\d{1,15})$/.exec(name)
    return number === null ? await this.byId(name) : await this.byNumber(Number(number[1]))
  }

  async #find(
    is: (record: RevisionRecord) => boolean,
    mayHold: (reference: SegmentReference) => boolean,
  ): Promise<Found | undefined> {
    const record = this.#inHead().find(is)
    if (record !== undefined) return { record, stored: this.#isStored(record) }
    for await (const { segment } of leaves(this.read, this.body.segments, mayHold)) {
      const stored = segment.records.find(is)
      if (stored !== undefined) return { record: stored, stored: true }
    }
    return undefined
  }

  #inHead(): RevisionRecord[] {
    const { current, tail } = this.body
    return current === undefined ? [...tail] : [...tail, current]
  }

  #isStored(record: RevisionRecord): boolean {
    return record === this.body.current && this.body.currentStored
  }
}

/** A revision that was current again after its record was stored says when it was left last. */
function dated(found: Found, until: string | undefined): Found {
  return until === undefined ? found : { ...found, record: { ...found.record, until } }
}

function noRevision(document: string, text: string, why: string): KeelstateError<'NotFound'> {
  return new KeelstateError('NotFound', {
    key: document,
    message: `${document} has no revision ${JSON.stringify(printable(text))}: ${why}.`,
    details: { subject: 'revision' },
    hint: `See what there is: keelstate history ${document}`,
  })
}
