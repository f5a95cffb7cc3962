import type { ChangeOptions, MadeElsewhere } from './change-options.ts'
import type { Condition } from './draft.ts'
import { aborted, type ErrorCode, furtherHint, KeelstateError, retold } from './errors.ts'
import type { Draft, HeadWriter } from './head-writer.ts'
import { Deadline } from './retry.ts'
import type { Against, SaveContent } from './save-file.ts'
import type { SpoolFolder } from './spool.ts'

// What keeping takes is loaded before anything fails: the package may be on the disk that goes away, or be replaced meanwhile.
import './save-file.ts'
import './saved-change.ts'

const KEY_MS = 2_500 // for a key to seal under, when none is at hand, and as much for the store's id: an ended process has 5 s as a rule

/** Failures that the caller cannot mend by giving something else: what was to be saved is worth keeping. */
const KEPT: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'Unauthenticated',
  'AccessDenied',
  'Throttled',
  'Unavailable',
  'Timeout',
  'Aborted',
  'OutcomeUnknown',
  'NoSpace',
  'LeaseLost',
  'BucketMissing',
  'RolledBack',
])

/** Whether what was to be saved is kept after this failure. */
export function isKeptAfter({ code }: KeelstateError): boolean {
  return KEPT.has(code)
}

/** What a save says of its content. */
export interface SavingAbout extends Pick<ChangeOptions, 'message' | 'label' | 'signal'> {
  readonly action: SaveContent['action']
  readonly by: string
  readonly made?: MadeElsewhere | undefined
  readonly condition: Condition
}

/** What is to be kept: a body, or a change of parts. */
export type SavedBytes = Pick<SaveContent, 'form' | 'bytes' | 'type'>

type Kept = { file: string } | { why: string }

/**
 * The life of one commit as far as its value is concerned: it is in the store, or in the hands of the caller, or in the spool.
 *
 * When the caller's signal fires, the value is kept at once, beside the search for the outcome, which may take longer than whoever ends the process
 * waits. Should it land after all, the file goes. docs/decisions/0016-saves-that-survive.md
 */
export class Saving {
  readonly #spool: SpoolFolder
  readonly #name: string
  readonly #writer: (signal: AbortSignal) => Promise<HeadWriter>
  readonly #about: Omit<SavingAbout, 'condition'>
  #condition: Condition
  #content: (() => SavedBytes | Promise<SavedBytes>) | undefined
  #against: Against | undefined
  #write: string | undefined
  #keeping: Promise<Kept> | undefined
  #depth = 0

  constructor(
    spool: SpoolFolder,
    name: string,
    writer: (signal: AbortSignal) => Promise<HeadWriter>,
    { condition, ...about }: SavingAbout,
  ) {
    this.#spool = spool
    this.#name = name
    this.#writer = writer
    this.#about = about
    this.#condition = condition
  }

  /** What to keep, from now on. */
  carries(content: () => SavedBytes | Promise<SavedBytes>): void {
    this.#content = content
  }

  /** The commit has begun, on this condition: before, what it was to replace may not have been known. */
  replaces(condition: Condition): this {
    this.#condition = condition
    return this
  }

  /** The change was judged on this draft: what it replaces, unless another write comes first. */
  judgedOn({ base }: Draft): void {
    this.#against = againstHead(base)
  }

