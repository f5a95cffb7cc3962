import { KeelstateError } from '../core/errors.ts'
import { decode } from '../go-json/decode.ts'
import { encode } from '../go-json/encode.ts'
import { any, int, list, map, pointer, type StructShape, string, struct, time } from '../go-json/shape.ts'
import { currentFormatVersion, problemOf, type Snapshot } from './snapshot.ts'

/** An entry's fields as release v0.4.0 of the contract writes them, in its order. A name that ends in `?` is left out when empty. */
export const entryShape: StructShape = struct({
  address: string,
  type: string,
  'kind?': string,
  'schema-version?': int,
  'sensitive-inputs?': list(string),
  'sensitive-outputs?': list(string),
  'library?': string,
  'library-type?': string,
  'configuration?': string,
  'trigger-hash?': string,
  'inputs?': map(any),
  'outputs?': map(any),
  'depends-on?': list(string),
})

const head = {
  'format-version': int,
  stack: struct({ name: string, version: string, 'content-revision': string }),
  'deployment-id': string,
  'generated-at': time,
}
const outputs = { 'outputs?': map(any) }
const names = { stack: 'factory', 'deployment-id': 'stack' } // the contract's fields Factory and Stack kept their first names in the file

/** What of a snapshot stands before its entries. */
export const headShape: StructShape = struct(head, names)
export const outputsShape: StructShape = struct(outputs)
const snapshotShape: StructShape = struct({ ...head, entries: list(pointer(entryShape)), ...outputs }, names)

/**
 * Writes a snapshot as release v0.4.0 of the contract does, byte for byte: indented JSON with sorted names, and a line feed.
 *
 * Entries stay in their order and `generatedAt` as it is. Optional members that are empty are left out.
 *
 * @throws {KeelstateError} `InvalidInput`: what `validate` says, or a member that cannot be written.
 */
export function encodeSnapshot(snapshot: Snapshot): Uint8Array {
  const operation = 'encodeSnapshot'
  const problem = problemOf(snapshot)
  if (problem !== undefined) throw new KeelstateError('InvalidInput', { operation, message: problem })
  return encode(snapshot, snapshotShape, { what: 'snapshot', operation }, { end: '\n' })
}

/**
 * Reads a snapshot that release v0.4.0 of the contract would read. Fields that it does not know are ignored.
 *
 * @throws {KeelstateError} `InvalidInput`: text that is not JSON or holds a value of another type (the message names the place, and so do `path`,
 *   `line`, `column` and `offset` in `details`), another format version, or what `validate` says.
 */
export function decodeSnapshot(bytes: Uint8Array): Snapshot {
  const operation = 'decodeSnapshot'
  const snapshot = parseSnapshot(bytes, operation)
  const version = snapshot.formatVersion
  if (version !== currentFormatVersion) {
    throw new KeelstateError('InvalidInput', {
      operation,
      message: `snapshot: unsupported format-version ${version} (this build expects ${currentFormatVersion})`,
      hint: HINT,
    })
  }
  const problem = problemOf(snapshot)
  if (problem !== undefined) throw new KeelstateError('InvalidInput', { operation, message: problem })
  return snapshot
}

/** Reads a snapshot's JSON and checks nothing but the types. */
export function parseSnapshot(bytes: Uint8Array, operation = 'parseSnapshot'): Snapshot {
  return decode(bytes, snapshotShape, { what: 'snapshot', operation, hint: HINT }) as Snapshot
}

const HINT =
  'A snapshot is JSON as releases up to v0.4.0 write it. Later ones keep it in an envelope and name fields differently; an encrypted one must be decrypted first.'
