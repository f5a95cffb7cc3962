import { createHash } from 'node:crypto'
import { Chains, type Opening } from './chains.ts'
import { decodeDelta } from './delta.ts'
import { type Condition, checkCondition } from './draft.ts'
import { KeelstateError, printable } from './errors.ts'
import type { Head } from './head.ts'
import type { HeadBody } from './head-body.ts'
import type { HeadWriter } from './head-writer.ts'
import { same } from './header.ts'
import { History } from './history.ts'
import { Parts } from './parts.ts'
import type { Deadline } from './retry.ts'
import { infoOf, type RevisionInfo } from './revision.ts'
import type { Against, SaveContent } from './save-file.ts'
import type { DocumentKeys } from './sealer.ts'
import { outcomeOn, parseWriteName } from './write-outcome.ts'

/** A save in the light of a head. */
export type Judged =
  /** An earlier attempt brought it in. The revision is absent when it was pruned since. */
  | { readonly outcome: 'landed'; readonly revision?: RevisionInfo }
  /** What is current is the same, byte for byte. */
  | { readonly outcome: 'unchanged'; readonly revision: RevisionInfo }
  /** It may be committed on this head. */
  | { readonly outcome: 'free'; readonly replaced?: RevisionInfo }

/** What a save is judged on: a head that was read, or one in the making. */
export interface JudgedOn {
  /** What is stored. */
  readonly base: Head | undefined
  readonly body: HeadBody
  readonly keys: DocumentKeys | undefined
  /** Of the head that `body` is of. */
  readonly seq: number
}

export interface JudgedSave {
  readonly name: string
  readonly saved: SaveContent
  readonly against: Against
  readonly writes: readonly string[]
  /** Id of the revision that it may replace, or `none`, instead of what it says itself. */
  readonly replace: string | undefined
}

/**
 * Judges a save: first what became of the writes that were begun for it, then whether it may still be committed. A write whose place is free does not
 * stand in the way: the commit takes that very place, so that only one of the two can land.
 *
 * @throws {KeelstateError} `OutcomeUnknown` when a write is too long ago to tell; `Conflict` when something else is current.
 */
export async function judgeSave(
  save: JudgedSave,
  on: JudgedOn,
  writer: HeadWriter,
  opening: Opening,
  deadline: Deadline,
): Promise<Judged> {
  for (const write of save.writes) {
    const name = parseWriteName(write)
    const outcome = await outcomeOn(on.base, name, writer, deadline)
    if (outcome === 'landed') {
      const revision = await revisionOf(on.base!, name.seq, save.saved, writer, deadline)
      return { outcome, ...(revision && { revision }) }
    }
    if (outcome === 'undecided' && (on.base?.header.seq ?? 0) >= name.seq) throw tooLongAgo(save.name, write)
  }
  const { current } = on.body
  const replaced = current && infoOf(current, on)
  try {
    checkAgainst(save, on.body)
    return { outcome: 'free', ...(replaced && { replaced }) }
  } catch (error) {
    if (current === undefined || on.keys === undefined || save.saved.label !== undefined) throw error
    const chains = chainsOf(on as JudgedOn & { keys: DocumentKeys }, writer, opening, deadline)
    const body = await wholeBody(save, on, writer, opening, deadline).catch((failure: unknown) => {
      throw KeelstateError.is(failure, 'NotFound') ? error : failure // what it is a change of was pruned
    })
    if (current.type !== save.saved.type || !same(await chains.body(current), body)) throw error
    return { outcome: 'unchanged', revision: replaced! }
  }
}

/**
 * The body of a save; of a change of parts, what it makes of the revision that it is a change of.
 *
 * @throws {KeelstateError} `NotFound` when that revision is not kept any more.
 */