  /** A head write with the change is about to be sent. Only these count: an error may name another write, such as a lock's claim of the head. */
  readonly announce = (write: string): Promise<void> | void => {
    this.#write = write
    // Sent although it was given up, for the sake of others that share it: the file must know of it first.
    if (this.#keeping !== undefined) return this.#noteLater(write)
  }

  /**
   * Runs what is to bring the value into the store, and keeps it when that fails for a reason that is not the caller's. May be nested.
   *
   * @throws what `work` throws; with `details.spooled` and a hint when the value was kept, with `details.notSpooled` when it could not be.
   */
  async during<R>(work: () => Promise<R>): Promise<R> {
    const { signal } = this.#about
    const onAbort = () => void (this.#content && this.#keep())
    if (this.#depth++ === 0) signal?.addEventListener('abort', onAbort, { once: true })
    try {
      const result = await work()
      if (this.#depth === 1) await this.#discard()
      return result
    } catch (error) {
      throw await this.#failed(error)
    } finally {
      if (--this.#depth === 0) signal?.removeEventListener('abort', onAbort)
    }
  }

  async #failed(error: unknown): Promise<unknown> {
    const { signal } = this.#about
    // An interrupted read of a file or stream fails in Node's own words.
    const failure = !KeelstateError.is(error) && signal?.aborted ? aborted('commit', this.#name, error) : error
    if (!KeelstateError.is(failure) || this.#content === undefined) return failure
    const { spooled, notSpooled } = failure.details
    if (spooled !== undefined || notSpooled !== undefined) return failure
    if (!isKeptAfter(failure)) {
      if (this.#depth === 1) await this.#discard()
      return failure
    }
    const kept = await this.#keep()
    if ('why' in kept)
      return retold(failure, {
        details: { notSpooled: kept.why },
        hint: furtherHint(failure.hint, `It could not be kept either: ${kept.why}`),
      })
    return retold(failure, { details: { spooled: kept.file }, hint: keptHint(failure, kept.file, this.#name) })
  }

  /** Keeps the value, once. Never rejects. */
  #keep(): Promise<Kept> {
    this.#keeping ??= this.#keepNow().catch((error: unknown) => ({
      why: error instanceof Error ? error.message : String(error),
    }))
    return this.#keeping
  }

  async #keepNow(): Promise<Kept> {
    const { signal: _, ...about } = this.#about
    const made = this.#content!
    const writer = await this.#writer(AbortSignal.timeout(KEY_MS)).catch((error: unknown) => {
      throw KeelstateError.is(error, 'Aborted') ? new Error("The store's id could not be read in time.") : error
    })
    const bytes = await made()
    const { access, lastSeen } = writer
    const keys =
      lastSeen?.keys ??
      (await writer.keysFor(undefined, new Deadline(access.environment, { ...access.limits, operationMs: KEY_MS })))
    const file = await this.#spool.keep(access, keys, content({ ...about, ...bytes }), () => ({
      against: against(this.#condition, this.#against, writer),
      ...(this.#write === undefined ? {} : { write: this.#write }),
    }))
    return { file }
  }

  async #noteLater(write: string): Promise<void> {
    const kept = await this.#keeping!
    if (!('file' in kept)) return
    const { layout } = await this.#spool.read(kept.file)
    await this.#spool.note(kept.file, layout.header.id, write)
  }

  /** The value is where it should be, or was refused for good. */
  async #discard(): Promise<void> {
    const kept = await this.#keeping
    this.#keeping = undefined
    if (kept !== undefined && 'file' in kept) await this.#spool.discard(kept.file)
  }
}

/** What a change would have replaced, as far as that was known. */
function against(condition: Condition, judged: Against | undefined, writer: HeadWriter): Against {
  switch (condition.kind) {
    case 'none':
      return { parent: null }
    case 'id':
      return { parent: condition.id }
    case 'unmoved':
      return { parent: condition.id, seenSeq: condition.seenSeq }
    case 'any': {
      if (judged !== undefined) return judged
      if (writer.lastSeen !== undefined) return againstHead(writer.lastSeen)
      const remembered = writer.access.memory.recall(writer.access.identity)
      return remembered === undefined ? {} : { seenSeq: remembered.seq }
    }
  }
}

function againstHead(head: Draft['base']): Against {
  return head === undefined ? { parent: null } : { parent: head.body.current?.id ?? null, seenSeq: head.header.seq }
}

function content({ message, label, made, ...rest }: Loose): SaveContent {
  return {
    ...rest,
    ...(message === undefined ? {} : { message }),
    ...(label === undefined ? {} : { label }),
    ...(made === undefined ? {} : { made }),
  }
}

/** A `SaveContent` whose members may be there and undefined. */
type Loose = { [K in keyof SaveContent]: SaveContent[K] | undefined } & Pick<
  SaveContent,
  'action' | 'form' | 'bytes' | 'by' | 'type'
>

/** Ends with the next step: after a roll-back, that is what the error itself says. */
function keptHint({ code, hint }: KeelstateError, file: string, name: string): string {
  const where = `What was to be saved is kept in ${file}.`
  const command = `keelstate recover ${name}`
  if (code === 'RolledBack' && hint !== undefined)
    return `${where} Once the document is in order, ${command} brings it home. ${hint}`
  return furtherHint(hint, `${where} When the trouble is over: ${command}`)
}
