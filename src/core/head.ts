import { createHash } from 'node:crypto'
import type { Access } from './access.ts'
import { KeelstateError } from './errors.ts'
import { decodeHeadBody, encodeHeadBody, type HeadBody } from './head-body.ts'
import {
  checkIdentity,
  corrupt,
  decodeHeader,
  type HeadHeader,
  hex,
  ID_BYTES,
  nextSlots,
  SLOT_BYTES,
  same,
  slotOf,
} from './header.ts'
import { lineageBreak, rolledBack, toRemember } from './memory.ts'
import { type Deadline, isNotExecuted, isTransient } from './retry.ts'
import type { DocumentKeys } from './sealer.ts'
import type { PutCondition, VersionToken } from './store.ts'

const ABORT_GRACE_MS = 2_500 // half of the 5 s in which an aborted write settles; the rest is for reading back
const HEAD_BYTES = 32 * 1024 // the most a head may take; also what a read is expected to bring

/** A head as it was read or written, opened. */
export interface Head {
  readonly header: HeadHeader
  readonly body: HeadBody
  readonly token: VersionToken
  readonly keys: DocumentKeys
  /** Stored size. */
  readonly bytes: number
}

/** A sealed head that is about to be written; its bytes never change after the first attempt. */
export interface HeadWrite {
  readonly base: Head | undefined
  readonly header: HeadHeader
  readonly body: HeadBody
  readonly keys: DocumentKeys
  readonly bytes: Uint8Array
}

/** What became of a head write. An unknown outcome is thrown as `OutcomeUnknown`. */
export type Verdict =
  /** It landed. `head` is what was read or written last, which may be a later one. */
  | { verdict: 'ok'; head: Head }
  /** Another write took its place: this one can never land. */
  | { verdict: 'conflict'; head: Head }

/** Finds the write id of a seq that the head's slots no longer keep, in the segments' index. */
export type FindWriteId = (head: Head, seq: number) => Promise<Uint8Array | undefined>

/**
 * Reads and opens the head; `undefined` when the document was never created.
 *
 * @param known What was read before; an unchanged head costs no body.
 * @throws {KeelstateError} `RolledBack` when it does not follow from what this reader saw before the request was sent.
 */
export async function readHead(access: Access, known: Head | undefined, deadline: Deadline): Promise<Head | undefined> {
  const seen = access.memory.recall(access.identity)
  const head = await readHeadAsItIs(access, known, deadline)
  const broken = seen && lineageBreak(head?.header, seen)
  if (seen !== undefined && broken !== undefined) throw rolledBack(access.headKey, broken, seen, head?.header)
  if (head !== undefined) access.memory.remember(access.identity, toRemember(head.header))
  return head
}

/** Reads and opens the head without asking what was seen before: for whoever decides whether that still counts. */
export async function readHeadAsItIs(
  access: Access,
  known: Head | undefined,
  deadline: Deadline,
): Promise<Head | undefined> {
  const answer = await deadline.repeat('head.read', access.headKey, HEAD_BYTES, (options) =>
    access.store.get(access.headKey, { ...options, unlessToken: known?.token }),
  )
  if (answer === 'unchanged') return known!
  return answer === undefined ? undefined : await openHead(access, answer.bytes, answer.token, known, deadline)
}

/** Opens the stored bytes of a head. */
async function openHead(
  access: Access,
  bytes: Uint8Array,
  token: VersionToken,
  known: Head | undefined,
  deadline: Deadline,
): Promise<Head> {
  const message = decodeHeader(bytes, access.headKey)
  checkIdentity(message.header, access.scope, access.headKey)
  const header = message.header as HeadHeader
  const reusable =
    known !== undefined && same(known.header.keyId, header.keyId) && same(known.header.keyTable, header.keyTable)
  const keys = reusable
    ? known.keys
    : await deadline.within('key.unwrap', access.headKey, (options) =>
        access.sealer.unwrap(access.scope, header.keyTable, header.keyId, options),
      )
  const body = decodeHeadBody(await keys.open(message, access.headKey), access.headKey)
  if (header.hasCurrent !== (body.current !== undefined))
    throw corrupt(access.headKey, 'contradicts itself about a current revision', 'hasCurrent')
  return { header, body, token, keys: keys.withEarlier(body.keys), bytes: bytes.length }
}

