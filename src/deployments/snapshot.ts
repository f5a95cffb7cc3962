import { KeelstateError } from '../core/errors.ts'
import { quote } from '../go-json/text.ts'
import { formatTime } from '../go-json/time.ts'

/** The format version that is read and written. It is 1 in every release of the contract. */
export const currentFormatVersion = 1 as const

/** What an entry records. */
export type EntryType = 'leaf' | 'library-call' | 'action'

/** A primitive resource. */
export const entryLeaf = 'leaf' as const
/** A call of a composite type of a library. */
export const entryLibraryCall = 'library-call' as const
/** Something that was run. */
export const entryAction = 'action' as const

/** Which program a snapshot belongs to. */
export interface FactoryInfo {
  name: string
  version: string
  /** The content hash with which the factory was compiled. */
  contentRevision: string
}

/** One record of a snapshot. `type` says which members are used; the others may be there too and are kept. */
export interface Entry {
  /** Unique in the snapshot. */
  address: string
  type: EntryType
  /** Of a leaf or an action, such as `aws.vpc`. */
  kind?: string | undefined
  /** A bigint beyond 2^53. */
  schemaVersion?: number | bigint | undefined
  /** Names of inputs whose values are sensitive: whoever prints the entry masks them. */
  sensitiveInputs?: string[] | undefined
  sensitiveOutputs?: string[] | undefined
  /** Of a library call. */
  library?: string | undefined
  /** Of a library call: the composite type. */
  libraryType?: string | undefined
  /** `<alias>.<configuration>` of the library, when it is not the import's own default. */
  configuration?: string | undefined
  triggerHash?: string | undefined
  /** Any JSON; numbers are doubles. Integers beyond 2^53 are written exactly when they are bigints, and come back as doubles. */
  inputs?: Record<string, unknown> | undefined
  outputs?: Record<string, unknown> | undefined
  /** Addresses. */
  dependsOn?: string[] | undefined
}

/** The record of one deployment at one time: what one state file holds. */
export interface Snapshot {
  formatVersion: number
  factory: FactoryInfo
  /** The name of the stack. */
  stack: string
  /** RFC 3339. */
  generatedAt: string
  /** Absent in a new snapshot, which is not the same as empty: written as `null` and `[]`. */
  entries?: Entry[] | undefined
  outputs?: Record<string, unknown> | undefined
}

/**
 * An empty snapshot of the current format version.
 *
 * @param now When it is generated; default the clock of this machine.
 */
export function newSnapshot(factory: FactoryInfo, stack: string, now: Date = new Date()): Snapshot {
  const ms = now.getTime()
  const written = formatTime({
    seconds: Math.floor(ms / 1000),
    nanos: (((ms % 1000) + 1000) % 1000) * 1e6,
    offsetSeconds: 0,
  })
  if (typeof written !== 'string') {
    throw new KeelstateError('InvalidInput', {
      operation: 'newSnapshot',
      message: `snapshot: generatedAt: ${written.problem}`,
    })
  }
  return { formatVersion: currentFormatVersion, factory: { ...factory }, stack, generatedAt: written }
}

/** The first entry with exactly this address. */
export function find(snapshot: Snapshot, address: string): Entry | undefined {
  return snapshot.entries?.find((entry) => entry?.address === address)
}

/**
 * Checks the format version, then the entries in order: an address that no other entry has, and the members that its type needs. Nothing else is
 * part of the contract's rules.
 *
 * @throws {KeelstateError} `InvalidInput` with the contract's own text.
 */
export function validate(snapshot: Snapshot): void {
  const problem = problemOf(snapshot)
  if (problem !== undefined) throw new KeelstateError('InvalidInput', { operation: 'validate', message: problem })
}

/** What `validate` would say, or undefined. */
export function problemOf(snapshot: Snapshot): string | undefined {
  if (snapshot.formatVersion !== currentFormatVersion) {
    return `snapshot: format-version is ${snapshot.formatVersion}, expected ${currentFormatVersion}`
  }
  const addresses = new Set<string>()
  for (const [i, entry] of (snapshot.entries ?? []).entries()) {
    const problem = problemOfEntry(entry, i, addresses)
    if (problem !== undefined) return `snapshot: ${problem}`
  }
  return undefined
}

/** What is wrong with an entry, or undefined; its address is added to those that are taken. */
export function problemOfEntry(entry: Entry | null | undefined, i: number, addresses: Set<string>): string | undefined {
  if (entry === null || entry === undefined) return `entries[${i}] is nil`
  const { address, type } = entry
  if (!address) return `entries[${i}] missing address`
  const written = String(address).toWellFormed() // halves of surrogate pairs are written as U+FFFD, so two can become one
  if (addresses.has(written)) return `duplicate address ${quote(written)}`
  addresses.add(written)
  switch (type) {
    case 'leaf':
    case 'action':
      return entry.kind ? undefined : `${type} entry ${quote(written)} missing kind`
    case 'library-call':
      if (!entry.library) return `library-call entry ${quote(written)} missing library`
      return entry.libraryType ? undefined : `library-call entry ${quote(written)} missing library-type`
    default:
      return type
        ? `entry ${quote(written)} has unknown type ${quote(String(type))}`
        : `entry ${quote(written)} missing type`
  }
}
