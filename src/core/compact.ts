import { createHash } from 'node:crypto'
import { deadlineFor } from './access.ts'
import { Chains, type Opening, wholeOf } from './chains.ts'
import { mayReferTo } from './contents.ts'
import { mayNeedRebase } from './draft.ts'
import { onFreshHead } from './fresh-head.ts'
import type { Head } from './head.ts'
import type { Draft, HeadWriter } from './head-writer.ts'
import { type Found, History } from './history.ts'
import type { LeaseGuard } from './lease.ts'
import { type Upload, uploadObject } from './objects.ts'
import { lastUntils, withRecords } from './prune.ts'
import type { FullContent, RevisionRecord } from './record.ts'
import type { Deadline } from './retry.ts'
import type { CallOptions } from './store.ts'

const CHAIN_DELTAS = 256 // sixteen segments, which are read side by side
const CHAIN_SHARE = 0.5 // of the whole: then as much again has been written as the whole takes
const REBASE_MS = 15_000 // a release must not wait for longer

export interface CompactOptions extends CallOptions {
  /** Say what would be done, and change nothing. */
  dryRun?: boolean
}

export interface CompactReport {
  /** Ids of the revisions that were stored whole (with `dryRun`: would be), newest first. */
  stored: string[]
  /** How many dropped revisions were let go of, on which the content of others stood. */
  released: number
}

/** Stores current whole, and whatever stands on a dropped revision, which can go then. */
export async function compact(
  writer: HeadWriter,
  opening: Opening,
  lease: LeaseGuard | undefined,
  { dryRun = false, signal }: CompactOptions = {},
): Promise<CompactReport> {
  const { access } = writer
  const deadline = deadlineFor(access, signal)
  const plan = await onFreshHead(writer, deadline, async (head): Promise<Plan> => {
    if (head === undefined) return { records: [], whole: [], gone: [] }
    return await planCompact(new History(access, writer.segments, head, () => deadlineFor(access, signal)))
  })
  if (dryRun || plan.whole.length + plan.gone.length === 0) return report(plan)
  const uploads = new WholeUploads(writer, opening)
  const { result } = await writer.submit(
    {
      weight: 0,
      lease,
      apply: async (draft, within) => {
        const history = new History(access, writer.segments, draft, within)
        const now = await planCompact(history)
        const whole = new Map<number, FullContent>()
        for (const { record } of now.whole) whole.set(record.number, await uploads.of(record, draft, history, within))
        const records = now.records.map((found) => ({ ...found, record: withWhole(found.record, whole) }))
        const restored = now.gone.some(({ stored }) => stored) || now.whole.some(({ stored }) => stored)
        const body = await withRecords(access, draft, history, records, now.gone, restored, within)
        return { body, result: report(now) }
      },
    },
    signal,
  )
  return result
}

/** Stores the current revision of a head whole when many deltas lie below it, or much in them. */
export async function rebase(
  writer: HeadWriter,
  known: Head,
  opening: Opening,
  lease: LeaseGuard | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { access } = writer
  const history = new History(access, writer.segments, known, deadlineFor(access, signal))
  const chains = new Chains(access, history, known.keys, deadlineFor(access, signal), opening)
  const { base, id } = known.body.current!
  const whole = chains.cached(known.body.current!)?.bytes ?? Number.POSITIVE_INFINITY // who did not look at it need not care
  if (base!.deltas < CHAIN_DELTAS && base!.bytes < whole * CHAIN_SHARE) return
  const controller = new AbortController()
  const cancel = access.environment.timer(REBASE_MS, () => controller.abort())
  const uploads = new WholeUploads(writer, opening)
  try {
    await writer.submit(
      {
        weight: 0,
        lease,
        apply: async (draft, within) => {
          const { current } = draft.body
          if (current?.id !== id || !mayNeedRebase(draft.body)) return { body: draft.body, result: undefined }
          const now = new History(access, writer.segments, draft, within)
          const full = await uploads.of(current, draft, now, within)
          return { body: { ...draft.body, current: { ...current, full } }, result: undefined }
        },
      },
      signal === undefined ? controller.signal : AbortSignal.any([signal, controller.signal]),
    )
  } finally {
    cancel()
  }
}

interface Plan {
  /** All that stay, newest first. */
  records: Found[]
  /** Those of them that are to be stored whole. */
  whole: Found[]
  gone: Found[]
}

async function planCompact(history: History): Promise<Plan> {
  const untils = await lastUntils(history)
  const plan: Plan = { records: [], whole: [], gone: [] }
  for await (const found of history.everyRecord()) {
    const { record } = found
    const until = record.number === history.body.current?.number ? undefined : untils.get(record.number)
    if (record.dropped) plan.gone.push(found)
    else plan.records.push(until === undefined ? found : { ...found, record: { ...record, until } })
  }
  const gone = new Set(plan.gone.map(({ record }) => record.number))
  plan.whole = plan.records.filter(
    ({ record }) =>
      wholeOf(record) === undefined &&
      (record.number === history.body.current?.number || gone.has(record.base!.number)),
  )
  return plan
}

function withWhole(record: RevisionRecord, whole: ReadonlyMap<number, FullContent>): RevisionRecord {
  const full = whole.get(record.number)
  return full === undefined ? record : { ...record, full }
}

/** Whole contents, each uploaded once unless a barrier or a new data key came between. */
class WholeUploads {
  readonly #writer: HeadWriter
  readonly #opening: Opening
  readonly #made = new Map<number, { body: Uint8Array; upload: Upload }>()

  constructor(writer: HeadWriter, opening: Opening) {
    this.#writer = writer
    this.#opening = opening
  }

  async of(record: RevisionRecord, draft: Draft, history: History, deadline: Deadline): Promise<FullContent> {
    const { access } = this.#writer
    let made = this.#made.get(record.number)
    if (made === undefined || !mayReferTo(made, draft.base?.body.barrier ?? 0, draft.keys)) {
      const body = made?.body ?? (await this.#whole(record, draft, history, deadline))
      const knownSeq = draft.base?.header.seq ?? 0
      made = { body, upload: await uploadObject(access, 'content', body, draft.keys, knownSeq, deadline) }
      this.#made.set(record.number, made)
    }
    const { body, upload } = made
    this.#opening.contents.set(upload.reference.object, body)
    const digest = createHash('sha256').update(body).digest('base64')
    return { reference: upload.reference, bytes: body.length, digest }
  }

  async #whole(record: RevisionRecord, draft: Draft, history: History, deadline: Deadline): Promise<Uint8Array> {
    const chains = new Chains(this.#writer.access, history, draft.keys, deadline, this.#opening)
    const form = await chains.formOf(record.type)
    return form.join(await chains.parts(record))
  }
}

function report({ whole, gone }: Plan): CompactReport {
  return { stored: whole.map(({ record }) => record.id), released: gone.length }
}