/** Seals the head that follows `base` with this body. */
export async function sealHead(
  access: Access,
  base: Head | undefined,
  body: HeadBody,
  keys: DocumentKeys,
  birth: Uint8Array,
  epoch: bigint,
): Promise<HeadWrite> {
  const plain = encodeHeadBody(body)
  // Hashed with the body, so that a cloned process cannot give one id to two different writes.
  const writeId = createHash('sha256')
    .update(access.environment.randomBytes(32))
    .update(plain)
    .digest()
    .subarray(0, ID_BYTES)
  const seq = (base?.header.seq ?? 0) + 1
  const fields = {
    type: 'head' as const,
    scope: access.scope,
    birth,
    seq,
    writeId,
    epoch,
    hasCurrent: body.current !== undefined,
    slots: nextSlots(base?.header, seq, writeId),
  }
  const { bytes } = await keys.seal(fields, plain)
  if (bytes.length > HEAD_BYTES) {
    throw new KeelstateError('TooLarge', {
      key: access.headKey,
      message: `The head would take ${bytes.length} bytes; ${HEAD_BYTES} is the limit.`,
      details: { bytes: bytes.length, maxBytes: HEAD_BYTES },
      hint: 'Remove labels, or shorten messages.',
    })
  }
  return { base, header: { ...fields, keyId: keys.keyId, keyTable: keys.keyTable }, body, keys, bytes }
}

/**
 * Writes a head on its base, and finds out whether it landed.
 *
 * A conditional write whose answer is lost comes back as "precondition failed" against our own write, so a failure alone proves
 * nothing. A write on `base` can only ever sit in slot `base.seq + 1`: see docs/decisions/0002-commit-verdicts.md.
 *
 * When the deadline's signal fires, nothing is sent again, and the outcome is settled within 5 s.
 *
 * @param guard Called before each attempt; what it throws (a lost lease) is a refusal like the service's own.
 * @throws {KeelstateError} `OutcomeUnknown` with the write's id; `RolledBack` when the base is no ancestor of what is there now; else the
 *   service's definite refusal, which is only given when no earlier attempt can have been executed.
 */
export async function writeHead(
  access: Access,
  write: HeadWrite,
  deadline: Deadline,
  findWriteId: FindWriteId,
  guard?: () => Promise<void>,
): Promise<Verdict> {
  let condition: PutCondition = write.base === undefined ? { ifAbsent: true } : { ifMatch: write.base.token }
  let mayHaveLanded = false // an attempt's outcome is unknown, or it was refused for a state that may be our own doing
  let unanswered = false
  for (;;) {
    let failure: unknown
    try {
      await guard?.()
      const token = await deadline.attempt(
        'head.write',
        access.headKey,
        write.bytes.length,
        (options) => access.store.put(access.headKey, write.bytes, condition, options),
        ABORT_GRACE_MS,
      )
      const head = {
        header: write.header,
        body: write.body,
        token,
        keys: write.keys.withEarlier(write.body.keys),
        bytes: write.bytes.length,
      }
      access.memory.remember(access.identity, toRemember(head.header))
      return { verdict: 'ok', head }
    } catch (error) {
      failure = error
    }
    // The service said that the condition did not hold. That may be the answer to our own earlier attempt, made by us or by something between.
    const refusedByState = KeelstateError.is(failure, 'PreconditionFailed') || isObjectNotFound(failure)
    if (!refusedByState && isNotExecuted(failure) && !mayHaveLanded) {
      if (!isTransient(failure) || deadline.left <= 0 || deadline.aborted) throw failure
      await deadline.backoff(failure)
      continue
    }
    mayHaveLanded = true
    if (!refusedByState && !isNotExecuted(failure)) unanswered = true
    const now = await readBack(access, write, deadline, !unanswered)
    const settled = await settle(access, write, now, findWriteId)
    if ('verdict' in settled) return settled

    // Not landed, or not yet: the same bytes go out again, on whatever token the base has now.
    const refusedForGood = isNotExecuted(failure) && !refusedByState && !isTransient(failure)
    if (refusedForGood || deadline.left <= 0 || deadline.aborted) throw unknownOutcome(access, write, failure)
    condition = settled.base === undefined ? { ifAbsent: true } : { ifMatch: settled.base.token }
    await deadline.backoff(failure)
  }
}

