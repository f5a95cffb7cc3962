import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { systemEnvironment } from '../../src/core/environment.ts'
import { decodeHeader, type ObjectHeader, ROLES } from '../../src/core/header.ts'
import { createMarker } from '../../src/core/marker.ts'
import { DEFAULT_LIMITS } from '../../src/core/retry.ts'
import { makeSealer } from '../../src/encrypt/index.ts'
import { memoryStore } from '../../src/memory/index.ts'
import * as byHand from './by-hand.ts'
import { headOf, readHead, readObject, SeededBytes } from './fixtures.ts'

// Golden files are never made anew: they are what released versions wrote. docs/format.md is what `by-hand.ts` was written from.
const FOLDER = new URL('golden/', import.meta.url)
const file = (name: string) => readFileSync(new URL(name, FOLDER))
const bytes = (hex: string) => Buffer.from(hex, 'hex')
const golden = JSON.parse(file('golden.json').toString()) as Golden

interface Golden {
  staticKey: string
  passphrase: string
  storeId: string
  storeSalt: string
  kind: string
  name: string
  head: { birth: string; seq: number; writeId: string; epoch: string; slots: string }
  /** What the writer drew, in its order. */
  random: Record<
    | 'dataKey'
    | 'staticSalt'
    | 'passphraseSalt'
    | 'head'
    | 'content'
    | 'segment'
    | 'large'
    | 'plainHead'
    | 'plainContent',
    string
  >
  /** The bodies of the files of that name, in hex. */
  bodies: Record<string, string>
  earlierDataKey: string
  /** The list of earlier data keys as a head's body has it. */
  earlier: string
  /** SHA-256 of the message that holds `largeBody()`. */
  largeSha256: string
}

const scope = { storeId: bytes(golden.storeId), kind: golden.kind, path: golden.name }
const head = headOf(scope, {
  birth: bytes(golden.head.birth),
  seq: golden.head.seq,
  writeId: bytes(golden.head.writeId),
  epoch: BigInt(golden.head.epoch),
  slots: bytes(golden.head.slots),
})
const dataKey = bytes(golden.random.dataKey)
const body = (name: string) => bytes(golden.bodies[name]!)

/** Three segments of the size that this release writes, of bytes that do not compress. */
function largeBody(): Buffer {
  return new SeededBytes('golden large').randomBytes(600_000)
}

/** A sealer that draws exactly `random`, in that order. */
function replaying(keys: string[], random: string[]) {
  const queue = random.map(bytes)
  const randomBytes = (length: number) => {
    const next = queue.shift()
    expect(next?.length, 'bytes drawn').toBe(length)
    return Uint8Array.from(next!)
  }
  return makeSealer(keys, {
    salt: async () => bytes(golden.storeSalt),
    variables: { K: bytes(golden.staticKey).toString('base64'), P: golden.passphrase },
    environment: { randomBytes },
  })
}

