import { readHeader } from '../encrypt/by-hand.ts'

/**
 * A reader of what is below the seal, written from docs/format.md alone. Imports nothing of keelstate: what it opens is what the page says.
 */
export interface ByHand {
  json: Record<string, unknown>
  /** The inline contents, as text, in the order in which they stand. */
  inline: string[]
}

/** The body of a message in the clear (suite 0): what follows header, message id and commitment. */
export function clearBody(stored: Uint8Array): Buffer {
  const { suite, clear } = readHeader(stored)
  if (suite !== 0) throw new Error('this message is sealed')
  return Buffer.from(stored).subarray(clear.length + 32 + 32)
}

/** The body of a head, segment or index. */
export function readBody(body: Buffer): ByHand {
  const length = body.readUInt32BE(0)
  const json = JSON.parse(body.toString('utf8', 4, 4 + length)) as Record<string, unknown>
  const records = [json.current, ...((json.tail ?? json.records ?? []) as unknown[])].filter((one) => one !== undefined)
  const inline: string[] = []
  let at = 4 + length
  for (const record of records as { bytes: number; reference?: unknown }[]) {
    if (record.reference !== undefined) continue
    inline.push(body.toString('utf8', at, at + record.bytes))
    at += record.bytes
  }
  if (at !== body.length) throw new Error('bytes that no record names')
  return { json, inline }
}

/** What a delta makes of the members of a keyed document, whose order does not matter. docs/format.md "Deltas", "Forms". */
export function applyDelta(members: ReadonlyMap<string, string>, delta: Buffer): Map<string, string> {
  const length = delta.readUInt32BE(0)
  const json = JSON.parse(delta.toString('utf8', 4, 4 + length)) as { delete?: string[]; put?: [string, number][] }
  const next = new Map(members)
  for (const key of json.delete ?? []) next.delete(key)
  let at = 4 + length
  for (const [key, size] of json.put ?? []) {
    next.set(key, delta.toString('utf8', at, at + size))
    at += size
  }
  if (at !== delta.length) throw new Error('bytes that no part names')
  return next
}

/** The members of a keyed content, each as it is spelt there. */
export function keyedMembers(content: string): Map<string, string> {
  const value = JSON.parse(content) as Record<string, unknown>
  return new Map(Object.keys(value).map((key) => [key, JSON.stringify(value[key])]))
}

/** A keyed content from its members. */
export function keyedContent(members: ReadonlyMap<string, string>): string {
  const keys = [...members.keys()].sort()
  return `{${keys.map((key) => `${JSON.stringify(key)}:${members.get(key)}`).join(',')}}`
}

/** The slots of a head that are not empty: seq → first 8 bytes of the write id, hex. */
export function readSlots(stored: Uint8Array): Record<number, string> {
  const { slots, seq } = readHeader(stored)
  const kept: Record<number, string> = {}
  for (let s = Number(seq); s > 0 && s > Number(seq) - 64; s--) {
    kept[s] = slots!.subarray((s % 64) * 8, (s % 64) * 8 + 8).toString('hex')
  }
  return kept
}

/** The key of a document's head, from its kind and segments. */
export function headKey(kind: string, segments: readonly string[]): string {
  const encoded = segments.map((segment) => {
    if (segment === '.' || segment === '..') return segment.replaceAll('.', '%2E')
    const plain = /[A-Za-z0-9._-]/
    return [...Buffer.from(segment)]
      .map((byte) => (byte < 128 && plain.test(String.fromCharCode(byte)) ? String.fromCharCode(byte) : hex(byte)))
      .join('')
  })
  return ['heads', kind, ...encoded, '~'].join('/')
}

function hex(byte: number): string {
  return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
}
