/** Where a text stops being base64: the byte that Go names in its error. */
export interface CorruptBase64 {
  readonly corruptAt: number
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const PAD = 0x3d // =

/**
 * Reads standard padded base64 as Go's `base64.StdEncoding` does: line ends inside are skipped, missing padding, the URL-safe letters and anything
 * after the padding are refused. Node's own decoder accepts all of these.
 */
export function decodeBase64(text: string): Uint8Array | CorruptBase64 {
  const source = Buffer.from(text)
  const out = Buffer.allocUnsafe(Math.ceil(source.length / 4) * 3)
  let length = 0
  for (let at = 0; ; ) {
    const start = skipLineEnds(source, at)
    if (start === source.length) return out.subarray(0, length)
    let bits = 0
    let letters = 0
    for (at = start; letters < 4; at++) {
      const byte = source[at]
      if (byte === undefined) return { corruptAt: at - letters }
      if (byte === 0x0a || byte === 0x0d) continue
      const value = byte < 0x80 ? ALPHABET.indexOf(String.fromCharCode(byte)) : -1
      if (value < 0) break
      bits |= value << (18 - 6 * letters)
      letters += 1
    }
    if (letters < 4) {
      const end = paddingEnd(source, at, letters)
      if (typeof end !== 'number') return end
      at = end
    }
    out[length++] = bits >> 16
    if (letters > 2) out[length++] = (bits >> 8) & 0xff
    if (letters > 3) out[length++] = bits & 0xff
  }
}

/** Checks the padding that begins at `at` after `letters` letters; it must be the end of the text. */
function paddingEnd(source: Buffer, at: number, letters: number): number | CorruptBase64 {
  if (source[at] !== PAD || letters < 2) return { corruptAt: at }
  let end = at + 1
  if (letters === 2) {
    end = skipLineEnds(source, end)
    if (end === source.length) return { corruptAt: end }
    if (source[end] !== PAD) return { corruptAt: end - 1 }
    end += 1
  }
  end = skipLineEnds(source, end)
  return end === source.length ? end : { corruptAt: end }
}

function skipLineEnds(source: Buffer, at: number): number {
  let next = at
  while (source[next] === 0x0a || source[next] === 0x0d) next += 1
  return next
}
