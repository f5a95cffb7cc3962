/** A body that says its number in every part, so that a torn one is known: 8 to 40 kB. */
export function bodyOf(n: number): Uint8Array {
  return Buffer.from(`${n};`.repeat(4_000 + (n % 7) * 500))
}

/** The number of a body, which must be whole. */
export function numberOf(bytes: Uint8Array): number {
  const n = Number.parseInt(Buffer.from(bytes.subarray(0, 16)).toString(), 10)
  if (Buffer.compare(bytes, bodyOf(n)) !== 0)
    throw new Error(`a body of ${bytes.length} bytes that begins with ${n} is torn`)
  return n
}

export function objectKeyOf(n: number, writer: number): string {
  return `objects/state/killed/~/${writer.toString(16).padStart(16, '0')}${n.toString(16).padStart(16, '0')}`
}
