import { createHash } from 'node:crypto'

/** What a process is told to do to the document. Revisions are named by number. */
export type Operation =
  | { readonly do: 'commit'; readonly message: string; readonly bytes: number }
  | { readonly do: 'rollback'; readonly message: string; readonly to: number }
  | { readonly do: 'label'; readonly label: string; readonly to: number }
  | { readonly do: 'prune'; readonly keepLast: number }
  | { readonly do: 'collect' }

/**
 * Where a process kills itself: at this request of its script, counted from 1, or at the first that moves the head; before it is made, or when it was
 * answered. Such a process keeps no objects on its machine: what it asks the store for must not depend on what others have kept in time.
 */
export interface Doom {
  readonly request: number | 'write of the head'
  readonly when: 'before' | 'after'
}

/** What a process is told at its start. */
export interface Task {
  /** An address, as users write them. */
  readonly store: string
  readonly keys: string
  /** Folder for what readers remember. */
  readonly memory: string
  readonly document: string
  /** Make the store first. */
  readonly init: boolean
  readonly script: readonly Operation[]
  readonly dieAt?: Doom
}

/** What a process says, one JSON value a line. `ack` is said only after the call's promise has resolved. */
export type Line =
  | { readonly say: 'ready' }
  | { readonly say: 'initialised'; readonly storeId: string }
  | { readonly say: 'begin'; readonly operation: number }
  | { readonly say: 'ack'; readonly operation: number; readonly id?: string; readonly number?: number }
  | { readonly say: 'done' }

/** The content of the commit with this message: bytes that do not compress. */
export function contentOf(message: string, bytes: number): Uint8Array {
  return createHash('shake256', { outputLength: bytes }).update(message).digest()
}
