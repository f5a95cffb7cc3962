import type { Environment } from '../core/environment.ts'
import { KeelstateError } from '../core/errors.ts'
import { hex } from '../core/header.ts'
import type { Finding } from '../core/inspection.ts'
import { PROBES } from '../core/proof.ts'
import { Deadline, type Limits } from '../core/retry.ts'
import type { ObjectKey, ObjectStore, PutCondition, StoredObject, VersionToken } from '../core/store.ts'
import { type Contender, contend } from './race.ts'

const BODY_BYTES = 64

/** What the probes of an object store share: a place of their own in it, and bounded calls. */
export class Bench {
  readonly store: ObjectStore
  readonly environment: Environment
  readonly writers: number
  readonly rounds: number
  readonly signal: AbortSignal | undefined
  readonly #limits: Limits
  readonly #folder: string
  readonly #made = new Set<ObjectKey>()
  readonly #underWay = new Set<Promise<unknown>>()
  #next = 0

  constructor(
    store: ObjectStore,
    parts: {
      readonly environment: Environment
      readonly limits: Limits
      readonly writers: number
      readonly rounds: number
      readonly signal: AbortSignal | undefined
    },
  ) {
    this.store = store
    this.environment = parts.environment
    this.writers = parts.writers
    this.rounds = parts.rounds
    this.signal = parts.signal
    this.#limits = parts.limits
    this.#folder = `${PROBES}${hex(parts.environment.randomBytes(8))}/`
  }

  /** Prefix of this run's immutable probes. */
  get folder(): string {
    return this.#folder
  }

  /** A new name for an immutable probe, which is deleted in the end if it was written. */
  newKey(): ObjectKey {
    return `${this.#folder}${String(this.#next++).padStart(6, '0')}`
  }

  /** A new name below which nothing stands, and where a service that honours conditions lets nothing be replaced. */
  newAbsentKey(): ObjectKey {
    return `doctor/absent-${hex(this.environment.randomBytes(8))}`
  }

  newBody(): Uint8Array {
    return this.environment.randomBytes(BODY_BYTES)
  }

  deadline(): Deadline {
    return new Deadline(this.environment, this.#limits, this.signal)
  }

  async read(key: ObjectKey): Promise<StoredObject | undefined> {
    const found = await this.deadline().repeat('doctor.read', key, 0, (call) => this.store.get(key, call))
    if (found === 'unchanged') throw answeredUnasked(key)
    return found
  }

  async readUnless(key: ObjectKey, token: VersionToken): Promise<StoredObject | 'unchanged' | undefined> {
    return await this.deadline().repeat('doctor.read', key, 0, (call) =>
      this.store.get(key, { ...call, unlessToken: token }),
    )
  }

  async write(key: ObjectKey, body: Uint8Array, condition: PutCondition): Promise<Contender<VersionToken>> {
    if (key.startsWith(this.#folder)) this.#made.add(key)
    const work = contend<VersionToken>(this.deadline(), key, (call) => this.store.put(key, body, condition, call))
    this.#underWay.add(work)
    return await work.finally(() => this.#underWay.delete(work))
  }

  /** Creates an immutable probe, under the next name if that is what it takes. */
  async create(body: Uint8Array = this.newBody()): Promise<{ key: ObjectKey; token: VersionToken }> {
    for (let attempt = 0; ; attempt++) {
      const key = this.newKey()
      const written = await this.write(key, body, { ifAbsent: true })
      if (written.outcome === 'won') return { key, token: written.written }
      const stored = await this.read(key) // the answer may have been lost, or be wrong
      if (stored !== undefined && Buffer.compare(stored.bytes, body) === 0) return { key, token: stored.token }
      if (attempt >= 2) throw cannotCreate(key)
    }
  }

  /** Deletes immutable probes of this run; their names may be used again. */
  async remove(keys: readonly ObjectKey[]): Promise<void> {
    await this.deadline().repeat('doctor.delete', keys[0] ?? this.#folder, 0, (call) => this.store.delete(keys, call))
    for (const key of keys) this.#made.delete(key)
  }

  /** Every key below a prefix, page by page, as often as it is listed; ends at a page that came before, for a service that ignores the cursor. */
  async list(prefix: string, limit?: number): Promise<string[]> {
    const keys: string[] = []
    let cursor: string | undefined
    for (;;) {
      const page = await this.deadline().repeat('doctor.list', prefix, 0, (call) =>
        this.store.list(prefix, { ...call, cursor, ...(limit === undefined ? {} : { limit }) }),
      )
      const listed = page.objects.map(({ key }) => key)
      const again = page.cursor === cursor || listed.some((key) => keys.includes(key))
      keys.push(...listed)
      if (page.cursor === undefined || again) return keys
      cursor = page.cursor
    }
  }

  /** Deletes what this run made and has not deleted yet: immutable probes under names of its own, which nothing else refers to. */
  async clean(): Promise<Finding> {
    const check = 'delete'
    await Promise.allSettled(this.#underWay) // one of several failed: what the others write is to be deleted, too
    const keys = [...this.#made]
    try {
      // Also after an abort: what was made is to be taken away.
      const deadline = this.signal?.aborted ? this.deadline().settling() : this.deadline()
      for (let at = 0; at < keys.length; at += 1_000) {
        const some = keys.slice(at, at + 1_000)
        await deadline.repeat('doctor.delete', this.#folder, 0, (call) => this.store.delete(some, call))
      }
      return { check, verdict: 'ok', says: 'The probes of this run were deleted.' }
    } catch (error) {
      if (!KeelstateError.is(error)) throw error
      return {
        check,
        verdict: 'warning',
        says: `The probes of this run could not be deleted: ${error.message}`,
        todo: `They lie under ${this.#folder} and may be deleted. Collecting garbage (prune, collect) needs the permission to delete objects.`,
      }
    }
  }
}

function answeredUnasked(key: string): KeelstateError<'Unavailable'> {
  return new KeelstateError('Unavailable', { key, message: `${key} was said to be unchanged, although nobody asked.` })
}

function cannotCreate(key: string): KeelstateError<'Unsupported'> {
  return new KeelstateError('Unsupported', {
    key,
    message: 'No object could be created under a name that was never used: each time the service said that it exists.',
  })
}
