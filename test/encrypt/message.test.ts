import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { decodeHeader, hex } from '../../src/core/header.ts'
import { SEGMENT_LOG2 } from '../../src/encrypt/segments.ts'
import { contentOf, headOf, readHead, readObject, refusal, SCOPE, SeededBytes, sealerFor } from './fixtures.ts'

const SEGMENT = 2 ** SEGMENT_LOG2
const SIZES = [
  0,
  1,
  2,
  31,
  32,
  33,
  1_000,
  8_192,
  SEGMENT - 1,
  SEGMENT,
  SEGMENT + 1,
  3 * SEGMENT,
  (1 << 20) + 1,
  (5 << 20) + 3,
]
const MARKER = Buffer.from('ThirtyTwoBytesThatMustNotAppear!')

describe('a sealed body', () => {
  const sealer = sealerFor(['env:STATE_KEY'])

  for (const size of SIZES) {
    it(`of ${size} bytes comes back as it was, compressible or not`, async () => {
      const keys = await sealer.create(SCOPE)
      const bodies = [randomBytes(size), Buffer.alloc(size, 'abcdefgh')]
      for (const body of bodies) {
        const head = await keys.seal(headOf(SCOPE), body)
        expect(Buffer.compare(await readHead(sealer, head.bytes), body)).toBe(0)
        const object = await keys.seal(contentOf(SCOPE), body)
        const opened = await readObject(keys, object.bytes, { role: 'content', objectId: object.objectId })
        expect(Buffer.compare(opened, body)).toBe(0)
      }
    })
  }

  it('is compressed only where that makes it smaller', async () => {
    const keys = await sealer.create(SCOPE)
    const text = await keys.seal(contentOf(SCOPE), Buffer.alloc(100_000, 'abc'))
    const noise = await keys.seal(contentOf(SCOPE), randomBytes(100_000))
    expect(decodeHeader(text.bytes, 'k').treatment).toEqual({ suite: 1, compressed: true, segmentLog2: SEGMENT_LOG2 })
    expect(decodeHeader(noise.bytes, 'k').treatment).toEqual({ suite: 1, compressed: false, segmentLog2: SEGMENT_LOG2 })
    expect(text.bytes.length).toBeLessThan(400)
    expect(noise.bytes.length).toBe(decodeHeader(noise.bytes, 'k').headerLength + 64 + 100_000 + 16)
  })

  it('keeps the header readable, with its key id, key table and object id filled in', async () => {
    const keys = await sealer.create(SCOPE)
    const head = decodeHeader((await keys.seal(headOf(SCOPE), Buffer.from('body'))).bytes, 'k').header
    expect(head).toMatchObject({ type: 'head', seq: 3, epoch: 7n, hasCurrent: true })
    expect(head.type === 'head' && hex(head.keyTable)).toBe(hex(keys.keyTable))
    expect(hex(head.keyId)).toBe(hex(keys.keyId))
    const sealed = await keys.seal(contentOf(SCOPE), Buffer.from('body'))
    const object = decodeHeader(sealed.bytes, 'k')
    const start = object.headerLength
    expect(object.header.type === 'object' && hex(object.header.objectId)).toBe(hex(sealed.objectId))
    expect(hex(sealed.bytes.subarray(start, start + 16))).toBe(hex(sealed.objectId))
  })

  it('shows no eight bytes of its text anywhere in the message', async () => {
    const keys = await sealer.create(SCOPE)
    for (const around of [0, 7, 1_000, SEGMENT]) {
      const body = Buffer.concat([randomBytes(around), MARKER, randomBytes(around)])
      const { bytes } = await keys.seal(headOf(SCOPE), body)
      for (let at = 0; at + 8 <= MARKER.length; at++) {
        expect(Buffer.from(bytes).indexOf(MARKER.subarray(at, at + 8))).toBe(-1)
      }
    }
  })

  it('never repeats: the same body sealed twice has another id and other bytes', async () => {
    const keys = await sealer.create(SCOPE)
    const [a, b] = [await keys.seal(contentOf(SCOPE), MARKER), await keys.seal(contentOf(SCOPE), MARKER)]
    expect(hex(a.objectId)).not.toBe(hex(b.objectId))
    expect(Buffer.from(a.bytes).indexOf(b.bytes.subarray(-48))).toBe(-1)
  })

  it('is under other keys than another body even if a cloned machine repeats all randomness', async () => {
    const seal = async (body: string) => {
      const keys = await sealerFor(['env:STATE_KEY'], 'the same machine state').create(SCOPE)
      const { bytes } = await keys.seal(headOf(SCOPE), Buffer.from(body))
      const { headerLength } = decodeHeader(bytes, 'k')
      const part = (from: number, to?: number) => hex(bytes.subarray(headerLength + from, to && headerLength + to))
      return { keyId: hex(keys.keyId), messageId: part(0, 32), commitment: part(32, 64), body: part(64) }
    }
    const [one, again, other] = [await seal('replicas: 1'), await seal('replicas: 1'), await seal('replicas: 2')]
    expect(again).toEqual(one)
    expect(other.keyId).toBe(one.keyId)
    expect(other.messageId).not.toBe(one.messageId)
    expect(other.commitment).not.toBe(one.commitment)
    const xor = (a: string, b: string) => Buffer.from(a, 'hex').map((byte, at) => byte ^ Buffer.from(b, 'hex')[at]!)
    const sameStream = xor(Buffer.from('replicas: 1').toString('hex'), Buffer.from('replicas: 2').toString('hex'))
    expect(xor(one.body, other.body).subarray(0, 11)).not.toEqual(sameStream)
  })

  it('is refused when it is larger than the limit, and so is one that decompresses to more', async () => {
    const { makeSealer } = await import('../../src/encrypt/index.ts')
    const options = { salt: async () => randomBytes(16), variables: { K: randomBytes(32).toString('base64') } }
    const wide = makeSealer(['env:K'], options)
    const narrow = makeSealer(['env:K'], { ...options, maxBytes: 1_000 })
    const wideKeys = await wide.create(SCOPE)
    const narrowKeys = await narrow.unwrap(SCOPE, wideKeys.keyTable, wideKeys.keyId)
    const refused = await refusal(narrowKeys.seal(headOf(SCOPE), Buffer.alloc(1_001)))
    expect(refused).toMatchObject({ code: 'TooLarge', details: { bytes: 1_001, maxBytes: 1_000 } })
    for (const size of [1_001, 3 << 20, 30 << 20]) {
      const bomb = await wideKeys.seal(headOf(SCOPE), Buffer.alloc(size))
      expect(await refusal(readHead(narrow, bomb.bytes))).toMatchObject({
        code: 'TooLarge',
        details: { maxBytes: 1_000 },
      })
    }
    expect((await readHead(narrow, (await wideKeys.seal(headOf(SCOPE), Buffer.alloc(1_000))).bytes)).length).toBe(1_000)
  })

  it('leaves the event loop free while a large one is sealed and opened', async () => {
    const keys = await sealer.create(SCOPE)
    const body = new SeededBytes('large').randomBytes(1 << 20)
    const large = Buffer.concat(Array.from({ length: 24 }, () => body))
    let turns = 0
    const timer = setInterval(() => turns++, 1)
    const { bytes } = await keys.seal(headOf(SCOPE), large)
    const whileSealing = turns
    const opened = await readHead(sealer, bytes)
    clearInterval(timer)
    expect(Buffer.compare(opened, large)).toBe(0)
    expect(whileSealing).toBeGreaterThan(3)
    expect(turns - whileSealing).toBeGreaterThan(0)
  })
})
