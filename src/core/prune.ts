import { type Access, deadlineFor } from './access.ts'
import { wholeOf } from './chains.ts'
import { condemn } from './draft.ts'
import { KeelstateError } from './errors.ts'
import { onFreshHead } from './fresh-head.ts'
import type { HeadBody, SegmentReference } from './head-body.ts'
import type { Draft, HeadWriter } from './head-writer.ts'
import { SLOT_BYTES } from './header.ts'
import { type Found, History } from './history.ts'
import type { LeaseGuard } from './lease.ts'
import { uploadObject } from './objects.ts'
import { objectsOf, type RevisionRecord } from './record.ts'
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
    if (head === undefined) return { kept: [], dropped: [], held: [], gone: [] }
    check(head.body)
    return await planPrune(new History(access, segments, head, () => deadlineFor(access, signal)), stays)
  })
  if (dryRun || plan.dropped.length + plan.gone.length === 0) return report(plan)
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
  /** What history loses. */
  dropped: Found[]
  /** What the content of kept revisions stands on, and history has not or no more. */
  held: Found[]
  /** What nothing needs. */
  gone: Found[]
}

/** Current and labelled revisions stay whatever `stays` says. */
async function planPrune(history: History, stays: Stays): Promise<Plan> {
  const { body } = history
  const untils = await lastUntils(history)
  const labelled = new Set([...body.labels.values()].map(({ number }) => number))
  const plan: Plan = { kept: [], dropped: [], held: [], gone: [] }
  const others: Found[] = []
  let rank = 0
  for await (const found of history.everyRecord()) {
    const { record } = found
    if (record.dropped) {
      others.push(found)
      continue
    }
    const isCurrent = record.number === body.current?.number
    const until = isCurrent ? undefined : (untils.get(record.number) ?? record.until)
    const wanted = stays(record, until, rank++)
    const dated = { ...found, record: until === undefined ? record : { ...record, until } }
    if (isCurrent || labelled.has(record.number) || wanted) {
      plan.kept.push(dated)
    } else {
      plan.dropped.push(dated)
      others.push(dated)
    }
  }
  const standing = stoodOn(plan.kept, others)
  for (const found of others) plan[standing.has(found.record.number) ? 'held' : 'gone'].push(found)
  return plan
}

/** When each revision was last left, for records in segments. */
export async function lastUntils(history: History): Promise<Map<number, string>> {
  const untils = new Map(history.body.untils)
  for await (const { segment } of leaves(history.read, history.body.segments)) {
    for (const [number, until] of segment.untils) if ((untils.get(number) ?? '') < until) untils.set(number, until)
  }
  return untils
}

/** Numbers of those of `others` that the contents of `kept` are made from. */
function stoodOn(kept: readonly Found[], others: readonly Found[]): Set<number> {
  const records = new Map([...kept, ...others].map(({ record }) => [record.number, record]))
  const seen = new Set<number>()
  for (const { record } of kept) {
    for (let at: RevisionRecord | undefined = record; at !== undefined && wholeOf(at) === undefined; ) {
      at = records.get(at.base!.number)
      if (at === undefined || seen.has(at.number)) break
      seen.add(at.number)
    }
  }
  return new Set(others.map(({ record }) => record.number).filter((number) => seen.has(number)))
}

/** Takes the dropped records out of the head, and rewrites the segments without them where they held any. */
async function dropPlanned(
  access: Access,
  draft: Draft,
  history: History,
  plan: Plan,
  deadline: Deadline,
): Promise<HeadBody> {
  const held = plan.held.map((found) => ({ ...found, record: { ...found.record, dropped: true as const } }))
  const restored = [...plan.gone, ...plan.dropped].some(({ stored }) => stored)
  return await withRecords(access, draft, history, [...plan.kept, ...held], plan.gone, restored, deadline)
}

/**
 * A body that has these records, and no others.
 *
 * @param gone The others. Objects of theirs that no record needs are condemned.
 * @param restored Whether the segments must be rewritten.
 */
export async function withRecords(
  access: Access,
  draft: Draft,
  history: History,
  records: readonly Found[],
  gone: readonly Found[],
  restored: boolean,
  deadline: Deadline,
): Promise<HeadBody> {
  const { body } = draft
  const byNumber = new Map(records.map(({ record }) => [record.number, record]))
  const tail = body.tail.flatMap(({ number }) => byNumber.get(number) ?? [])
  const current = body.current && byNumber.get(body.current.number)
  const needed = new Set(records.flatMap(({ record }) => objectsOf(record)))
  const condemned = new Set(gone.flatMap(({ record }) => objectsOf(record)).filter((id) => !needed.has(id)))
  let segments: readonly SegmentReference[] = body.segments
  let untils = body.untils
  if (restored) {
    for (const id of await segmentObjects(history)) condemned.add(id)
    const stored = records.filter((one) => one.stored).map(({ record }) => record)
    stored.sort((a, b) => a.number - b.number)
    segments = await rewriteSegments(access, draft, history, stored, deadline)
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
    ...(current === undefined ? {} : { current }),
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
  records: readonly RevisionRecord[],
  deadline: Deadline,
): Promise<SegmentReference[]> {
  const chunks: RevisionRecord[][] = []
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
