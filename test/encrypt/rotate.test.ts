import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { decodeHeader } from '../../src/core/header.ts'
import type { DocumentKeys } from '../../src/core/sealer.ts'
import { type KeyProvider, makeSealer, StaticKeyProvider } from '../../src/encrypt/index.ts'
import { assertHides, everythingShown } from '../../src/testing/key-provider/context.ts'
import * as byHand from './by-hand.ts'
import {
  contentOf,
  headOf,
  KEY,
  OTHER_KEY,
  readHead,
  readObject,
  refusal,
  SCOPE,
  sealerFor,
  verdict,
} from './fixtures.ts'

const BODY = Buffer.from('what the document says')
const MINE = 'env:STATE_KEY'
const THEIRS = 'env:OTHER_KEY'

interface Sealed {
  readonly keys: DocumentKeys
  readonly bytes: Uint8Array
}

const headUnder = async (keys: DocumentKeys): Promise<Sealed> => ({
  keys,
  bytes: (await keys.seal(headOf(SCOPE), BODY)).bytes,
})

/** The data key in a head, by one of its static keys. */
function dataKeyIn({ bytes }: Sealed, secret: Buffer): Buffer {
  const read = byHand.readHeader(bytes)
  for (const recipient of byHand.readKeyTable(read.keyTable!)) {
    try {
      return byHand.unwrap(recipient, secret, read)
    } catch {} // another recipient's
  }
  throw new Error('no recipient has this key')
}

/** Opens an object by the keys of a head, as core does: in a process of its own. */
async function openBy(key: string, head: Sealed, object: Awaited<ReturnType<DocumentKeys['seal']>>): Promise<Buffer> {
  const { keyTable, keyId } = byHand.readHeader(head.bytes)
  const keys = (await sealerFor([key]).unwrap(SCOPE, keyTable!, keyId)).withEarlier(head.keys.earlier)
  return Buffer.from(await readObject(keys, object.bytes, { role: 'content', objectId: object.objectId }))
}

describe('a document that gets a new data key', () => {
  it('seals under it what comes, and lists the former ones, oldest first, as the page says', async () => {
    const sealer = sealerFor([MINE])
    const heads = [await headUnder(await sealer.create(SCOPE))]
    for (let n = 1; n <= 3; n++) heads.push(await headUnder(await sealer.rotate(SCOPE, heads.at(-1)!.keys)))
    const dataKeys = heads.map((head) => dataKeyIn(head, KEY))
    expect(new Set(dataKeys.map((key) => key.toString('hex'))).size).toBe(4)
    for (const [n, head] of heads.entries()) {
      expect(byHand.readHeader(head.bytes).keyId).toEqual(byHand.dataKeyId(dataKeys[n]!))
      expect(byHand.openMessage(head.bytes, dataKeys[n]!)).toEqual(BODY)
      expect(head.keys.earlier).toBe(n === 0 ? undefined : byHand.writeEarlier(dataKeys.slice(0, n)))
    }
  })

  it('opens everything from before to whoever opens its head', async () => {
    const sealer = sealerFor([MINE])
    const first = await sealer.create(SCOPE)
    const before = await first.seal(contentOf(SCOPE), BODY)
    const second = await sealer.rotate(SCOPE, first)
    const between = await second.seal(contentOf(SCOPE), BODY)
    const head = await headUnder(await sealer.rotate(SCOPE, second))
    for (const object of [before, between]) expect(await openBy(MINE, head, object)).toEqual(BODY)
    expect(Buffer.from(await readHead(sealerFor([MINE]), head.bytes))).toEqual(BODY)
  })

  it('has the recipients that are configured then, and no others', async () => {
    const mine = await sealerFor([MINE]).create(SCOPE)
    const { keyTable, keyId } = mine
    const both = sealerFor([THEIRS, MINE])
    const shared = await headUnder(await both.rotate(SCOPE, await both.unwrap(SCOPE, keyTable, keyId)))
    for (const key of [MINE, THEIRS]) expect(Buffer.from(await readHead(sealerFor([key]), shared.bytes))).toEqual(BODY)
    expect(dataKeyIn(shared, KEY)).toEqual(dataKeyIn(shared, OTHER_KEY))

    const alone = await headUnder(await sealerFor([MINE]).rotate(SCOPE, shared.keys))
    expect(sealerFor([MINE]).recipients(alone.keys.keyTable)).toHaveLength(1)
    expect(await verdict(readHead(sealerFor([THEIRS]), alone.bytes))).toBe('DecryptFailed recipients')
    // What it could read before, it can read now: that is not taken back.
    const old = await shared.keys.seal(contentOf(SCOPE), BODY)
    expect(await openBy(THEIRS, shared, old)).toEqual(BODY)
    const fresh = await alone.keys.seal(contentOf(SCOPE), BODY)
    expect((await refusal(openBy(THEIRS, shared, fresh))).code).toBe('DecryptFailed')
  })

  it('costs no further call of a key service in the process that made it, and one in another', async () => {
    const unwraps = (key: KeyProvider) => {
      let count = 0
      const unwrap = key.unwrap.bind(key)
      const counting = Object.assign(Object.create(key) as KeyProvider, {
        matches: key.matches.bind(key),
        wrap: key.wrap.bind(key),
        unwrap: (...args: Parameters<KeyProvider['unwrap']>) => {
          count++
          return unwrap(...args)
        },
      })
      return { key: counting, count: () => count }
    }
    const salt = async () => new Uint8Array(16)
    const [here, there] = [1, 2].map(() => unwraps(new StaticKeyProvider({ key: KEY })))
    const [sealer, other] = [here!, there!].map(({ key }) => makeSealer([key], { salt }))
    const head = await headUnder(await sealer!.rotate(SCOPE, await sealer!.create(SCOPE)))
    for (const one of [sealer!, other!, other!]) expect(Buffer.from(await readHead(one, head.bytes))).toEqual(BODY)
    expect([here!.count(), there!.count()]).toEqual([0, 1])
  })

  it('stays as it is when one of the configured keys cannot wrap', async () => {
    const variables: Record<string, string> = { STATE_KEY: KEY.toString('base64') }
    const salt = async () => new Uint8Array(16)
    const keys = await sealerFor([MINE]).create(SCOPE)
    const error = await refusal(makeSealer([MINE, 'env:GONE'], { salt, variables }).rotate(SCOPE, keys))
    expect(error).toMatchObject({ code: 'InvalidOptions', key: 'env:GONE' })
    expect(keys.earlier).toBeUndefined()
  })

  it('is told when its head has no room for more keys', async () => {
    const sealer = sealerFor([MINE])
    const former = Array.from({ length: 64 }, () => randomBytes(32))
    const created = await sealer.create(SCOPE)
    const full = await sealer.rotate(SCOPE, created.withEarlier(byHand.writeEarlier(former.slice(1))))
    expect(byHand.readEarlier(full.earlier!)).toHaveLength(64)
    expect(await refusal(sealer.rotate(SCOPE, full))).toMatchObject({ code: 'TooLarge' })
  })

  it('shows no key in an inspection', async () => {
    const sealer = sealerFor([MINE])
    const [first, second] = [await sealer.create(SCOPE)].map((keys) => [keys, sealer.rotate(SCOPE, keys)] as const)[0]!
    const heads = [await headUnder(first), await headUnder(await second)]
    const secrets = heads.map((head) => dataKeyIn(head, KEY))
    for (const { keys } of heads) assertHides(everythingShown(keys), secrets, 'an inspection')
    assertHides(everythingShown(sealer), secrets, 'an inspection')
  })

  it('is an encrypted one', async () => {
    const clear = sealerFor(['plaintext'])
    const keys = await clear.create(SCOPE)
    expect(await refusal(clear.rotate(SCOPE, keys))).toMatchObject({ code: 'Unsupported' })
    expect(await verdict(sealerFor([MINE]).rotate(SCOPE, keys))).toBe('Corrupt suite')
  })
})

