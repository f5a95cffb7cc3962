import { accessTo } from '../../core/access.ts'
import { Chains, type Opening, PartsCache } from '../../core/chains.ts'
import { reachableFrom } from '../../core/collect.ts'
import { ContentCache } from '../../core/contents.ts'
import type { Environment } from '../../core/environment.ts'
import type { BodyForms } from '../../core/form.ts'
import { decodeHeadBody, type HeadBody } from '../../core/head-body.ts'
import { decodeHeader, fromHex } from '../../core/header.ts'
import { History } from '../../core/history.ts'
import { keyedForm } from '../../core/keyed.ts'
import { ProcessMemory } from '../../core/memory.ts'
import { documentName } from '../../core/names.ts'
import type { RevisionRecord } from '../../core/record.ts'
import { DEFAULT_LIMITS, Deadline } from '../../core/retry.ts'
import type { DocumentKeys, Sealer } from '../../core/sealer.ts'
import { leaves, SegmentCache } from '../../core/segments.ts'
import { memoryStore } from '../../memory/index.ts'
import type { Chronicle, LandedHead } from './chronicle.ts'
import { STORE_ID } from './chronicle.ts'
import { type Content, contentOf } from './matter.ts'

const NOTHING = { live: new Set<string>(), condemned: new Set<string>() }
const CACHE_BYTES = 1 << 24
const forms: BodyForms = async (type) => (type === keyedForm.name ? keyedForm : undefined)

/** A revision as the head that added it has it. */
export interface ChainRevision {
  readonly record: RevisionRecord
  /** Seq of the head that added it. */
  readonly seq: number
  readonly content: Content
}

/** What a revision was made of deltas again, or stored whole, later than when it was added. */
export interface Copy {
  readonly number: number
  /** The head that has it so. */
  readonly seq: number
  readonly text: string
}

/** A landed head, opened. */
export interface ChainHead extends LandedHead {
  readonly body: HeadBody
  readonly keys: DocumentKeys
}

/** Every head that landed, opened, and every revision that was ever in one. */
export interface Chain {
  readonly heads: readonly ChainHead[]
  /** In their order. */
  readonly revisions: readonly ChainRevision[]
  /** Every whole that a delta got besides; and what all that are kept say in the end, made anew. */
  readonly copies: readonly Copy[]
  /** What does not open. */
  readonly problems: readonly string[]
  /** Reads what a head refers to, deleted since or not. */
  readonly reachable: (head: ChainHead) => Promise<{ live: Set<string>; condemned: Set<string> }>
}

/** Opens what the chronicle noted, from bytes of its own: whatever was deleted meanwhile. */
export async function openChain(chronicle: Chronicle, sealer: Sealer, environment: Environment): Promise<Chain> {
  const store = memoryStore({ bucket: chronicle.archive })
  const parts = { store, sealer, environment, limits: DEFAULT_LIMITS, memory: new ProcessMemory() }
  const access = accessTo(documentName(['simulated', 'document']), fromHex(STORE_ID), parts)
  const deadline = () => new Deadline(environment, DEFAULT_LIMITS)
  const segments = new SegmentCache(1_000)
  const contents = new ContentCache(CACHE_BYTES)
  const opening = { contents, parts: new PartsCache(CACHE_BYTES), forms }
  const heads: ChainHead[] = []
  const revisions: ChainRevision[] = []
  const copies: Copy[] = []
  const problems: string[] = []
  const wholes = new Set<string>()
  for (const landed of chronicle.heads) {
    const message = decodeHeader(landed.bytes, access.headKey)
    const unwrapped = await sealer.unwrap(access.scope, landed.header.keyTable, landed.header.keyId)
    const body = decodeHeadBody(await unwrapped.open(message, access.headKey), access.headKey)
    const head = { ...landed, body, keys: unwrapped.withEarlier(body.keys) }
    heads.push(head)
    for (const record of (await tried(head, () => addedBy(head))) ?? []) {
      const content = await contentIn(head, record, opening)
      revisions.push({ record, seq: head.header.seq, content: content ?? { counter: 0, mark: '?', text: '{}' } })
    }
    await noteWholes(head)
  }
  await noteKept()

  async function tried<R>(head: ChainHead, work: () => Promise<R>): Promise<R | undefined> {
    try {
      return await work()
    } catch (error) {
      problems.push(`what head ${head.header.seq} refers to does not open: ${String(error)}`)
      return undefined
    }
  }

  async function contentIn(head: ChainHead, record: RevisionRecord, parts: Opening): Promise<Content | undefined> {
    const history = new History(access, segments, head, deadline)
    return await tried(head, async () =>
      contentOf(await new Chains(access, history, head.keys, deadline(), parts).body(record)),
    )
  }

  async function noteCopy(head: ChainHead, record: RevisionRecord, parts: Opening): Promise<void> {
    const content = await contentIn(head, record, parts)
    if (content !== undefined) copies.push({ number: record.number, seq: head.header.seq, text: content.text })
  }

  async function noteWholes(head: ChainHead): Promise<void> {
    for (const record of [...head.body.tail, ...(head.body.current === undefined ? [] : [head.body.current])]) {
      if (record.full === undefined || wholes.has(record.full.reference.object)) continue
      wholes.add(record.full.reference.object)
      await noteCopy(head, record, opening)
    }
  }

  /** Nothing remembered: what stands on what is looked up in the last head. */
  async function noteKept(): Promise<void> {
    const head = heads.at(-1)
    if (head === undefined || revisions.every(({ record }) => record.base === undefined)) return
    const forgetful = { ...opening, parts: new PartsCache(0) }
    await tried(head, async () => {
      for await (const { record } of new History(access, segments, head, deadline).newestFirst())
        await noteCopy(head, record, forgetful)
    })
  }

  /** What a head has that its predecessor has not; in a segment, when the head that added it had no room for its tail. */
  async function addedBy(head: ChainHead): Promise<RevisionRecord[]> {
    const { seq } = head.header
    const { body } = head
    const known = revisions.at(-1)?.record.number ?? 0
    const isNew = (record: RevisionRecord) => record.seq === seq && record.number > known
    const found = new Map<number, RevisionRecord>()
    for (const record of body.tail) if (isNew(record)) found.set(record.number, record)
    if (body.current !== undefined && isNew(body.current)) found.set(body.current.number, body.current)
    if (found.size < body.lastNumber - known) {
      const history = new History(access, segments, head, deadline)
      for await (const { segment } of leaves(history.read, body.segments, ({ numbers }) => numbers[1] > known))
        for (const record of segment.records) if (isNew(record)) found.set(record.number, record)
    }
    return [...found.values()].sort((a, b) => a.number - b.number)
  }

  return {
    heads,
    revisions,
    copies,
    problems,
    reachable: async (head) => (await tried(head, () => reachableFrom(access, segments, head, deadline()))) ?? NOTHING,
  }
}
