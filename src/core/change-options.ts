import type { Access } from './access.ts'
import type { Condition, Signature } from './draft.ts'
import { checkLabel } from './draft.ts'
import { KeelstateError } from './errors.ts'
import type { RevisionInfo } from './revision.ts'

const MAX_MESSAGE_BYTES = 1024 // it travels in every head until sixteen later ones
const MAX_BY_BYTES = 256
const MAX_TYPE_BYTES = 128

/** A revision, the id of one, `'none'` or `'any'`. */
export type Parent = RevisionInfo | string

export interface ChangeOptions {
  /** Why; at most 1,024 bytes. */
  message?: string
  /** Who; default the store's `by`. At most 256 bytes. */
  by?: string
  /** Names the new revision in the same write. */
  label?: string
  /** Recorded with the revision; default the codec's. At most 128 bytes. */
  type?: string
  signal?: AbortSignal
}

/** @throws {KeelstateError} `InvalidInput` before anything is sent. */
export function checkChange(options: ChangeOptions): void {
  const limits = { message: MAX_MESSAGE_BYTES, by: MAX_BY_BYTES, type: MAX_TYPE_BYTES } as const
  for (const [name, max] of Object.entries(limits) as [keyof typeof limits, number][]) {
    const value = options[name]
    if (value === undefined) continue
    if (
      typeof value !== 'string' ||
      !value.isWellFormed() ||
      Buffer.byteLength(value) > max ||
      (name === 'type' && value === '')
    ) {
      throw new KeelstateError('InvalidInput', {
        message: `${name} must be text of at most ${max} bytes${name === 'type' ? ', not empty' : ''}.`,
      })
    }
  }
  if (options.label !== undefined) checkLabel(options.label)
}

/** @throws {KeelstateError} `InvalidInput` when `parent` says nothing. */
export function conditionOf(parent: Parent): Condition {
  if (parent === 'any') return { kind: 'any' }
  if (parent === 'none') return { kind: 'none' }
  if (typeof parent === 'string' && parent !== '') return { kind: 'id', id: parent }
  if (
    typeof parent === 'object' &&
    parent !== null &&
    typeof parent.id === 'string' &&
    Number.isSafeInteger(parent.seenSeq)
  ) {
    return { kind: 'unmoved', id: parent.id, seenSeq: parent.seenSeq }
  }
  throw new KeelstateError('InvalidInput', {
    message: 'A commit must say what it replaces.',
    hint: "Pass parent: the revision you read, its id, 'none' for a new document, or 'any' to replace whatever is current.",
  })
}

export function signatureOf(access: Access, options: ChangeOptions, by: string): Signature {
  return { at: new Date(access.environment.now()).toISOString(), by: options.by ?? by, message: options.message ?? '' }
}
