import { createHash } from 'node:crypto'
import { type Access, deadlineFor } from './access.ts'
import { applyDelta, baseOn, Chains, PartsCache, wholeOf } from './chains.ts'
import { listObjects, reachableFrom } from './collect.ts'
import { ContentCache, readContent } from './contents.ts'
import { KeelstateError, printable } from './errors.ts'
import type { BodyForms } from './form.ts'
import { missing } from './fresh-head.ts'
import type { Head } from './head.ts'
import type { HeadWriter } from './head-writer.ts'
import { History } from './history.ts'
import { objectKey } from './names.ts'
import { ObjectGone } from './objects.ts'
import type { FullContent, RevisionRecord } from './record.ts'
import { SegmentCache } from './segments.ts'

const AT_ONCE = 4 // contents read side by side
const ATTEMPTS = 5
const CONTENT_BYTES = 64 * 1024 * 1024 // kept, so that what deltas stand on is read once

export interface VerifyOptions {
  /** Called after each revision. */
  onProgress?: (done: number, total: number) => void
  signal?: AbortSignal
}

export interface VerifyProblem {
  /** Key of the object, and the revision's id where it is about one. */
  key: string
  code: string
  message: string
}

export interface VerifyReport {
  ok: boolean
  /** Kept revisions that were read and compared with their digests. */
  revisions: number
  /** How many of them are stored as changes of others. */
  deltas: number
  /** Objects that they need. */
  objects: number
  /** Plain content bytes read. */
  bytes: number
  /** Objects that nothing needs: uploads of writers that lost or died, and what waits for `collect`. Not counted where segments cannot be read. */
  unreachable: number
  problems: VerifyProblem[]
}

/** Reads everything that the document's head leads to, and compares it with what it should be. Changes nothing. */
export async function verify(writer: HeadWriter, forms: BodyForms, options: VerifyOptions = {}): Promise<VerifyReport> {
  for (let attempt = 1; ; attempt++) {
    const findings = new Findings()
    let head: Head | undefined
    try {
      head = await writer.refresh(deadlineFor(writer.access, options.signal))
    } catch (error) {
      findings.add(writer.access.headKey, error)
      return findings.report
    }
    if (head === undefined) return findings.report
    await verifyHead(writer, head, forms, findings, options)
    if (!findings.somethingGone || attempt === ATTEMPTS) return findings.report
    // It may have been pruned while we read. If the head did not move, it is lost.
    const now = await writer.refresh(deadlineFor(writer.access, options.signal))
    if (now?.token === head.token) return findings.report
  }
}

class Findings {
  readonly report: VerifyReport = {
    ok: true,
    revisions: 0,
    deltas: 0,
    objects: 0,
    bytes: 0,
    unreachable: 0,
    problems: [],
  }
  somethingGone = false

  /** @throws what is no finding but stops the work: no network, no permission, an abort. */
  add(key: string, error: unknown): void {
    if (error instanceof ObjectGone) {
      this.somethingGone = true
      this.say(error.key, missing(error))
    } else if (isFinding(error)) {
      this.say(key, error)
    } else {
      throw error
    }
  }

  say(key: string, { code, message }: { code: string; message: string }): void {
    this.report.ok = false
    this.report.problems.push({ key, code, message })
  }
}

