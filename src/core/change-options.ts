import type { Access } from './access.ts'
import type { Condition, Signature } from './draft.ts'
import { checkLabel } from './draft.ts'
import { KeelstateError, printable } from './errors.ts'
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

/** For copies and imports: a revision that was made elsewhere keeps its name and its time. */
export interface MadeElsewhere {
  /** Of the form that the document's ids have; refused with `Conflict` when a kept revision has it. */
  id: string
  /** RFC 3339, UTC. */
  at: string
}

export interface AddOptions extends ChangeOptions {
  made?: MadeElsewhere
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

const UTC_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/

/** @throws {KeelstateError} `InvalidInput` before anything is sent. */
export function checkAdd(options: AddOptions): void {
  checkChange(options)
  const { made } = options
  if (made === undefined || (UTC_TIME.test(made.at) && !Number.isNaN(Date.parse(made.at)))) return
  throw new KeelstateError('InvalidInput', {
    message: `made.at must be a time in UTC such as 2026-05-30T12:00:00.5Z, not ${JSON.stringify(printable(String(made.at), 60))}.`,
  })
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

export function signatureOf(
  access: Access,
  options: ChangeOptions,
  by: string,
  now: number = access.environment.now(),
): Signature {
  return { at: new Date(now).toISOString(), by: options.by ?? by, message: options.message ?? '' }
}