export async function wholeBody(
  { name, saved, against }: Pick<JudgedSave, 'name' | 'saved' | 'against'>,
  on: Pick<JudgedOn, 'body' | 'keys'>,
  writer: HeadWriter,
  opening: Opening,
  deadline: Deadline,
): Promise<Uint8Array> {
  if (saved.form === 'body') return saved.bytes
  const change = decodeDelta(saved.bytes, name)
  const form = await formOf(saved.type, name, opening)
  if (on.keys === undefined || against.parent === null || against.parent === undefined)
    return form.join(Parts.of([]).apply(change))
  const { body, keys } = on
  const history = new History(writer.access, writer.segments, { body, keys }, deadline)
  const { record } = await history.byReference(against.parent, name)
  const chains = new Chains(writer.access, history, keys, deadline, opening)
  const inParts = record.base !== undefined || record.parts === true
  const parts = inParts ? await chains.parts(record) : Parts.of(form.split(form.normalise(await chains.body(record))))
  return form.join(parts.apply(change))
}

/** @throws {KeelstateError} `Unsupported`. */
export async function formOf(
  type: string,
  name: string,
  opening: Opening,
): Promise<NonNullable<Awaited<ReturnType<Opening['forms']>>>> {
  const form = await opening.forms(type)
  if (form !== undefined) return form
  throw new KeelstateError('Unsupported', {
    key: name,
    message: `What is kept of ${name} is a change of type ${JSON.stringify(printable(type))}, whose form this build does not know.`,
    hint: 'Upgrade keelstate.',
  })
}

/** @throws {KeelstateError} `Conflict` when what it is to replace is not what is current, or was left in between. */
function checkAgainst({ name, saved, against, replace }: JudgedSave, body: HeadBody): void {
  if (saved.action === 'add') return // replaces nothing
  const condition = conditionOf(against, replace)
  if (condition !== undefined) checkCondition(body, condition, name)
  else if (body.currentSeq > against.seenSeq!) throw movedSince(name, body)
}

/** `undefined` = what is current must not have changed since `against.seenSeq`. */
function conditionOf({ parent, seenSeq }: Against, replace: string | undefined): Condition | undefined {
  if (replace !== undefined) return replace === 'none' ? { kind: 'none' } : { kind: 'id', id: replace }
  if (parent === undefined && seenSeq !== undefined) return undefined
  if (parent === undefined || parent === null) return { kind: 'none' }
  return seenSeq === undefined ? { kind: 'id', id: parent } : { kind: 'unmoved', id: parent, seenSeq }
}

function movedSince(name: string, { current }: HeadBody): KeelstateError<'Conflict'> {
  const now =
    current === undefined
      ? 'there is no current revision'
      : `${printable(current.id)} by ${printable(current.by)} at ${printable(current.at)} is current`
  return new KeelstateError('Conflict', {
    key: name,
    message: `${name} has moved since this machine saw it last: ${now}.`,
    details: current === undefined ? {} : { current: current.id, by: current.by, at: current.at },
    hint: 'Look at what changed, and say what may be replaced.',
  })
}

/** The revision that a head write added for this save. Writers that shared the write added theirs in it, too. */
async function revisionOf(
  head: Head,
  seq: number,
  saved: SaveContent,
  writer: HeadWriter,
  deadline: Deadline,
): Promise<RevisionInfo | undefined> {
  const digest = createHash('sha256').update(saved.bytes).digest('base64')
  let found: RevisionInfo | undefined
  for await (const { record } of new History(writer.access, writer.segments, head, deadline).newestFirst()) {
    if (record.seq < seq) break
    if (record.seq !== seq) continue
    found = infoOf(record, head)
    if (record.digest === digest) break
  }
  return found
}

function chainsOf(
  on: { body: HeadBody; keys: DocumentKeys },
  writer: HeadWriter,
  opening: Opening,
  deadline: Deadline,
): Chains {
  return new Chains(
    writer.access,
    new History(writer.access, writer.segments, on, deadline),
    on.keys,
    deadline,
    opening,
  )
}

function tooLongAgo(name: string, write: string): KeelstateError<'OutcomeUnknown'> {
  return new KeelstateError('OutcomeUnknown', {
    operation: 'document.recover',
    key: name,
    message: `It cannot be told any more whether an earlier attempt to save this was stored: ${name} keeps no trace of that write.`,
    details: { write },
    hint: `Look at the history (keelstate history ${name}); then commit the body anew, or discard the save.`,
  })
}