/** Reads the head after an attempt whose outcome is not known. An abort of the caller leaves it 5 s. */
async function readBack(
  access: Access,
  write: HeadWrite,
  deadline: Deadline,
  answered: boolean,
): Promise<Head | undefined> {
  try {
    if (!deadline.aborted && deadline.left > 0) return await readHead(access, write.base, deadline)
  } catch (error) {
    if (!KeelstateError.is(error, 'Aborted')) throw notReadBack(access, write, error, answered)
  }
  try {
    return await readHead(access, write.base, deadline.settling())
  } catch (error) {
    throw notReadBack(access, write, error, answered)
  }
}

/** @param answered Every attempt was answered: by a refusal. */
function notReadBack(access: Access, write: HeadWrite, error: unknown, answered: boolean): KeelstateError {
  // Somebody else created the document, with a key that we do not have: a head of ours would open.
  if (answered && write.base === undefined && KeelstateError.is(error, 'DecryptFailed')) return error
  return KeelstateError.is(error, 'RolledBack') ? withWrite(error, access, write) : unknownOutcome(access, write, error)
}

/** Judges a write by a head that was read after it. Without a verdict, its place is still free: `base` is the head to write on. */
async function settle(
  access: Access,
  write: HeadWrite,
  now: Head | undefined,
  findWriteId: FindWriteId,
): Promise<Verdict | { base: Head | undefined }> {
  const { base } = write
  if (base !== undefined) {
    const seen = toRemember(base.header)
    const broken = lineageBreak(now?.header, seen)
    if (broken !== undefined) throw rolledBack(access.headKey, broken, seen, now?.header, writeName(write))
    if (same(now!.header.writeId, base.header.writeId)) return { base: now }
  } else if (now === undefined) {
    return { base: undefined }
  }
  const head = now!
  const seq = write.header.seq
  let slot: Uint8Array | undefined
  try {
    slot = slotOf(head.header, seq) ?? (await findWriteId(head, seq))
  } catch (error) {
    throw unknownOutcome(access, write, error)
  }
  if (slot === undefined) throw unknownOutcome(access, write, undefined)
  return same(slot, write.header.writeId.subarray(0, SLOT_BYTES))
    ? { verdict: 'ok', head }
    : { verdict: 'conflict', head }
}

/** `<write id>@<seq>`: what `outcome` takes. */
export function writeName(write: Pick<HeadWrite, 'header'>): string {
  return `${hex(write.header.writeId)}@${write.header.seq}`
}

function unknownOutcome(access: Access, write: HeadWrite, cause: unknown): KeelstateError<'OutcomeUnknown'> {
  const name = writeName(write)
  return new KeelstateError('OutcomeUnknown', {
    operation: 'head.write',
    key: access.headKey,
    message: `It is not known whether the change to ${access.headKey} was stored. Nothing was cleaned up.`,
    details: { write: name },
    hint: `Read the document again before changing it; document.outcome('${name}') tells what became of this write.`,
    cause,
  })
}

function withWrite(
  error: KeelstateError<'RolledBack'>,
  access: Access,
  write: HeadWrite,
): KeelstateError<'RolledBack'> {
  return new KeelstateError('RolledBack', {
    key: access.headKey,
    message: error.message,
    details: { ...error.details, write: writeName(write) },
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    cause: error,
  })
}

function isObjectNotFound(error: unknown): boolean {
  return KeelstateError.is(error, 'NotFound') && error.details.subject === 'object'
}
