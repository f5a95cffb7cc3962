import { KeelstateError, printable } from '../core/errors.ts'
import { encodeSnapshot } from './codec.ts'
import { Sensitive, sensitiveNames } from './sensitive.ts'
import { type Entry, find, type Snapshot } from './snapshot.ts'

/** An entry with the names of its file: `schema-version`, `depends-on`, … */
export type EntryJson = Readonly<Record<string, unknown>>

export interface ShowOptions {
  /** Leaves the values of sensitive inputs and outputs as they are; default false. */
  showSensitive?: boolean
}

/** A snapshot's entries as their file spells them, in their order; sensitive values masked. */
export function entriesJson(snapshot: Snapshot, options: ShowOptions = {}): EntryJson[] {
  const entries = snapshotJson(snapshot).entries ?? []
  if (options.showSensitive === true) return entries
  const sensitive = new Sensitive(snapshot)
  return entries.map((entry) => sensitive.maskEntry(entry, sensitiveNames(entry)))
}

/** A snapshot as its file spells it. */
export function snapshotJson(snapshot: Snapshot): Record<string, unknown> & { entries: EntryJson[] | null } {
  return JSON.parse(Buffer.from(encodeSnapshot(snapshot)).toString()) as Record<string, unknown> & {
    entries: EntryJson[] | null
  }
}

export interface EntryMove {
  readonly from: string
  readonly to: string
}

/**
 * Gives an entry another address, and with it all whose addresses lie under it (`from/…`). What other entries depend on follows.
 *
 * @returns A new snapshot; `moved` in the order of the entries.
 * @throws {KeelstateError} `NotFound` when nothing is there; `Conflict` when an address is occupied; `InvalidInput`.
 */
export function moveEntries(snapshot: Snapshot, from: string, to: string): { snapshot: Snapshot; moved: EntryMove[] } {
  if (from === '' || to === '' || from === to) {
    throw new KeelstateError('InvalidInput', {
      operation: 'moveEntries',
      message: from === to ? 'Both addresses are the same; nothing moves.' : 'An address must not be empty.',
    })
  }
  const { entries = [] } = snapshot
  const addresses = new Map(
    entries
      .filter(({ address }) => isUnder(address, from))
      .map(({ address }) => [address, to + address.slice(from.length)]),
  )
  if (addresses.size === 0) throw noEntry(from)
  const staying = new Set(entries.map(({ address }) => address).filter((address) => !addresses.has(address)))
  for (const target of addresses.values()) {
    if (!staying.has(target)) continue
    throw new KeelstateError('Conflict', {
      operation: 'moveEntries',
      key: target,
      message: `There is an entry at ${printable(target)} already. Nothing was moved.`,
      hint: 'Move or remove that one first, or choose another address.',
    })
  }
  const moved = entries.map((entry) => ({
    ...entry,
    address: addresses.get(entry.address) ?? entry.address,
    ...(entry.dependsOn && { dependsOn: entry.dependsOn.map((address) => addresses.get(address) ?? address) }),
  }))
  return {
    snapshot: { ...snapshot, entries: moved },
    moved: [...addresses].map(([before, after]) => ({ from: before, to: after })),
  }
}

/**
 * Forgets an entry. What it stands for is not touched, and entries under it stay.
 *
 * @returns A new snapshot, and the addresses of entries that say they depend on it.
 * @throws {KeelstateError} `NotFound` when there is none at exactly this address.
 */
export function removeEntry(
  snapshot: Snapshot,
  address: string,
): { snapshot: Snapshot; removed: Entry; dependents: string[] } {
  const removed = find(snapshot, address)
  if (removed === undefined) throw noEntry(address)
  const entries = (snapshot.entries ?? []).filter((entry) => entry !== removed)
  const dependents = entries.filter(({ dependsOn }) => dependsOn?.includes(address)).map((entry) => entry.address)
  return { snapshot: { ...snapshot, entries }, removed, dependents }
}

/** @throws {KeelstateError} `NotFound`. */
export function findEntryJson(entries: readonly EntryJson[], address: string): EntryJson {
  const found = entries.find((entry) => entry.address === address)
  if (found === undefined) throw noEntry(address)
  return found
}

function isUnder(address: string, from: string): boolean {
  return address === from || address.startsWith(`${from}/`)
}

function noEntry(address: string): KeelstateError<'NotFound'> {
  return new KeelstateError('NotFound', {
    key: address,
    message: `There is no entry at ${JSON.stringify(printable(address))}.`,
    details: { subject: 'entry' },
    hint: 'See what there is: keelstate entries list NAME',
  })
}