describe('a head after a change of keys', () => {
  /** The message under another key id or key table: what somebody can write who has the bucket, and both heads. */
  function spliced(head: Sealed, from: Sealed, parts: readonly ('keyId' | 'keyTable')[]): Uint8Array {
    const [one, other] = [byHand.readHeader(head.bytes), byHand.readHeader(from.bytes)]
    let clear = one.clear
    for (const part of parts) {
      const at = clear.indexOf(one[part]!)
      clear = Buffer.concat([clear.subarray(0, at), other[part]!, clear.subarray(at + one[part]!.length)])
    }
    return Buffer.concat([clear, Buffer.from(head.bytes).subarray(one.clear.length)])
  }

  it('opens under no table or key id but its own', async () => {
    const sealer = sealerFor([MINE])
    const created = await sealer.create(SCOPE)
    const before = await headUnder(created)
    const after = await headUnder(await sealer.rotate(SCOPE, created))
    expect(decodeHeader(after.bytes, 'k').headerLength).toBe(decodeHeader(before.bytes, 'k').headerLength)
    const reading = (bytes: Uint8Array) => verdict(readHead(sealerFor([MINE]), bytes))
    for (const [head, from] of [
      [after, before],
      [before, after],
    ] as const) {
      expect(await reading(spliced(head, from, ['keyTable']))).toBe('Corrupt keyId')
      expect(await reading(spliced(head, from, ['keyId']))).toBe('Corrupt keyId')
      expect(await reading(spliced(head, from, ['keyId', 'keyTable']))).toBe('Corrupt commitment')
    }
  })

  it('does not let an object of before pass for one of after', async () => {
    const sealer = sealerFor([MINE])
    const created = await sealer.create(SCOPE)
    const object = await created.seal(contentOf(SCOPE), BODY)
    const next = await sealer.rotate(SCOPE, created)
    const { clear } = byHand.readHeader(object.bytes)
    const forged = Buffer.from(object.bytes)
    forged.set(next.keyId, clear.length - 16)
    const reading = readObject(next, forged, { role: 'content', objectId: object.objectId })
    expect(await verdict(reading)).toBe('Corrupt commitment')
  })
})
