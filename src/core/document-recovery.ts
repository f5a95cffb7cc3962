import { createHash } from 'node:crypto'
import { additionOf, type Encoded } from './additions.ts'
import type { AddOptions } from './change-options.ts'
import { decodeDelta } from './delta.ts'
import type { Change } from './diff.ts'
import { ChangeableDocument } from './document-changes.ts'
import { KeelstateError } from './errors.ts'
import type { Head } from './head.ts'
import { EMPTY_BODY } from './head-body.ts'
import type { HeadWriter } from './head-writer.ts'
import { same } from './header.ts'
import type { Judged, JudgedOn, JudgedSave } from './judged-save.ts'
import type { RevisionRecord } from './record.ts'
import type { Deadline } from './retry.ts'
import { infoOf, type RevisionInfo } from './revision.ts'
import type { SaveContent } from './save-file.ts'
import type { SpooledSave, SpoolFolder } from './spool.ts'
import type { CallOptions } from './store.ts'

export interface RecoverOptions extends CallOptions {
  /** Id of the revision that it may replace, or `none`, whatever it was to replace when it was kept. */
  replace?: string
  /** Says what would become of it, and changes nothing. */
  dryRun?: boolean
}

/** What became of a save. But for a dry run, its file is gone. */
export interface Recovered {
  /**
   * `committed`: now. `landed`: it was in the document already, by an attempt whose answer was lost. `unchanged`: what is current is the same, byte for
   * byte.
   */
  readonly outcome: 'committed' | 'landed' | 'unchanged'
  /** The revision that holds it. Absent in a dry run that would commit, and when it landed and was pruned since. */
  readonly revision?: RevisionInfo
  /** What was (would be) replaced. */
  readonly replaced?: RevisionInfo
}

/** What a save holds, opened. */
export interface OpenedSave {
  /** The whole body; of a change of parts, what it makes of the revision that it is of. */
  readonly body: Uint8Array
  readonly type: string
  /** SHA-256 of the body, hex. */
  readonly digest: string
  readonly message: string
  readonly label?: string
  readonly by: string
}

/** A save beside what is current. Its body is what `replace` would commit: of a change of parts, what it makes of what is current. */
export interface ComparedSave extends OpenedSave {
  readonly current?: RevisionInfo
  /** The contents are the same bytes. */
  readonly equal: boolean
  /** From what is current to the save; present when both are JSON. */
  readonly changes?: Change[]
}

/** Changes of documents, and those that an earlier process could not bring home. docs/decisions/0016-saves-that-survive.md */
export class RecoverableDocument<T, C = never> extends ChangeableDocument<T, C> {
  /**
   * Brings a save into the document, once: when it landed by an earlier attempt, whoever made it, that is all; otherwise it is committed, provided that
   * what it was to replace is still current and was not left since.
   *
   * Each head write is noted in the save's file before it is sent, so that a process that dies, or never gets the answer, leaves behind what the next one
   * needs to know. The file is removed when it is known that the save landed. A copy of the file is a save of its own: of what `add` would have added, which
   * replaces nothing, each copy is added.
   *
   * @throws {KeelstateError} `Conflict` when something else is current; `OutcomeUnknown` when it cannot be told whether an earlier attempt landed, or
   *   this one did; `NotFound` (subject `save`) when somebody else recovered or discarded it; `Corrupt`, `DecryptFailed`. The file stays.
   */
  async recover(save: SpooledSave, options: RecoverOptions = {}): Promise<Recovered> {
    const spool = this.#spool()
    const { judgeSave } = await import('./judged-save.ts') // few processes recover anything
    const writer = await this.parts.writer(options.signal)
    const { saved, against } = await spool.open(save.file, writer.access)
    const judge = async (on: JudgedOn, deadline: Deadline): Promise<Judged> => {
      const { writes } = await spool.read(save.file) // whoever else recovers it has noted there what is sent
      const judged = { name: this.name, saved, against, writes, replace: options.replace }
      return await judgeSave(judged, on, writer, this.parts.opening, deadline)
    }
    let judged = await this.reading(options, async (head, _, deadline) => await judge(standing(head), deadline))
    if (judged.outcome === 'free' && !options.dryRun) judged = await this.#commitSave(save, saved, judge, options)
    const { outcome, ...found } = judged
    if (!options.dryRun) await spool.discard(save.file)
    return { outcome: outcome === 'free' ? 'committed' : outcome, ...found }
  }

  /** Removes a save without using it. */
  async discardSave(save: SpooledSave): Promise<void> {
    await this.#spool().discard(save.file)
  }

