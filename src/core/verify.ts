import { createHash } from 'node:crypto'
import { deadlineFor } from './access.ts'
import { listObjects, reachableFrom } from './collect.ts'
import { KeelstateError, printable } from './errors.ts'
import type { Head } from './head.ts'
import type { HeadWriter } from './head-writer.ts'
import { History } from './history.ts'
import { fetchObject, ObjectGone } from './objects.ts'
import type { RevisionRecord } from './record.ts'
import { SegmentCache } from './segments.ts'

const AT_ONCE = 4 // contents read side by side
const ATTEMPTS = 5

export interface VerifyOptions {
  /** Called after each revision. */
  onProgress?: (done: number, total: number) => void
  signal?: AbortSignal
}

export interface VerifyProblem {
  /** Key of the object, or the revision's id. */
  key: string
  code: string
  message: string
}

export interface VerifyReport {
  ok: boolean
  /** Kept revisions that were read and compared with their digests. */
  revisions: number
  /** Objects that they need. */
  objects: number
  /** Plain content bytes read. */
  bytes: number
  /** Objects that nothing needs: uploads of writers that lost or died, and what waits for `collect`. */
  unreachable: number
  problems: VerifyProblem[]
}

/** Reads everything that the document's head leads to, and compares it with what it should be. Changes nothing. */
export async function verify(writer: HeadWriter, options: VerifyOptions = {}): Promise<VerifyReport> {
  for (let attempt = 1; ; attempt++) {
    const report: VerifyReport = { ok: true, revisions: 0, objects: 0, bytes: 0, unreachable: 0, problems: [] }
    const add = (key: string, error: unknown) => {
      if (!isFinding(error)) throw error
      report.problems.push({ key, code: error.code, message: error.message })
    }
    let head: Head | undefined
    try {
      head = await writer.refresh(deadlineFor(writer.access, options.signal))
    } catch (error) {
      add(writer.access.headKey, error)
      return { ...report, ok: false }
    }
    if (head === undefined) return report
    try {
      await verifyHead(writer, head, report, add, options)
      return { ...report, ok: report.problems.length === 0 }
    } catch (error) {
      if (!(error instanceof ObjectGone)) throw error
      // It may have been pruned while we read. If the head did not move, or will not stand still, it is lost.
      const now = await writer.refresh(deadlineFor(writer.access, options.signal))
      if (now?.token !== head.token && attempt < ATTEMPTS) continue
      report.problems.push({
        key: error.key,
        code: 'Corrupt',
        message: `${error.key} is missing although the head refers to it.`,
      })
      return { ...report, ok: false }
    }
  }
}

async function verifyHead(
  writer: HeadWriter,
  head: Head,
  report: VerifyReport,
  add: (key: string, error: unknown) => void,
  options: VerifyOptions,
): Promise<void> {
  const { access } = writer
  const cache = new SegmentCache() // a fresh one: what is stored is to be read, not what was read before
  const history = new History(access, cache, head, deadlineFor(access, options.signal))
  const records: RevisionRecord[] = []
  try {
    for await (const { record } of history.newestFirst()) records.push(record)
  } catch (error) {
    add(access.headKey, error)
  }
  const numbers = new Set(records.map(({ number }) => number))
  for (const [label, { number }] of head.body.labels) {
    if (!numbers.has(number))
      report.problems.push({
        key: access.headKey,
        code: 'Corrupt',
        message: `Label ${printable(label)} names revision @${number}, which is not kept.`,
      })
  }
  let done = 0
  const queue = records[Symbol.iterator]()
  const work = async () => {
    for (const record of queue) {
      try {
        const bytes = await verifyRevision(writer, head, record, options.signal)
        report.bytes += bytes // not `+= await`, which adds to what it was before the wait
        report.revisions++
      } catch (error) {
        add('reference' in record.content ? `${access.headKey} revision ${record.id}` : record.id, error)
      }
      options.onProgress?.(++done, records.length)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  try {
    const { live } = await reachableFrom(access, cache, head, deadlineFor(access, options.signal))
    const listed = await listObjects(access, options.signal)
    report.objects = live.size
    report.unreachable = [...listed.keys()].filter((id) => !live.has(id)).length
  } catch (error) {
    add(access.headKey, error)
  }
}

async function verifyRevision(
  writer: HeadWriter,
  head: Head,
  record: RevisionRecord,
  signal: AbortSignal | undefined,
): Promise<number> {
  const { access } = writer
  const { content } = record
  const body =
    'inline' in content
      ? content.inline
      : await fetchObject(access, 'content', content.reference, head.keys, deadlineFor(access, signal))
  const digest = createHash('sha256').update(body).digest('base64')
  if (body.length !== record.bytes || digest !== record.digest) {
    throw new KeelstateError('Corrupt', {
      key: access.headKey,
      message: `Revision ${record.id} does not have the content that its digest names.`,
      details: { subject: 'revision', differs: 'digest' },
    })
  }
  return body.length
}

/** What a report lists, as opposed to what stops it (no network, no permission, an abort). */
function isFinding(error: unknown): error is KeelstateError {
  return ['Corrupt', 'DecryptFailed', 'RolledBack', 'Unsupported'].some(
    (code) => KeelstateError.is(error) && error.code === code,
  )
}
