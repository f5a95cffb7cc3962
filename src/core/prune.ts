import { type Access, deadlineFor } from './access.ts'
import { condemn } from './draft.ts'
import { KeelstateError } from './errors.ts'
import { onFreshHead } from './fresh-head.ts'
import type { HeadBody, SegmentReference } from './head-body.ts'
import type { Draft, HeadWriter } from './head-writer.ts'
import { SLOT_BYTES } from './header.ts'
import { type Found, History } from './history.ts'
import type { LeaseGuard } from './lease.ts'
import { uploadObject } from './objects.ts'
import type { RevisionRecord } from './record.ts'
import type { Deadline } from './retry.ts'
import { appendSegment, leaves, type Segment, SegmentCache } from './segments.ts'

const RECORDS_PER_SEGMENT = 64
const KEPT_WRITE_IDS = 16_384 // of head writes long ago; 128 kB
const INLINE_CONDEMNED = 32 // more than these go to an object of their own

/** What stays. Current and labelled revisions always do. At least one member is needed. */
export interface PrunePolicy {
  /** The newest so many revisions stay. */
  keepLast?: number
  /** Revisions that were current within this time stay, in ms. */
  keepForMs?: number
  dryRun?: boolean
}

export interface PruneReport {
  /** Ids of the revisions that were dropped (with `dryRun`: would be), newest first. */
  dropped: string[]
  kept: number
}

/** Decides whether a revision stays, by when it was last current and how many newer ones there are. */
type Stays = (record: RevisionRecord, until: string | undefined, rank: number) => boolean

/** Drops revisions by policy. Their objects are condemned, and deleted by a later `collect`. */
export async function prune(
  writer: HeadWriter,
  policy: PrunePolicy,
  lease: LeaseGuard | undefined,
  signal?: AbortSignal,
): Promise<PruneReport> {
  checkPolicy(policy)
  const { keepLast = 0, keepForMs } = policy
  const stays: Stays = (record, until, rank) => {
    if (rank < keepLast) return true
    return keepForMs !== undefined && !(Date.parse(until ?? record.at) < writer.access.environment.now() - keepForMs)
  }
  return await dropUnless(writer, stays, policy.dryRun ?? false, lease, signal)
}

/** Drops revisions by id. @throws {KeelstateError} `Conflict` when one of them is current. */
export async function drop(
  writer: HeadWriter,
  ids: readonly string[],
  document: string,
  lease: LeaseGuard | undefined,
  signal?: AbortSignal,
): Promise<PruneReport> {
  const unwanted = new Set(ids)
  const check = (body: HeadBody) => {
    if (body.current === undefined || !unwanted.has(body.current.id)) return
    throw new KeelstateError('Conflict', {
      key: document,
      message: `${body.current.id} is the current revision of ${document}; it cannot be dropped.`,
      details: { current: body.current.id },
      hint: 'Make another revision current first.',
    })
  }
  return await dropUnless(writer, ({ id }) => !unwanted.has(id), false, lease, signal, check)
}

async function dropUnless(
  writer: HeadWriter,
  stays: Stays,
  dryRun: boolean,
  lease: LeaseGuard | undefined,
  signal: AbortSignal | undefined,
  check: (body: HeadBody) => void = () => {},
): Promise<PruneReport> {
  const { access } = writer
  const deadline = deadlineFor(access, signal)
  const segments = new SegmentCache(Number.POSITIVE_INFINITY) // each is needed several times, and all of them are
  const plan = await onFreshHead(writer, deadline, async (head): Promise<Plan> => {
    if (head === undefined) return { kept: [], dropped: [] }
    check(head.body)
    return await planPrune(new History(access, segments, head, () => deadlineFor(access, signal)), stays)
  })
  if (dryRun || plan.dropped.length === 0) return report(plan)
  const { result } = await writer.submit(
    {
      weight: 0,
      lease,
      apply: async (draft, within) => {
        check(draft.body)
        const history = new History(access, segments, draft, within)
        const now = await planPrune(history, stays)
        return { body: await dropPlanned(access, draft, history, now, within), result: report(now) }
      },
    },
    signal,
  )
  return result
}

interface Plan {
  kept: Found[]
  dropped: Found[]
}

/** Current and labelled revisions stay whatever `stays` says. */
async function planPrune(history: History, stays: Stays): Promise<Plan> {
  const { body } = history
  const untils = new Map(body.untils)
  for await (const { segment } of leaves(history.read, body.segments)) {
    for (const [number, until] of segment.untils) if ((untils.get(number) ?? '') < until) untils.set(number, until)
  }
  const labelled = new Set([...body.labels.values()].map(({ number }) => number))
  const plan: Plan = { kept: [], dropped: [] }
  let rank = 0
  for await (const found of history.newestFirst()) {
    const { record } = found
    const isCurrent = record.number === body.current?.number
    const until = isCurrent ? undefined : (untils.get(record.number) ?? record.until)
    const wanted = stays(record, until, rank++)
    const dated = until === undefined ? record : { ...record, until }
    plan[isCurrent || labelled.has(record.number) || wanted ? 'kept' : 'dropped'].push({ ...found, record: dated })
  }
  return plan
}

