import { describe, expect, it } from 'vitest'
import { decodeHeader, encodeHeader, type Header, hex } from '../../src/core/header.ts'
import { contentOf, headOf, readHead, readObject, refusal, SCOPE, SeededBytes, sealerFor, verdict } from './fixtures.ts'

const BODY = Buffer.from('{"replicas":1}')

describe('the key `plaintext`', () => {
  const sealer = sealerFor(['plaintext'])

  it('stores the body as it is, behind a header like any other', async () => {
    const keys = await sealer.create(SCOPE)
    for (const body of [
      Buffer.alloc(0),
      BODY,
      Buffer.alloc(10_000, 'abc'),
      new SeededBytes('p').randomBytes(5 << 20),
    ]) {
      const head = await keys.seal(headOf(SCOPE), body)
      expect(Buffer.compare(head.bytes.subarray(-body.length || head.bytes.length), body)).toBe(0)
      expect(Buffer.compare(await readHead(sealer, head.bytes), body)).toBe(0)
      const object = await keys.seal(contentOf(SCOPE), body)
      const opened = await readObject(keys, object.bytes, { role: 'content', objectId: object.objectId })
      expect(Buffer.compare(opened, body)).toBe(0)
    }
    expect(keys.earlier).toBeUndefined()
    expect(sealer.recipients(keys.keyTable)).toEqual([])
  })

  it('gives every object an id of its own', async () => {
    const keys = await sealer.create(SCOPE)
    const [a, b] = [await keys.seal(contentOf(SCOPE), BODY), await keys.seal(contentOf(SCOPE), BODY)]
    expect(hex(a.objectId)).not.toBe(hex(b.objectId))
    const clone = async (body: string) => {
      const cloned = await sealerFor(['plaintext'], 'the same machine state').create(SCOPE)
      return hex((await cloned.seal(contentOf(SCOPE), Buffer.from(body))).objectId)
    }
    expect(await clone('one')).toBe(await clone('one'))
    expect(await clone('one')).not.toBe(await clone('two'))
  })

  it('hands out a copy: changing it changes nothing else', async () => {
    const keys = await sealer.create(SCOPE)
    const { bytes } = await keys.seal(headOf(SCOPE), BODY)
    ;(await readHead(sealer, bytes)).fill(0)
    expect(Buffer.from(await readHead(sealer, bytes))).toEqual(BODY)
  })

  it('finds every damaged byte by its checksum or its field', async () => {
    const keys = await sealer.create(SCOPE)
    const head = (await keys.seal(headOf(SCOPE), BODY)).bytes
    const object = await keys.seal(contentOf(SCOPE), BODY)
    const expected = { role: 'content', objectId: object.objectId } as const
    for (const [bytes, read] of [
      [head, (changed: Uint8Array) => readHead(sealer, changed)],
      [object.bytes, (changed: Uint8Array) => readObject(keys, changed, expected)],
    ] as const) {
      for (let at = 0; at < bytes.length; at++) {
        for (let bit = 0; bit < 8; bit++) {
          const changed = Buffer.from(bytes)
          changed[at]! ^= 1 << bit
          expect(await verdict(read(changed)), `bit ${bit} of byte ${at}`).toMatch(
            /^(Corrupt|DecryptFailed) \w+$|^Unsupported$/,
          )
        }
      }
      for (const length of [0, 1, bytes.length - BODY.length - 1, bytes.length - 1]) {
        expect(await verdict(read(bytes.subarray(0, length))), `${length} bytes`).toMatch(
          /^Corrupt (length|checksum|magic)$/,
        )
      }
      expect(await verdict(read(Buffer.concat([bytes, Buffer.alloc(1)])))).toBe('Corrupt checksum')
    }
  })

  it('refuses a header that says what suite 0 never does, whatever its checksum', async () => {
    const keys = await sealer.create(SCOPE)
    const { header, bytes, headerLength } = decodeHeader((await keys.seal(headOf(SCOPE), BODY)).bytes, 'k')
    const rewritten = (fields: Partial<Header>, compressed: boolean, segmentLog2: number) => {
      const clear = encodeHeader({ ...header, ...fields } as Header, { suite: 0, compressed, segmentLog2 })
      return keys.open(decodeHeader(Buffer.concat([clear, bytes.subarray(headerLength)]), 'k'), 'k')
    }
    expect(await verdict(rewritten({}, true, 0))).toBe('Corrupt flags')
    expect(await verdict(rewritten({}, false, 18))).toBe('Corrupt flags')
    expect(await verdict(rewritten({ keyId: Buffer.alloc(16, 1) }, false, 0))).toBe('Corrupt keyId')
    expect(() => keys.withEarlier('AQ==')).toThrow(/in the clear lists earlier data keys/)
  })

  it('does not open an encrypted document, and says whose it is', async () => {
    const encrypted = await sealerFor(['env:STATE_KEY']).create(SCOPE)
    const head = (await encrypted.seal(headOf(SCOPE), BODY)).bytes
    const error = await refusal(readHead(sealer, head))
    expect(error).toMatchObject({ code: 'DecryptFailed', details: { differs: 'suite' } })
    expect(error.message).toMatch(/is encrypted to static [0-9a-f]{16}, but the configured key is `plaintext`\.$/)
    expect(error.hint).toContain('--key env:NAME')
    const object = await encrypted.seal(contentOf(SCOPE), BODY)
    const keys = await sealer.create(SCOPE)
    const expected = { role: 'content', objectId: object.objectId } as const
    expect(await verdict(readObject(keys, object.bytes, expected))).toBe('DecryptFailed suite')
  })
})
