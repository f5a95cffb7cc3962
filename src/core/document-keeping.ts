import { type Encoded, encodeValue } from './additions.ts'
import { type AddOptions, checkAdd, conditionOf, type Parent } from './change-options.ts'
import { ReadableDocument } from './document-reader.ts'
import type { SavedBytes, Saving, SavingAbout } from './saving.ts'

/** What keeps a value that could not be saved, where the store has a folder for such. */
export class KeepingDocument<T, C = never> extends ReadableDocument<T, C> {
  /**
   * Runs work that ends in a commit of `value`, such as taking the lock for it. Should that fail before the commit is called, for a reason that keeps a value
   * in the spool, this one is kept too. Without a spool it runs the work and nothing else.
   *
   * @param value Must not be changed until the work is done.
   * @param options As for the commit. Without `parent`: whatever is current.
   * @param work Gets what the commit takes as its option `saving`.
   */
  async saving<R>(
    value: T | C,
    options: AddOptions & { parent?: Parent },
    work: (saving: Saving | undefined) => Promise<R>,
  ): Promise<R> {
    checkAdd(options)
    const making = this.saves('commit', options, conditionOf(options.parent ?? 'any'))
    if (making === undefined) return await work(undefined)
    const saving = await making
    saving.carries(async () => await this.savedBytes(await encodeValue(this.parts, value, options.type)))
    return await saving.during(() => work(saving))
  }

  /** @internal What keeps the value of a change that fails, if this store keeps such. */
  protected saves(
    action: SavingAbout['action'],
    options: AddOptions,
    condition: SavingAbout['condition'],
  ): Promise<Saving> | undefined {
    const { spool, writer, by } = this.parts
    if (spool === undefined) return undefined
    const { message, label, made, signal } = options
    const about = {
      ...{ action, condition, by: options.by ?? by, made },
      ...(message === undefined ? {} : { message }),
      ...(label === undefined ? {} : { label }),
      ...(signal === undefined ? {} : { signal }),
    }
    // Loaded by who changes something, and has a folder for it.
    return import('./saving.ts').then(({ Saving }) => new Saving(spool, this.name, writer, about))
  }

  /** @internal Runs `work`, and keeps what is encoded should it fail. */
  protected async kept<R>(saving: Saving | undefined, encoded: Encoded<T, C>, work: () => Promise<R>): Promise<R> {
    if (saving === undefined) return await work()
    saving.carries(() => this.savedBytes(encoded))
    return await saving.during(work)
  }

  /** @internal */
  protected async savedBytes(encoded: Encoded<T, C>): Promise<SavedBytes> {
    if ('body' in encoded) return { form: 'body', bytes: encoded.body, type: encoded.type }
    const { savedChange } = await import('./saved-change.ts') // few processes get into this
    return await savedChange(await this.parts.writer(), this.parts.opening, encoded)
  }
}