describe('the golden head', () => {
  const message = file('head.bin')
  const read = byHand.readHeader(message)
  const [byStatic, byPassphrase] = byHand.readKeyTable(read.keyTable!)

  it('has its fields where the page says', () => {
    expect(read).toMatchObject({ suite: 1, flags: 2 | 4, segmentLog2: 18, kind: golden.kind, name: golden.name })
    expect(read.storeId.toString('hex')).toBe(golden.storeId)
    expect(read.birth!.toString('hex')).toBe(golden.head.birth)
    expect([read.seq, read.epoch]).toEqual([BigInt(golden.head.seq), BigInt(golden.head.epoch)])
    expect(read.writeId!.toString('hex')).toBe(golden.head.writeId)
    expect(read.slots!.toString('hex')).toBe(golden.head.slots)
    expect(read.keyId).toEqual(byHand.dataKeyId(dataKey))
  })

  it('wraps its data key for a static key and a passphrase, as the page says', () => {
    const { wrapped, ...recipient } = byStatic!
    expect(recipient).toEqual({ provider: 'static', keyId: expect.stringMatching(/^[0-9a-f]{16}$/) })
    expect(wrapped).toHaveLength(72)
    expect(byPassphrase).toMatchObject({ provider: 'passphrase', keyId: expect.stringMatching(/^[0-9a-f]{16}$/) })
    expect(byPassphrase!.wrapped.subarray(0, 20)).toEqual(
      Buffer.concat([Buffer.from([1, 17, 8, 1]), bytes(golden.storeSalt)]),
    )
    expect(byPassphrase!.wrapped).toHaveLength(92)
    expect(byHand.unwrap(byStatic!, bytes(golden.staticKey), read)).toEqual(dataKey)
    expect(byHand.unwrap(byPassphrase!, golden.passphrase, read)).toEqual(dataKey)
    const stretched = byHand.stretch(golden.passphrase, bytes(golden.storeSalt), 17, 8, 1)
    const staticSalt = byHand.wrapSalt('static', bytes(golden.staticKey), bytes(golden.random.staticSalt), dataKey)
    expect(wrapped.subarray(0, 24)).toEqual(staticSalt)
    const passphraseSalt = byHand.wrapSalt('passphrase', stretched, bytes(golden.random.passphraseSalt), dataKey)
    expect(byPassphrase!.wrapped.subarray(20, 44)).toEqual(passphraseSalt)
  })

  it('opens by the page, with the message id that the page makes', () => {
    expect(byHand.openMessage(message, dataKey)).toEqual(body('head.bin'))
    const messageId = byHand.makeMessageId(dataKey, bytes(golden.random.head), body('head.bin'))
    expect(message.subarray(read.clear.length, read.clear.length + 32)).toEqual(messageId)
  })

  it('opens for each of its recipients', async () => {
    for (const key of ['env:K', 'passphrase:env:P']) {
      expect(Buffer.from(await readHead(replaying([key], []), message, scope))).toEqual(body('head.bin'))
    }
  })

  it('is what this release writes, to the byte', async () => {
    const { dataKey, staticSalt, passphraseSalt, head: random } = golden.random
    const sealer = replaying(['env:K', 'passphrase:env:P'], [dataKey, staticSalt, passphraseSalt, random])
    const written = await (await sealer.create(scope)).seal(head, body('head.bin'))
    expect(Buffer.from(written.bytes)).toEqual(message)
    expect(written.objectId).toHaveLength(0)
  })
})

describe('the golden objects', () => {
  const objects = [
    ['content.bin', 'content', 0, 18, dataKey], // of no bytes: one empty segment
    ['segment.bin', 'segment', 1, 18, dataKey], // compressed
    ['index.bin', 'index', 0, 12, dataKey], // three segments of 4 KiB
    ['condemned.bin', 'condemned', 0, 18, bytes(golden.earlierDataKey)], // under an earlier data key
  ] as const

  async function keys(random: string[] = []) {
    const { keyTable, keyId } = byHand.readHeader(file('head.bin'))
    return (await replaying(['env:K'], random).unwrap(scope, keyTable!, keyId)).withEarlier(golden.earlier)
  }

  for (const [name, role, flags, segmentLog2, sealedUnder] of objects) {
    it(`${name} is as the page says, and opens`, async () => {
      const message = file(name)
      const read = byHand.readHeader(message)
      expect(read).toMatchObject({
        suite: 1,
        flags,
        segmentLog2,
        role: ROLES[role],
        kind: golden.kind,
        name: golden.name,
      })
      expect(read.objectId).toEqual(message.subarray(read.clear.length, read.clear.length + 16))
      expect(byHand.openMessage(message, sealedUnder)).toEqual(body(name))
      const opened = await readObject(await keys(), message, { role, objectId: read.objectId! }, scope)
      expect(Buffer.from(opened)).toEqual(body(name))
    })
  }

  it('name roles by the numbers of the page', () => {
    expect(ROLES).toEqual({ content: 1, segment: 2, index: 3, condemned: 4, save: 5 })
  })

  it('find their earlier data key in the list that a head keeps', () => {
    expect(byHand.readEarlier(golden.earlier)).toEqual([bytes(golden.earlierDataKey)])
  })

  it('are what this release writes: to the byte, and up to the segments where Brotli had its part', async () => {
    const one = await keys([golden.random.content, golden.random.segment])
    const content = await one.seal({ type: 'object', scope, role: 'content' }, body('content.bin'))
    expect(Buffer.from(content.bytes)).toEqual(file('content.bin'))
    const segment = await one.seal({ type: 'object', scope, role: 'segment' }, body('segment.bin'))
    const upTo = decodeHeader(segment.bytes, 'k').headerLength + 64
    expect(Buffer.from(segment.bytes.subarray(0, upTo))).toEqual(file('segment.bin').subarray(0, upTo))
    expect(byHand.openMessage(segment.bytes, dataKey)).toEqual(body('segment.bin'))
  })

  it('are written in segments of 256 KiB', async () => {
    const { bytes: message } = await (await keys([golden.random.large])).seal(
      { type: 'object', scope, role: 'content' },
      largeBody(),
    )
    expect(createHash('sha256').update(message).digest('hex')).toBe(golden.largeSha256)
    const { clear } = byHand.readHeader(message)
    expect(message.length).toBe(clear.length + 64 + 600_000 + 3 * 16)
    expect(Buffer.compare(byHand.openMessage(message, dataKey), largeBody())).toBe(0)
  })
})

