import { accessTo } from '../../core/access.ts'
import { reachableFrom } from '../../core/collect.ts'
import { ContentCache, readContent } from '../../core/contents.ts'
import type { Environment } from '../../core/environment.ts'
import { decodeHeadBody, type HeadBody } from '../../core/head-body.ts'
import { decodeHeader, fromHex } from '../../core/header.ts'
import { History } from '../../core/history.ts'
import { ProcessMemory } from '../../core/memory.ts'
import { documentName } from '../../core/names.ts'
import type { RevisionRecord } from '../../core/record.ts'
import { DEFAULT_LIMITS, Deadline } from '../../core/retry.ts'
import type { DocumentKeys, Sealer } from '../../core/sealer.ts'
import { leaves, SegmentCache } from '../../core/segments.ts'
import { memoryStore } from '../../memory/index.ts'
import type { Chronicle, LandedHead } from './chronicle.ts'
import { STORE_ID } from './chronicle.ts'
import type { Value } from './scene.ts'

/** A revision as the head that added it has it. */
export interface ChainRevision {
  readonly record: RevisionRecord
  /** Seq of the head that added it. */
  readonly seq: number
  readonly value: Value
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
  /** Reads what a head refers to, deleted since or not. */
  readonly reachable: (head: ChainHead) => Promise<{ live: Set<string>; condemned: Set<string> }>
}

/** Opens what the chronicle noted, from bytes of its own: whatever was deleted meanwhile. */
export async function openChain(chronicle: Chronicle, sealer: Sealer, environment: Environment): Promise<Chain> {
  const store = memoryStore({ bucket: chronicle.archive })
  const parts = { store, sealer, environment, limits: DEFAULT_LIMITS, memory: new ProcessMemory() }
  const access = accessTo(documentName(['simulated', 'document']), fromHex(STORE_ID), parts)
  const deadline = () => new Deadline(environment, DEFAULT_LIMITS)
  const [segments, contents] = [new SegmentCache(1_000), new ContentCache(1 << 24)]
  const heads: ChainHead[] = []
  const revisions: ChainRevision[] = []
  for (const landed of chronicle.heads) {
    const message = decodeHeader(landed.bytes, access.headKey)
    const unwrapped = await sealer.unwrap(access.scope, landed.header.keyTable, landed.header.keyId)
    const body = decodeHeadBody(await unwrapped.open(message, access.headKey), access.headKey)
    const head = { ...landed, body, keys: unwrapped.withEarlier(body.keys) }
    heads.push(head)
    for (const record of await addedBy(head)) {
      const content = await readContent(access, contents, record.content, head.keys, deadline())
      revisions.push({ record, seq: head.header.seq, value: JSON.parse(Buffer.from(content).toString()) as Value })
    }
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
    reachable: (head) => reachableFrom(access, segments, head, deadline()),
  }
}
