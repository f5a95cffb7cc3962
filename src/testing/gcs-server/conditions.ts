import { GcsRefusal } from './answers.ts'
import type { GcsObjectVersion } from './buckets.ts'

type Query = Readonly<Record<string, string>>

/** The parameters that carry preconditions; every operation on an object takes them. https://cloud.google.com/storage/docs/request-preconditions */
export const CONDITIONS: readonly string[] = [
  'ifGenerationMatch',
  'ifGenerationNotMatch',
  'ifMetagenerationMatch',
  'ifMetagenerationNotMatch',
]

/** Checks the preconditions of a change on the live version. @throws {GcsRefusal} `conditionNotMet` */
export function checkWrite(query: Query, live: GcsObjectVersion | undefined): void {
  if (!matches(query, live) || repeats(query, live)) throw new GcsRefusal('conditionNotMet')
}

/** Checks the preconditions of a read. @throws {GcsRefusal} `conditionNotMet`, or `notModified` */
export function checkRead(query: Query, found: GcsObjectVersion): void {
  if (!matches(query, found)) throw new GcsRefusal('conditionNotMet')
  if (repeats(query, found)) throw new GcsRefusal('notModified')
}

/** Reads a generation; `0` stands for "no live version". */
export function readGeneration(query: Query, name: string): bigint | undefined {
  const text = query[name]
  if (text === undefined) return undefined
  if (!/^\d{1,19}$/.test(text)) throw new GcsRefusal('invalid', `Invalid value for ${name}: ${text}`)
  return BigInt(text)
}

function matches(query: Query, version: GcsObjectVersion | undefined): boolean {
  const generation = readGeneration(query, 'ifGenerationMatch')
  if (generation !== undefined && generation !== (version?.generation ?? 0n)) return false
  const metageneration = readGeneration(query, 'ifMetagenerationMatch')
  return metageneration === undefined || metageneration === version?.metageneration
}

function repeats(query: Query, version: GcsObjectVersion | undefined): boolean {
  const generation = readGeneration(query, 'ifGenerationNotMatch')
  if (generation !== undefined && generation === (version?.generation ?? 0n)) return true
  const metageneration = readGeneration(query, 'ifMetagenerationNotMatch')
  return metageneration !== undefined && metageneration === version?.metageneration
}