/** Takes the dropped records out of the head, and rewrites the segments without them where they held any. */
async function dropPlanned(
  access: Access,
  draft: Draft,
  history: History,
  plan: Plan,
  deadline: Deadline,
): Promise<HeadBody> {
  const { body } = draft
  const gone = new Set(plan.dropped.map(({ record }) => record.number))
  const tail = body.tail.filter((record) => !gone.has(record.number))
  const needed = new Set(plan.kept.flatMap(({ record }) => objectOf(record)))
  const condemned = new Set(plan.dropped.flatMap(({ record }) => objectOf(record)).filter((id) => !needed.has(id)))
  let segments: readonly SegmentReference[] = body.segments
  let untils = body.untils
  if (plan.dropped.some(({ stored }) => stored)) {
    for (const id of await segmentObjects(history)) condemned.add(id)
    const records = plan.kept.filter(({ stored }) => stored).map(({ record }) => record)
    segments = await rewriteSegments(access, draft, history, records, deadline)
    untils = new Map()
  }
  const objects = [...condemned]
  const at = new Date(access.environment.now()).toISOString()
  const batch =
    objects.length <= INLINE_CONDEMNED
      ? { at, objects }
      : {
          at,
          list: (
            await uploadObject(
              access,
              'condemned',
              Buffer.from(JSON.stringify(objects)),
              draft.keys,
              draft.seq - 1,
              deadline,
            )
          ).reference,
        }
  return {
    ...body,
    tail,
    segments,
    untils,
    condemned: objects.length === 0 ? body.condemned : condemn(body.condemned, batch),
  }
}

/** Writes kept records and the index of write ids into new segments, oldest first. */
async function rewriteSegments(
  access: Access,
  draft: Draft,
  history: History,
  newestFirst: readonly RevisionRecord[],
  deadline: Deadline,
): Promise<SegmentReference[]> {
  const chunks: RevisionRecord[][] = []
  const records = [...newestFirst].reverse()
  for (let at = 0; at < records.length; at += RECORDS_PER_SEGMENT)
    chunks.push(records.slice(at, at + RECORDS_PER_SEGMENT))
  if (chunks.length === 0) chunks.push([])
  const ids = await keptWriteIds(history)
  let segments: SegmentReference[] = []
  for (const [index, chunk] of chunks.entries()) {
    const last = index === chunks.length - 1
    const segment: Segment = {
      records: chunk,
      untils: new Map(),
      ...(last ? ids : { firstSeq: ids.firstSeq, writeIds: new Uint8Array(0) }),
    }
    segments = await appendSegment(access, segments, segment, draft.keys, draft.seq - 1, deadline)
  }
  return segments
}

/** The write ids of all segments, joined: each segment begins where the one before it ends. */
async function keptWriteIds(history: History): Promise<{ firstSeq: number; writeIds: Uint8Array }> {
  const parts: { firstSeq: number; writeIds: Uint8Array }[] = []
  for await (const { segment } of leaves(history.read, history.body.segments))
    if (segment.writeIds.length > 0) parts.push(segment)
  parts.sort((a, b) => a.firstSeq - b.firstSeq)
  const joined = Buffer.concat(parts.map((part) => part.writeIds))
  const kept = joined.subarray(Math.max(0, joined.length - KEPT_WRITE_IDS * SLOT_BYTES))
  return {
    firstSeq: (parts[0]?.firstSeq ?? history.body.indexedSeq + 1) + (joined.length - kept.length) / SLOT_BYTES,
    writeIds: kept,
  }
}

async function segmentObjects(history: History): Promise<string[]> {
  const ids: string[] = []
  const pending = [...history.body.segments]
  for (let reference = pending.pop(); reference !== undefined; reference = pending.pop()) {
    ids.push(reference.object)
    const segment = await history.read(reference)
    if ('references' in segment) pending.push(...segment.references)
  }
  return ids
}

function objectOf({ content }: RevisionRecord): string[] {
  return 'reference' in content ? [content.reference.object] : []
}

function report(plan: Plan): PruneReport {
  return { dropped: plan.dropped.map(({ record }) => record.id), kept: plan.kept.length }
}

function checkPolicy({ keepLast, keepForMs }: PrunePolicy): void {
  const bad = (value: number | undefined) => value !== undefined && !(Number.isSafeInteger(value) && value >= 0)
  if (bad(keepLast) || bad(keepForMs) || (keepLast === undefined && keepForMs === undefined)) {
    throw new KeelstateError('InvalidInput', {
      message: 'prune needs keepLast or keepForMs, each a whole number from 0.',
      hint: 'For example { keepLast: 20 }, or { keepForMs: 30 * 86_400_000 } for 30 days.',
    })
  }
}
