import type { Part } from './parts.ts'

/**
 * How bodies of one type are cut into parts, so that a change of one part can be stored as that.
 *
 * **Contract.** `join(split(body))` is `body`, byte for byte, for every body that `normalise` gives. A body and its parts never change, so what `split`
 * gives may share memory with it. docs/format.md "Forms" says how those of the library do it; another form of the same name would misread what is stored.
 */
export interface BodyForm {
  /** The type that is recorded with such bodies. */
  readonly name: string

  /** Whether `join` puts parts in the order in which it gets them; otherwise in one of its own. */
  readonly ordered: boolean

  /** @throws {KeelstateError} `InvalidInput` when the body is not laid out in this form. */
  split(body: Uint8Array): Part[]

  join(parts: Iterable<Part>): Uint8Array

  /**
   * The same content as this form's own writer spells it: the body itself, if it is spelt so.
   *
   * @throws {KeelstateError} `InvalidInput` when the body is not of this type at all.
   */
  normalise(body: Uint8Array): Uint8Array

  /** Whether these parts of a body, apart from the others, are spelt as this form's own writer spells them. */
  spelt(parts: readonly Part[]): boolean
}

/** Finds the form of a type; `undefined` = bodies of this type are not cut. */
export type BodyForms = (type: string) => Promise<BodyForm | undefined>