describe('the golden messages in the clear', () => {
  const sealer = () => replaying(['plaintext'], [golden.random.plainHead, golden.random.plainContent])

  it('are as the page says', () => {
    for (const [name, random] of [
      ['plain-head.bin', golden.random.plainHead],
      ['plain-content.bin', golden.random.plainContent],
    ] as const) {
      const message = file(name)
      const { clear } = byHand.readHeader(message)
      expect(byHand.openPlaintext(message)).toEqual(body(name))
      const messageId = byHand.makeMessageId(undefined, bytes(random), body(name))
      expect(message.subarray(clear.length, clear.length + 32)).toEqual(messageId)
    }
  })

  it('open, and are what this release writes, to the byte', async () => {
    const writer = await sealer().create(scope)
    const written = await writer.seal(head, body('plain-head.bin'))
    expect(Buffer.from(written.bytes)).toEqual(file('plain-head.bin'))
    expect(Buffer.from(await readHead(sealer(), written.bytes, scope))).toEqual(body('plain-head.bin'))
    const content = await writer.seal({ type: 'object', scope, role: 'content' }, body('plain-content.bin'))
    expect(Buffer.from(content.bytes)).toEqual(file('plain-content.bin'))
    const { objectId } = decodeHeader(content.bytes, 'k').header as ObjectHeader
    const opened = await readObject(writer, content.bytes, { role: 'content', objectId }, scope)
    expect(Buffer.from(opened)).toEqual(body('plain-content.bin'))
  })
})

describe('the golden marker', () => {
  it('is a line of JSON with store id and salt, and is what this release writes, to the byte', async () => {
    const line = file('store').toString()
    expect(line).toMatch(/^\{"format":"keelstate-store\/1","storeId":"[0-9a-f]{32}","salt":"[A-Za-z0-9+/]{22}=="\}\n$/)
    const { storeId, salt } = JSON.parse(line) as { storeId: string; salt: string }
    expect([storeId, Buffer.from(salt, 'base64').toString('hex')]).toEqual([golden.storeId, golden.storeSalt])

    const store = memoryStore()
    const drawn = [bytes(golden.storeId), bytes(golden.storeSalt)]
    const environment = { ...systemEnvironment, randomBytes: () => drawn.shift()! }
    await createMarker({ store, environment, limits: DEFAULT_LIMITS })
    const stored = await store.get('store')
    expect(stored !== undefined && stored !== 'unchanged' && Buffer.from(stored.bytes).toString()).toBe(line)
  })
})
