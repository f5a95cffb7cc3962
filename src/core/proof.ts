import { createHash } from 'node:crypto'
import { KeelstateError } from './errors.ts'
import type { CallOptions, ObjectStore } from './store.ts'

/**
 * What `keelstate doctor` keeps in a store. No document's objects lie here: `~` begins no encoded segment. docs/format.md "What doctor leaves"
 */
export const PROBES = 'objects/~doctor/'

const FORMAT = 'keelstate-proof/1'

/** That a service was seen to honour conditional writes at one address. Clear, create-only. */
export interface Proof {
  /** Where it was proven. A copy of the bucket elsewhere, or another endpoint, has to prove itself. */
  readonly address: string
  /** RFC 3339. */
  readonly at: string
  /** How many writers raced how often. */
  readonly writers: number
  readonly rounds: number
}

/** One for each address under which the store is reached. */
export function proofKey(address: string): string {
  return `${PROBES}proofs/${createHash('sha256').update(address).digest('hex').slice(0, 32)}`
}

export function encodeProof({ address, at, writers, rounds }: Proof): Uint8Array {
  return Buffer.from(`${JSON.stringify({ format: FORMAT, address, at, writers, rounds })}\n`)
}

/** Reads the proof for this store's own address: one request. Anything else that lies there is none. */
export async function readProof(store: ObjectStore, options: CallOptions = {}): Promise<Proof | undefined> {
  const stored = await store.get(proofKey(store.address), options)
  if (stored === undefined || stored === 'unchanged') return undefined
  try {
    const { format, address, at, writers, rounds } = JSON.parse(Buffer.from(stored.bytes).toString('utf8'))
    const whole = typeof at === 'string' && typeof writers === 'number' && typeof rounds === 'number'
    return format === FORMAT && address === store.address && whole ? { address, at, writers, rounds } : undefined
  } catch {
    return undefined
  }
}

/**
 * Lets calls through once it is proven that the store honours conditional writes, where that has to be proven: one read until it was, and none for
 * services that are known, and where the address says that it is trusted.
 *
 * @throws {KeelstateError} `Unsupported` with the command that proves it.
 */
export class ProofGate {
  readonly #store: ObjectStore
  #passed = false

  constructor(store: ObjectStore) {
    this.#store = store
  }

  async pass(options: CallOptions): Promise<void> {
    if (this.#passed || this.#store.capabilities.proofNeeded !== true) return
    await this.#check(options) // each caller for itself: one who gives up must not stop the others
    this.#passed = true
  }

  async #check(options: CallOptions): Promise<void> {
    const { address, capabilities } = this.#store
    if (capabilities.provable === false) throw unprovable(address)
    if ((await readProof(this.#store, options)) !== undefined) return
    throw new KeelstateError('Unsupported', {
      operation: 'lock.write',
      key: address,
      message: `It was never proven that the service behind ${address} honours conditional writes, and locks kept in it rest on nothing else.`,
      details: { notExecuted: true },
      hint: `Prove it once: keelstate doctor --store '${address}'. Or keep the locks in DynamoDB, or add conditionalWrites=trusted to the address if you know.`,
    })
  }
}

function unprovable(address: string): KeelstateError<'Unsupported'> {
  return new KeelstateError('Unsupported', {
    operation: 'lock.write',
    key: address,
    message: `The client of ${address} has an endpoint of its own, which the address does not say: no proof that the service there honours conditional writes can be kept, and locks rest on one.`,
    details: { notExecuted: true },
    hint: "Give the store the endpoint instead of a client, and prove it once by keelstate doctor. Or keep the locks in DynamoDB, or add conditionalWrites: 'trusted' to the options if you know.",
  })
}
