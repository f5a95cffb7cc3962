import { type Access, deadlineFor } from './access.ts'
import { missing, movesTooFast } from './fresh-head.ts'
import type { HeadBody } from './head-body.ts'
import type { HeadWriter } from './head-writer.ts'
import { History } from './history.ts'
import { objectKey, objectsPrefix } from './names.ts'
import { fetchObject, ObjectGone } from './objects.ts'
import { Fields, objectsOf } from './record.ts'
import type { Deadline } from './retry.ts'
import type { DocumentKeys } from './sealer.ts'
import type { SegmentCache } from './segments.ts'

const DEFAULT_GRACE_MS = 24 * 60 * 60 * 1000 // long enough for the slowest reader of a revision that was just pruned
const DELETE_AT_ONCE = 500
const ATTEMPTS = 5

export interface CollectOptions {
  /** Say what would be deleted, and change nothing. */
  dryRun?: boolean
  /** How long objects of pruned revisions stay for readers that are still at them, in ms; default a day. */
  graceMs?: number
  signal?: AbortSignal
}

export interface CollectReport {
  /** Keys of the objects that were deleted (with `dryRun`: would be). */
  deleted: string[]
  deletedBytes: number
  /** Objects that stay because a kept revision needs them. */
  kept: number
  /** Objects that stay until their grace period ends. */
  condemned: number
}

/**
 * Deletes what nothing refers to: objects of pruned revisions, and the uploads of writers that lost or died.
 *
 * No dates are compared to decide that: what was listed before a *barrier* head write, and is not reachable from exactly that head, can never be
 * referred to again, because a writer re-uploads what it uploaded before a barrier. docs/decisions/0004-garbage-by-barrier.md
 */
export async function collect(writer: HeadWriter, options: CollectOptions = {}): Promise<CollectReport> {
  const { access, segments } = writer
  const graceMs = options.graceMs ?? DEFAULT_GRACE_MS
  for (let attempt = 1; ; attempt++) {
    const deadline = deadlineFor(access, options.signal)
    const listed = await listObjects(access, options.signal)
    const head = options.dryRun
      ? await previewBarrier(writer, graceMs, deadline)
      : await writeBarrier(writer, graceMs, options.signal)
    if (head === undefined) return { deleted: [], deletedBytes: 0, kept: 0, condemned: 0 }
    try {
      const reachable = await reachableFrom(access, segments, head, deadlineFor(access, options.signal))
      const garbage = [...listed].filter(
        ([id]) => !reachable.live.has(id) && !reachable.condemned.has(id) && !reachable.everythingCondemned,
      )
      const keys = garbage.map(([id]) => objectKey(access.name, id))
      if (!options.dryRun) await deleteAll(access, keys, options.signal)
      return {
        deleted: keys,
        deletedBytes: garbage.reduce((sum, [, size]) => sum + size, 0),
        kept: [...listed.keys()].filter((id) => reachable.live.has(id)).length,
        condemned: [...listed.keys()].filter(
          (id) => !reachable.live.has(id) && (reachable.everythingCondemned || reachable.condemned.has(id)),
        ).length,
      }
    } catch (error) {
      if (!(error instanceof ObjectGone)) throw error
      // A prune by somebody else may have taken a segment away under us: then begin again with its head.
      const now = await writer.refresh(deadlineFor(access, options.signal))
      if (now?.header.seq === head.seq) throw missing(error)
      if (attempt === ATTEMPTS) throw movesTooFast(access.headKey)
    }
  }
}

type OpenedBody = { body: HeadBody; keys: DocumentKeys }
type Barrier = OpenedBody & { seq: number }

async function writeBarrier(
  writer: HeadWriter,
  graceMs: number,
  signal: AbortSignal | undefined,
): Promise<Barrier | undefined> {
  if ((await writer.refresh(deadlineFor(writer.access, signal))) === undefined) return undefined
  const { write } = await writer.submit(
    {
      weight: 0,
      apply: async ({ body, seq }) => ({
        body: { ...withoutExpired(body, writer.access.environment.now() - graceMs), barrier: seq },
        result: undefined,
      }),
    },
    signal,
  )
  return { body: write.body, keys: write.keys.withEarlier(write.body.keys), seq: write.header.seq }
}

async function previewBarrier(writer: HeadWriter, graceMs: number, deadline: Deadline): Promise<Barrier | undefined> {
  const head = await writer.refresh(deadline)
  if (head === undefined) return undefined
  const body = withoutExpired(head.body, writer.access.environment.now() - graceMs)
  return { body, keys: head.keys, seq: head.header.seq }
}

function withoutExpired(body: HeadBody, before: number): HeadBody {
  return { ...body, condemned: body.condemned.filter(({ at }) => !(Date.parse(at) < before)) }
}

/** Every immutable object of the document: id → stored size. */
export async function listObjects(access: Access, signal: AbortSignal | undefined): Promise<Map<string, number>> {
  const prefix = objectsPrefix(access.name)
  const found = new Map<string, number>()
  let cursor: string | undefined
  do {
    const page = await deadlineFor(access, signal).repeat('objects.list', prefix, 0, (options) =>
      access.store.list(prefix, { ...options, cursor }),
    )
    for (const { key, size } of page.objects) found.set(key.slice(prefix.length), size)
    cursor = page.cursor
  } while (cursor !== undefined)
  return found
}

/** Ids of all objects that a head refers to, directly or through segments, and of those it has condemned. */
export async function reachableFrom(
  access: Access,
  segments: SegmentCache,
  head: OpenedBody,
  deadline: Deadline,
): Promise<{ live: Set<string>; condemned: Set<string>; everythingCondemned: boolean }> {
  const { body, keys } = head
  const history = new History(access, segments, head, deadline)
  const live = new Set<string>()
  const condemned = new Set<string>()
  let everythingCondemned = false
  const pending = [...body.segments]
  for (let reference = pending.pop(); reference !== undefined; reference = pending.pop()) {
    live.add(reference.object)
    const segment = await history.read(reference)
    if ('references' in segment) pending.push(...segment.references)
    else for (const id of segment.records.flatMap(objectsOf)) live.add(id)
  }
  for (const id of [...body.tail, ...(body.current === undefined ? [] : [body.current])].flatMap(objectsOf))
    live.add(id)
  for (const batch of body.condemned) {
    if (batch.objects === undefined && batch.list === undefined) everythingCondemned = true
    for (const id of batch.objects ?? []) condemned.add(id)
    if (batch.list === undefined) continue
    live.add(batch.list.object)
    const list: unknown = JSON.parse(
      Buffer.from(await fetchObject(access, 'condemned', batch.list, keys, deadline)).toString(),
    )
    for (const id of new Fields({ list }, access.headKey, 'condemned list').list('list')) condemned.add(String(id))
  }
  return { live, condemned, everythingCondemned }
}

async function deleteAll(access: Access, keys: readonly string[], signal: AbortSignal | undefined): Promise<void> {
  let at = 0
  do {
    const some = keys.slice(at, at + DELETE_AT_ONCE)
    // Nothing to delete is said too: the file driver then clears away what killed writers left.
    await deadlineFor(access, signal).repeat('objects.delete', some[0] ?? access.headKey, 0, (options) =>
      access.store.delete(some, options),
    )
    at += DELETE_AT_ONCE
  } while (at < keys.length)
}
