import type { Codec, EncodedChange } from '../core/codec.ts'
import { KeelstateError, printable } from '../core/errors.ts'
import type { PartPut } from '../core/parts.ts'
import { decode } from '../go-json/decode.ts'
import { encode } from '../go-json/encode.ts'
import { decodeSnapshot, encodeSnapshot, entryShape, headShape, outputsShape } from './codec.ts'
import { type Entry, type FactoryInfo, problemOfEntry, type Snapshot } from './snapshot.ts'
import { entryKey, HEAD, NO_ENTRIES, OUTPUTS, snapshotForm } from './snapshot-form.ts'

/** What changes of a snapshot. What is left out stays as it is. */
export interface SnapshotChange {
  /** Each takes the place of the entry with its address, or comes after all others. */
  put?: readonly Entry[] | undefined
  /** Addresses of entries that go. Those that are not there are ignored. */
  delete?: readonly string[] | undefined
  /** All outputs, as they are now. */
  outputs?: Record<string, unknown> | undefined
  /** RFC 3339. */
  generatedAt?: string | undefined
  factory?: FactoryInfo | undefined
}

const MEMBERS: Record<keyof SnapshotChange, true> = {
  put: true,
  delete: true,
  outputs: true,
  generatedAt: true,
  factory: true,
}

/** Snapshots as documents hold them, unencrypted: the store seals them. A change of one costs what it changes. */
export const snapshotCodec: Codec<Snapshot, SnapshotChange> = {
  type: snapshotForm.name,
  encode: encodeSnapshot,
  decode: decodeSnapshot,
  changes: {
    form: snapshotForm,
    is: isSnapshotChange,
    encode: encodeChange,
    open: (parts) => decodeSnapshot(snapshotForm.join(parts)),
    lazy: false,
  },
}

/** Whether it is a change, and not a snapshot. */
export function isSnapshotChange(value: unknown): value is SnapshotChange {
  return typeof value === 'object' && value !== null && Object.keys(value).every((name) => Object.hasOwn(MEMBERS, name))
}

/** The snapshot that a change makes. */
export function changedSnapshot(now: Snapshot, change: SnapshotChange): Snapshot {
  const gone = new Set(change.delete)
  const put = new Map((change.put ?? []).map((entry) => [entry.address, entry]))
  checkEntries(change.put ?? [])
  const entries = (now.entries ?? [])
    .filter(({ address }) => !gone.has(address))
    .map((entry) => {
      const next = put.get(entry.address) ?? entry
      put.delete(entry.address)
      return next
    })
  const touched = now.entries !== undefined || put.size > 0
  return {
    ...now,
    ...(change.factory === undefined ? {} : { factory: change.factory }),
    ...(change.generatedAt === undefined ? {} : { generatedAt: change.generatedAt }),
    ...(touched ? { entries: [...entries, ...put.values()] } : {}),
    ...(change.outputs === undefined ? {} : { outputs: change.outputs }),
  }
}

const CONTEXT = { what: 'snapshot', operation: 'commit' }

function encodeChange(change: SnapshotChange): EncodedChange {
  const { put = [], delete: gone = [], outputs, factory, generatedAt } = change
  checkEntries(put)
  if (!Array.isArray(gone) || gone.some((address) => typeof address !== 'string'))
    throw invalid('delete must be a list of addresses')
  const entries = put.map((entry): PartPut => ({ key: entryKey(entry.address), bytes: encodeEntry(entry) }))
  const written = outputs === undefined ? undefined : encodeOutputs(outputs)
  const head = { ...(factory && { factory: { ...factory } }), ...(generatedAt !== undefined && { generatedAt }) }
  const bytes = entries.reduce((sum, one) => sum + one.key.length + one.bytes.length, written?.length ?? 0)
  const made = (now: Uint8Array): PartPut[] => [
    ...(Object.keys(head).length === 0 ? [] : [{ key: HEAD, bytes: changedHead(now, head) }]),
    ...(written === undefined || written.length === 0 ? [] : [{ key: OUTPUTS, bytes: written }]),
    ...entries,
  ]
  return {
    bytes,
    on(now) {
      const before = now?.get(HEAD)
      if (before === undefined) {
        throw new KeelstateError('InvalidInput', {
          operation: 'commit',
          message: 'There is no snapshot yet that could be changed.',
          hint: 'Commit a whole one first: newSnapshot makes it.',
        })
      }
      return {
        delete: [
          ...(entries.length === 0 ? [] : [NO_ENTRIES]),
          ...(written?.length === 0 ? [OUTPUTS] : []),
          ...gone.map(entryKey),
        ],
        put: made(before),
      }
    },
  }
}

/** An entry as it stands in the file, two levels deep. */
function encodeEntry(entry: Entry): Uint8Array {
  return Buffer.from(`    ${textOf(encode(entry, entryShape, CONTEXT)).replaceAll('\n', '\n    ')}`)
}

/** The outputs as they stand in the file; nothing when there are none. */
function encodeOutputs(outputs: Record<string, unknown>): Uint8Array {
  return Buffer.from(textOf(encode({ outputs }, outputsShape, CONTEXT)).slice('{\n  "outputs": '.length, -'\n}'.length))
}

function changedHead(now: Uint8Array, change: { factory?: FactoryInfo; generatedAt?: string }): Uint8Array {
  const head = decode(Buffer.from(`${textOf(now).slice(0, -1)}\n}`), headShape, CONTEXT)
  const text = textOf(encode({ ...(head as object), ...change }, headShape, CONTEXT))
  return Buffer.from(`${text.slice(0, -'\n}'.length)},`)
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
}

function checkEntries(entries: readonly Entry[]): void {
  if (!Array.isArray(entries)) throw invalid('put must be a list of entries')
  const addresses = new Set<string>()
  for (const [i, entry] of entries.entries()) {
    const problem = problemOfEntry(entry, i, addresses)
    if (problem !== undefined) throw invalid(problem)
  }
}

function invalid(problem: string): KeelstateError<'InvalidInput'> {
  return new KeelstateError('InvalidInput', { operation: 'commit', message: `snapshot: ${printable(problem, 300)}` })
}