async function verifyHead(
  writer: HeadWriter,
  head: Head,
  forms: BodyForms,
  findings: Findings,
  { onProgress, signal }: VerifyOptions,
): Promise<void> {
  const access = withoutCache(writer.access)
  const { report } = findings
  const cache = new SegmentCache() // a fresh one: what is stored is to be read, not what was read before
  const history = new History(access, cache, head, deadlineFor(access, signal))
  const { records, complete } = await readRecords(access, history, findings)
  for (const [label, { number }] of head.body.labels) {
    const named = records.get(number)
    if (!complete || (named !== undefined && named.dropped === undefined)) continue
    const message = `Label ${printable(label)} names revision @${number}, which is not kept.`
    findings.say(access.headKey, { code: 'Corrupt', message })
  }
  const contents = new ContentCache(CONTENT_BYTES)
  let done = 0
  const queue = records.values()
  const work = async () => {
    for (const record of queue) {
      try {
        const bytes = await verifyRevision(writer, head, record, contents, signal)
        report.bytes += bytes // not `+= await`, which adds to what the sum was before the wait
        if (!record.dropped) report.revisions++
        if (!record.dropped && record.base !== undefined) report.deltas++
      } catch (error) {
        const { content } = record
        const object = 'reference' in content ? objectKey(access.name, content.reference.object) : access.headKey
        findings.add(`${object} revision ${printable(record.id)}`, error)
      }
      onProgress?.(++done, records.size)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  if (!complete) return // what cannot be read may refer to anything
  const chains = new Chains(access, history, head.keys, deadlineFor(access, signal), {
    contents,
    parts: new PartsCache(CONTENT_BYTES),
    forms,
  })
  for (const record of [...records.values()].reverse()) {
    // What a revision stood on before it was stored whole need not be there any more.
    try {
      if (wholeOf(record) === undefined || records.has(record.base?.number ?? 0)) await verifyDelta(chains, record)
    } catch (error) {
      findings.add(chains.nameOf(record), error)
    }
  }
  try {
    const { live } = await reachableFrom(access, cache, head, deadlineFor(access, signal))
    const listed = await listObjects(access, signal)
    report.objects = live.size
    report.unreachable = [...listed.keys()].filter((id) => !live.has(id)).length
  } catch (error) {
    findings.add(access.headKey, error)
  }
}

/** What is stored is what counts here, not what this machine kept of it. */
function withoutCache(access: Access): Access {
  return { ...access, objects: undefined }
}

/** Every record that can be read, by number; the newest first. Segments that cannot be read are findings. */
async function readRecords(
  access: Access,
  history: History,
  findings: Findings,
): Promise<{ records: Map<number, RevisionRecord>; complete: boolean }> {
  const { current, tail, segments } = history.body
  const found = new Map<number, RevisionRecord>()
  for (const record of current === undefined ? tail : [...tail, current]) found.set(record.number, record)
  let complete = true
  const pending = [...segments]
  for (let reference = pending.pop(); reference !== undefined; reference = pending.pop()) {
    try {
      const segment = await history.read(reference)
      if ('references' in segment) pending.push(...segment.references)
      else for (const record of segment.records) if (!found.has(record.number)) found.set(record.number, record)
    } catch (error) {
      findings.add(objectKey(access.name, reference.object), error)
      complete = false
    }
  }
  return { records: new Map([...found].sort(([a], [b]) => b - a)), complete }
}

async function verifyRevision(
  writer: HeadWriter,
  head: Head,
  record: RevisionRecord,
  cache: ContentCache,
  signal: AbortSignal | undefined,
): Promise<number> {
  const access = withoutCache(writer.access)
  let read = 0
  for (const { content, bytes, digest } of [
    record,
    ...(record.full === undefined ? [] : [wholeContent(record.full)]),
  ]) {
    const body = await readContent(access, cache, content, head.keys, deadlineFor(access, signal))
    if (body.length !== bytes || digestOf(body) !== digest)
      throw wrongRevision(access.headKey, record, 'does not have the content that its digest names', 'digest')
    read += body.length
  }
  return read
}

/** Whether a change stands where it says, fits there, and makes what is stored as its whole. */
async function verifyDelta(chains: Chains, record: RevisionRecord): Promise<void> {
  const { base, full } = record
  if (base === undefined) return
  const name = chains.nameOf(record)
  const below = await chains.below(record)
  const { full: _, ...before } = below // it may have been stored whole since
  const possible = [baseOn(below, record.bytes), baseOn(before, record.bytes)]
  if (!possible.some(({ root, deltas, bytes }) => root === base.root && deltas === base.deltas && bytes === base.bytes))
    throw wrongRevision(name, record, 'does not say rightly how far it is from a whole content', 'base')
  const parts = applyDelta(await chains.parts(below), await chains.delta(record), name)
  chains.keep(record, parts)
  if (full === undefined) return
  const whole = (await chains.formOf(record.type)).join(parts)
  if (digestOf(whole) !== full.digest)
    throw wrongRevision(name, record, 'is stored whole as something else than its change makes', 'full')
}

function wholeContent({ reference, bytes, digest }: FullContent): Pick<RevisionRecord, 'content' | 'bytes' | 'digest'> {
  return { content: { reference }, bytes, digest }
}

function digestOf(body: Uint8Array): string {
  return createHash('sha256').update(body).digest('base64')
}

function wrongRevision(key: string, { id }: RevisionRecord, what: string, differs: string): KeelstateError<'Corrupt'> {
  return new KeelstateError('Corrupt', {
    key,
    message: `Revision ${printable(id)} ${what}.`,
    details: { subject: 'revision', differs },
  })
}

/** What a report lists, as opposed to what stops it. */
function isFinding(error: unknown): error is KeelstateError {
  return ['Corrupt', 'DecryptFailed', 'RolledBack', 'Unsupported'].some(
    (code) => KeelstateError.is(error) && error.code === code,
  )
}