  /**
   * Opens a save.
   *
   * @throws {KeelstateError} `NotFound` when it, or the revision that it is a change of, is there no more; `Corrupt`, `DecryptFailed`.
   */
  async openSave(save: SpooledSave, options: CallOptions = {}): Promise<OpenedSave> {
    const writer = await this.parts.writer(options.signal)
    const opened = { name: this.name, ...(await this.#spool().open(save.file, writer.access)) }
    if (opened.saved.form === 'body') return describe(opened.saved, opened.saved.bytes)
    return await this.reading(options, async (head, _, deadline) =>
      describe(opened.saved, await this.#whole(opened, head, writer, deadline)),
    )
  }

  /**
   * Compares what is current with a save, as `recover` would commit it with `replace`: member by member where both are JSON.
   *
   * @throws {KeelstateError} `InvalidInput` when it is a change of parts, and what is current cannot be changed by parts.
   */
  async compareSave(save: SpooledSave, options: CallOptions = {}): Promise<ComparedSave> {
    const writer = await this.parts.writer(options.signal)
    const opened = { name: this.name, ...(await this.#spool().open(save.file, writer.access)) }
    const { diffJson } = await import('./diff.ts')
    return await this.reading(options, async (head, _, deadline) => {
      const current = head?.body.current
      const body = await this.#whole({ ...opened, against: { parent: current?.id ?? null } }, head, writer, deadline)
      const now = current && (await this.chains(writer, head!, deadline).body(current))
      const changes = now && diffJson(now, body)
      return {
        ...describe(opened.saved, body),
        ...(current === undefined ? {} : { current: infoOf(current, head!) }),
        equal: now !== undefined && same(now, body),
        ...(changes === undefined ? {} : { changes }),
      }
    })
  }

  async #commitSave(
    save: SpooledSave,
    saved: SaveContent,
    judge: (on: JudgedOn, deadline: Deadline) => Promise<Judged>,
    { signal }: RecoverOptions,
  ): Promise<Judged> {
    const writer = await this.parts.writer(signal)
    const what = additionOf(this.parts, await this.#encoded(saved), writer)
    const { message, label, by, made } = saved
    const options: AddOptions = {
      by,
      ...(message === undefined ? {} : { message }),
      ...(label === undefined ? {} : { label }),
      ...(made === undefined ? {} : { made }),
    }
    await what.prepare(signal)
    try {
      const { result, write } = await this.submit<{ record: RevisionRecord; replaced?: RevisionInfo }>(
        writer,
        {
          weight: what.weight,
          apply: async (draft, deadline) => {
            const judged = await judge(draft, deadline)
            if (judged.outcome !== 'free') throw new AlreadyThere(judged)
            await this.refuseTaken(writer, draft, deadline, options)
            if (saved.action === 'commit') return await this.addAndMove(writer, draft, what, options, deadline)
            const { body, result: record } = await this.addOnly(writer, draft, what, options, deadline)
            return { body, result: { record } }
          },
          announce: async (write) => await this.#spool().note(save.file, save.id, write),
        },
        signal,
      )
      const revision = infoOf(result.record, { body: write.body, seq: write.header.seq })
      return { outcome: 'free', revision, ...(result.replaced && { replaced: result.replaced }) } as Judged
    } catch (error) {
      if (error instanceof AlreadyThere) return error.judged
      throw error
    }
  }

  /** As the codec that wrote it would have encoded it. */
  async #encoded(saved: SaveContent): Promise<Encoded<T, C>> {
    const { form, bytes, type } = saved
    if (form === 'body') return { body: bytes, type, value: undefined as T } // nobody asks this revision for its value
    const change = decodeDelta(bytes, this.name)
    const { formOf } = await import('./judged-save.ts')
    const body = await formOf(type, this.name, this.parts.opening)
    const changes = { form: body, is: () => true, encode: () => encoded, open: () => undefined as T, lazy: true }
    const encoded = { bytes: bytes.length, on: () => change }
    return { change: encoded, changes }
  }

  async #whole(
    opened: Pick<JudgedSave, 'name' | 'saved' | 'against'>,
    head: Head | undefined,
    writer: HeadWriter,
    deadline: Deadline,
  ): Promise<Uint8Array> {
    const { wholeBody } = await import('./judged-save.ts')
    return await wholeBody(opened, standing(head), writer, this.parts.opening, deadline)
  }

  #spool(): SpoolFolder {
    if (this.parts.spool !== undefined) return this.parts.spool
    throw new KeelstateError('InvalidOptions', {
      key: this.name,
      message: 'This store was opened without a folder for saves.',
      details: { option: 'spool' },
      hint: 'Name it: openStore({ …, spool: FOLDER }), or KEELSTATE_SPOOL.',
    })
  }
}

/** Ends a commit that need not be made. */
class AlreadyThere extends Error {
  readonly judged: Judged

  constructor(judged: Judged) {
    super('the save is in the document')
    this.judged = judged
  }
}

function standing(head: Head | undefined): JudgedOn {
  return { base: head, body: head?.body ?? EMPTY_BODY, keys: head?.keys, seq: head?.header.seq ?? 0 }
}

function describe({ type, message = '', label, by }: SaveContent, body: Uint8Array): OpenedSave {
  const digest = createHash('sha256').update(body).digest('hex')
  return { body, type, digest, message, by, ...(label === undefined ? {} : { label }) }
}
