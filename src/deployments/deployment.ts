import type { ChangeOptions } from '../core/change-options.ts'
import type { Codec } from '../core/codec.ts'
import type { VersionedDocument } from '../core/document.ts'
import { KeelstateError } from '../core/errors.ts'
import type { LockedDocument } from '../core/locked-document.ts'
import type { Store } from '../core/state-store.ts'
import type { CallOptions } from '../core/store.ts'
import type { Backend, DeploymentLockOptions, Lock } from './backend.ts'
import { decodeSnapshot, encodeSnapshot } from './codec.ts'
import { type Encrypter, noop } from './encrypter.ts'
import { timeRevisionIds } from './revision-ids.ts'
import type { Snapshot } from './snapshot.ts'
import { changedSnapshot, isSnapshotChange, type SnapshotChange, snapshotCodec } from './snapshot-change.ts'

export interface DeploymentName {
  /** The engine or program whose stacks these are. */
  factory: string
  stack: string
}

export interface DeploymentOptions extends DeploymentName {
  /** What the contract does to a snapshot before it is stored; default none: the store seals it anyway. */
  encrypter?: Encrypter
}

/**
 * Contract 000's backend on a store: the document `factory/stack`.
 *
 * @throws {KeelstateError} `InvalidName`.
 */
export function deployment(store: Store, options: DeploymentOptions): Deployment {
  const { factory, stack, encrypter = noop } = options
  const name = { kind: 'state', segments: [factory, stack] }
  const document = store.document(name, snapshots(encrypter), { revisionIds: timeRevisionIds })
  return new Deployment(stack, document, encrypter === noop)
}

/** One deployment's snapshots. Made by `deployment` or `openBackend`. */
export class Deployment implements Backend {
  /** The document underneath, with its history, labels and rollback. */
  readonly document: VersionedDocument<Snapshot, SnapshotChange>
  readonly #stack: string
  readonly #keyed: boolean
  #held: LockedDocument<Snapshot, SnapshotChange> | undefined

  /** @internal */
  constructor(stack: string, document: VersionedDocument<Snapshot, SnapshotChange>, keyed: boolean) {
    this.#stack = stack
    this.#keyed = keyed
    this.document = document
  }

  stack(): string {
    return this.#stack
  }

  async current(options: CallOptions = {}): Promise<Snapshot> {
    const revision = await this.#opening('current', this.document.read(options))
    if (revision === undefined) throw this.#noCurrent()
    if (this.#held !== undefined) await this.document.makeReady(options) // who holds the lock is going to change it
    return revision.value
  }

  async currentRev(options: CallOptions = {}): Promise<string> {
    try {
      return (await this.document.info('current', options)).id
    } catch (error) {
      throw isNoRevision(error) ? this.#noCurrent() : error
    }
  }

  async get(rev: string, options: CallOptions = {}): Promise<Snapshot> {
    return (await this.#opening(rev, this.document.revision(rev, options))).value
  }

  async write(snapshot: Snapshot, options: CallOptions = {}): Promise<string> {
    return (await (this.#held ?? this.document).add(snapshot, signalOf(options))).id
  }

  async setCurrent(rev: string, options: CallOptions = {}): Promise<void> {
    try {
      await (this.#held ?? this.document).setCurrent(rev, options)
    } catch (error) {
      if (!isNoRevision(error)) throw error
      throw new KeelstateError('NotFound', {
        operation: 'deployment.setCurrent',
        key: this.document.name,
        message: `set-current ${rev}: ${error.message}`,
        details: error.details,
        ...(error.hint === undefined ? {} : { hint: error.hint }),
        cause: error,
      })
    }
  }

  async commit(snapshot: Snapshot | SnapshotChange, options: CallOptions & { message?: string } = {}): Promise<string> {
    const change = { ...signalOf(options), ...(options.message === undefined ? {} : { message: options.message }) }
    if (!this.#keyed && isSnapshotChange(snapshot)) return await this.#commitWhole(snapshot, change)
    const revision = await (this.#held?.commit(snapshot, change) ??
      this.document.commit(snapshot, { ...change, parent: 'any' }))
    return revision.id
  }

  /** What an encrypter makes cannot be changed by parts. */
  async #commitWhole(change: SnapshotChange, options: ChangeOptions): Promise<string> {
    const next = (now: Snapshot | undefined) => {
      if (now === undefined) throw this.#noCurrent()
      return changedSnapshot(now, change)
    }
    if (this.#held !== undefined) {
      const now = await this.document.read(signalOf(options))
      return (await this.#held.commit(next(now?.value), { ...options, parent: now ?? 'none' })).id
    }
    return (await this.document.update(next, options)).id
  }

  async list(options: CallOptions = {}): Promise<string[]> {
    const newestFirst: string[] = []
    for await (const { id } of this.document.history(options)) newestFirst.push(id)
    return newestFirst.reverse()
  }

  async delete(rev: string, options: CallOptions = {}): Promise<void> {
    await (this.#held ?? this.document).drop([rev], options)
  }

  async lock(options: DeploymentLockOptions = {}): Promise<Lock> {
    const { operation = 'deployment', waitMs = Number.POSITIVE_INFINITY, ...rest } = options
    const held = await this.document.lock({ ...rest, operation, waitMs, content: false }) // who needs the snapshot asks for it
    this.#held = held
    const unlock = async (unlocking: CallOptions = {}) => {
      if (this.#held === held) this.#held = undefined
      await held.release(unlocking)
    }
    return {
      owner: held.owner,
      signal: held.signal,
      unlock,
      [Symbol.asyncDispose]: async () => {
        if (this.#held === held) this.#held = undefined
        await held[Symbol.asyncDispose]()
      },
    }
  }

  async forceUnlock(options: CallOptions & { owner?: string } = {}): Promise<void> {
    if (options.owner !== undefined) return await this.document.forceUnlock(options.owner, options)
    const holder = await this.document.holder(options)
    if (holder?.held) await this.document.forceUnlock(holder.owner, options)
  }

  /** Says which revision the encrypter could not open. */
  async #opening<T>(rev: string, reading: Promise<T>): Promise<T> {
    try {
      return await reading
    } catch (error) {
      if (!KeelstateError.is(error, 'DecryptFailed') || error.key !== undefined) throw error
      throw new KeelstateError('DecryptFailed', {
        operation: 'deployment.get',
        key: this.document.name,
        message: `decrypt ${rev}: ${error.message}`,
        details: error.details,
        ...(error.hint === undefined ? {} : { hint: error.hint }),
        cause: error,
      })
    }
  }

  #noCurrent(): KeelstateError<'NoCurrent'> {
    return new KeelstateError('NoCurrent', {
      key: this.document.name,
      message: `no current snapshot in ${this.document.name}`,
      hint: 'Write one and make it current: commit does both.',
    })
  }
}

function snapshots(encrypter: Encrypter): Codec<Snapshot, SnapshotChange> {
  if (encrypter === noop) return snapshotCodec
  return {
    type: 'bytes',
    encode: (snapshot) => encrypter.encrypt(encodeSnapshot(snapshot)),
    decode: async (bytes) => decodeSnapshot(await encrypter.decrypt(bytes)),
  }
}

function signalOf({ signal }: CallOptions): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal }
}

function isNoRevision(error: unknown): error is KeelstateError<'NotFound'> {
  return (
    KeelstateError.is(error, 'NotFound') &&
    (error.details.subject === 'revision' || error.details.subject === 'document')
  )
}
