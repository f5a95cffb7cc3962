import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { KeelstateError } from '../../src/core/errors.ts'
import { type DocumentScope, decodeHeader, encodeHeader, type Header, hex } from '../../src/core/header.ts'
import type { DocumentKeys } from '../../src/core/sealer.ts'
import { type KeyProvider, makeSealer, StaticKeyProvider, type WrappedKey } from '../../src/encrypt/index.ts'
import { KeySealer } from '../../src/encrypt/sealer.ts'
import * as byHand from './by-hand.ts'
import {
  contentOf,
  headOf,
  KEY,
  OTHER_KEY,
  readHead,
  readObject,
  refusal,
  SALT,
  SCOPE,
  STORE_ID,
  sealerFor,
  verdict,
} from './fixtures.ts'

const BODY = Buffer.from('{"replicas":1}')

/** A static provider that counts, and can be made to wait or to fail. */
class WatchedProvider implements KeyProvider {
  readonly provider = 'static'
  readonly address = 'watched'
  readonly #inner = new StaticKeyProvider({ key: KEY })
  wraps = 0
  unwraps = 0
  before: () => Promise<void> = async () => {}

  describe(): string {
    return this.address
  }

  matches(recipient: { provider: string; keyId: string }): Promise<boolean> {
    return this.#inner.matches(recipient)
  }

  async wrap(dataKey: Uint8Array, scope: DocumentScope): Promise<WrappedKey> {
    this.wraps += 1
    return this.#inner.wrap(dataKey, scope)
  }

  async unwrap(wrapped: WrappedKey, scope: DocumentScope): Promise<Uint8Array> {
    this.unwraps += 1
    await this.before()
    return this.#inner.unwrap(wrapped, scope)
  }
}

describe('recipients', () => {
  it('each open the document alone, and are listed without any key', async () => {
    const made = await sealerFor(['env:STATE_KEY', 'env:OTHER_KEY', 'passphrase:env:STATE_PASS']).create(SCOPE)
    const { bytes } = await made.seal(headOf(SCOPE), BODY)
    for (const key of ['env:STATE_KEY', 'env:OTHER_KEY', 'passphrase:env:STATE_PASS']) {
      expect(Buffer.from(await readHead(sealerFor([key]), bytes))).toEqual(BODY)
    }
    const listed = sealerFor(['env:UNSET']).recipients(made.keyTable)
    expect(listed.map(({ provider }) => provider)).toEqual(['static', 'static', 'passphrase'])
    expect(listed.every(({ keyId }) => /^[0-9a-f]{16}$/.test(keyId))).toBe(true)
    expect(new Set(listed.map(({ keyId }) => keyId)).size).toBe(3)
  })

  it('are one when the same key is configured twice', async () => {
    const made = await makeSealer(['env:A', 'env:B'], {
      salt: async () => SALT,
      variables: { A: KEY.toString('base64'), B: KEY.toString('base64') },
    }).create(SCOPE)
    expect(sealerFor(['env:STATE_KEY']).recipients(made.keyTable)).toHaveLength(1)
  })

  it('are all needed to make a document: one that is missing stops it by name', async () => {
    const error = await refusal(sealerFor(['env:STATE_KEY', 'env:UNSET']).create(SCOPE))
    expect(error.code).toBe('InvalidOptions')
    expect(error.message).toBe('The key env:UNSET cannot be used: the environment variable UNSET is not set.')
  })

  it('need not all be at hand to read: an unusable key does not stand in the way of another', async () => {
    const made = await sealerFor(['env:STATE_KEY']).create(SCOPE)
    const { bytes } = await made.seal(headOf(SCOPE), BODY)
    expect(Buffer.from(await readHead(sealerFor(['env:UNSET', 'env:STATE_KEY']), bytes))).toEqual(BODY)
  })

  it('take little room in a head: two of them at most 230 bytes, a first head of 400 bytes at most 1.4 kB', async () => {
    const keys = await sealerFor(['env:STATE_KEY', 'passphrase:env:STATE_PASS']).create(SCOPE)
    expect(keys.keyTable.length).toBeLessThanOrEqual(230)
    const { bytes } = await keys.seal(headOf({ ...SCOPE, path: 'platform/production' }), randomBytes(400))
    expect(bytes.length).toBeLessThanOrEqual(1_400)
  })
})

describe('a document that does not open', () => {
  it('for a foreign key names its keys, the configured one, and what to do', async () => {
    const made = await sealerFor(['env:STATE_KEY']).create(SCOPE)
    const { bytes } = await made.seal(headOf(SCOPE), BODY)
    const error = await refusal(readHead(sealerFor(['env:OTHER_KEY']), bytes))
    expect(error).toMatchObject({
      code: 'DecryptFailed',
      key: 'heads/state/shop/prod/~',
      details: { differs: 'recipients' },
    })
    const [mine] = sealerFor(['env:STATE_KEY']).recipients(made.keyTable)
    expect(error.message).toMatch(
      new RegExp(`Its keys: static ${mine!.keyId}\\. Configured: env:OTHER_KEY \\(static [0-9a-f]{16}\\)\\.$`),
    )
    expect(error.hint).toMatch(/Configure one of its keys/)
  })

  it('because the only configured key is not at hand says that, not that the key is wrong', async () => {
    const made = await sealerFor(['env:STATE_KEY']).create(SCOPE)
    const { bytes } = await made.seal(headOf(SCOPE), BODY)
    const error = await refusal(readHead(sealerFor(['env:UNSET']), bytes))
    expect(error).toMatchObject({ code: 'InvalidOptions', details: { option: 'keys' } })
    const both = await refusal(readHead(sealerFor(['env:UNSET', 'env:OTHER_KEY']), bytes))
    expect(both.code).toBe('DecryptFailed')
    expect(both.message).toMatch(/Configured: env:UNSET \(unusable: .* not set\.\), env:OTHER_KEY/)
  })

  it('passes on what a key service refused, so that a caller can wait and try again', async () => {
    const provider = new WatchedProvider()
    const made = await new KeySealer([provider]).create(SCOPE)
    const { bytes } = await made.seal(headOf(SCOPE), BODY)
    const sealer = new KeySealer([new StaticKeyProvider({ key: OTHER_KEY }), provider])
    provider.before = async () => {
      throw new KeelstateError('Throttled', { message: 'The key service is busy.' })
    }
    expect(await refusal(readHead(sealer, bytes))).toMatchObject({ code: 'Throttled', retry: 'safe' })
    provider.before = async () => {}
    expect(Buffer.from(await readHead(sealer, bytes))).toEqual(BODY)
  })

  it('prints hostile text of a key table escaped', async () => {
    const table = byHand.writeKeyTable([{ provider: 'static', keyId: 'a\u001b[2Jb\u202e', wrapped: Buffer.alloc(72) }])
    const error = await refusal(sealerFor(['env:STATE_KEY']).unwrap(SCOPE, table, Buffer.alloc(16, 1)))
    expect(error.message).toContain('static a\\u001b[2Jb\\u202e')
  })

  it('is refused when a provider hands out something else than its data key', async () => {
    const made = await sealerFor(['env:STATE_KEY']).create(SCOPE)
    for (const answer of [Buffer.alloc(32, 1), Buffer.alloc(31), Buffer.alloc(0)]) {
      const liar = new WatchedProvider()
      liar.unwrap = async () => answer
      const says = await verdict(new KeySealer([liar]).unwrap(SCOPE, made.keyTable, made.keyId))
      expect(says).toMatch(/^Corrupt (keyId|dataKey)$/)
    }
  })
})

describe('calls of a key service', () => {
  it('are one per document and process, however many read at once', async () => {
    const provider = new WatchedProvider()
    const made = await new KeySealer([provider]).create(SCOPE)
    const { bytes } = await made.seal(headOf(SCOPE), BODY)
    const sealer = new KeySealer([provider])
    await Promise.all(Array.from({ length: 20 }, () => readHead(sealer, bytes)))
    await readHead(sealer, bytes)
    expect(provider.unwraps).toBe(1)
  })

  it('are none to read what the process has made itself', async () => {
    const provider = new WatchedProvider()
    const sealer = new KeySealer([provider])
    const made = await sealer.create(SCOPE)
    await readHead(sealer, (await made.seal(headOf(SCOPE), BODY)).bytes)
    expect([provider.wraps, provider.unwraps]).toEqual([1, 0])
  })

  it('are not remembered when they failed', async () => {
    const provider = new WatchedProvider()
    const made = await new KeySealer([provider]).create(SCOPE)
    const sealer = new KeySealer([provider])
    provider.before = async () => {
      throw new KeelstateError('Unavailable', { message: 'The key service does not answer.' })
    }
    expect(await verdict(sealer.unwrap(SCOPE, made.keyTable, made.keyId))).toBe('Unavailable')
    provider.before = async () => {}
    await sealer.unwrap(SCOPE, made.keyTable, made.keyId)
    expect(provider.unwraps).toBe(2)
  })

  it('go on for the others when one of the waiting callers gives up', async () => {
    const provider = new WatchedProvider()
    const made = await new KeySealer([provider]).create(SCOPE)
    const sealer = new KeySealer([provider])
    let letGo = () => {}
    const held = new Promise<void>((resolve) => {
      letGo = resolve
    })
    provider.before = () => held
    const impatient = new AbortController()
    const one = sealer.unwrap(SCOPE, made.keyTable, made.keyId, { signal: impatient.signal })
    const two = sealer.unwrap(SCOPE, made.keyTable, made.keyId)
    impatient.abort()
    expect(await verdict(one)).toBe('Aborted')
    letGo()
    expect(hex((await two).keyId)).toBe(hex(made.keyId))
    expect(provider.unwraps).toBe(1)
  })

  it('are not made for a call whose signal has fired', async () => {
    const provider = new WatchedProvider()
    const sealer = new KeySealer([provider])
    const options = { signal: AbortSignal.abort() }
    expect(await verdict(sealer.create(SCOPE, options))).toBe('Aborted')
    const made = await sealer.create(SCOPE)
    expect(await verdict(new KeySealer([provider]).unwrap(SCOPE, made.keyTable, made.keyId, options))).toBe('Aborted')
    expect([provider.wraps, provider.unwraps]).toEqual([1, 0])
  })

  it('leave no data key behind in the bytes that a provider handed out', async () => {
    const provider = new WatchedProvider()
    const handed: Uint8Array[] = []
    const { unwrap } = provider
    provider.unwrap = async (wrapped, scope) => {
      handed.push(await unwrap.call(provider, wrapped, scope))
      return handed[0]!
    }
    const made = await new KeySealer([provider]).create(SCOPE)
    await new KeySealer([provider]).unwrap(SCOPE, made.keyTable, made.keyId)
    expect(handed.map((bytes) => Buffer.from(bytes))).toEqual([Buffer.alloc(32)])
  })

  it('keep to a bounded memory: of 1,100 documents the ones used last are remembered', async () => {
    const provider = new WatchedProvider()
    const sealer = new KeySealer([provider])
    const scopes = Array.from({ length: 1_100 }, (_, n) => ({ ...SCOPE, path: `doc-${n}` }))
    const made: DocumentKeys[] = []
    for (const scope of scopes) made.push(await sealer.create(scope))
    const open = (n: number) => sealer.unwrap(scopes[n]!, made[n]!.keyTable, made[n]!.keyId)
    for (let n = 1_000; n < 1_100; n++) await open(n)
    expect(provider.unwraps).toBe(0)
    await open(0)
    expect(provider.unwraps).toBe(1)
  })

  it('make and wrap the data key in one when the service can', async () => {
    const service = new WatchedProvider()
    const dataKey = randomBytes(32)
    const generating: KeyProvider = Object.assign(service, {
      generate: async (scope: DocumentScope) => {
        const wrapped = await new StaticKeyProvider({ key: KEY }).wrap(dataKey, scope)
        return { dataKey: Uint8Array.from(dataKey), wrapped }
      },
    })
    const second = new StaticKeyProvider({ key: OTHER_KEY })
    const made = await new KeySealer([second, generating]).create(SCOPE)
    expect(service.wraps).toBe(0)
    expect(hex(made.keyId)).toBe(hex(byHand.dataKeyId(dataKey)))
    const { bytes } = await made.seal(headOf(SCOPE), BODY)
    for (const key of ['env:STATE_KEY', 'env:OTHER_KEY'])
      expect(Buffer.from(await readHead(sealerFor([key]), bytes))).toEqual(BODY)
  })
})

describe('earlier data keys', () => {
  const [current, former, oldest] = [randomBytes(32), randomBytes(32), randomBytes(32)]
  const scope = { storeId: STORE_ID, kind: SCOPE.kind, name: SCOPE.path }
  const keyTable = byHand.writeKeyTable([byHand.wrapStatic(KEY, randomBytes(24), current, scope)])

  function objectUnder(dataKey: Buffer): { bytes: Buffer; objectId: Buffer } {
    const messageId = byHand.makeMessageId(dataKey, randomBytes(32), BODY)
    const objectId = messageId.subarray(0, 16)
    const header: Header = {
      ...contentOf(SCOPE),
      type: 'object',
      role: 'content',
      objectId,
      keyId: byHand.dataKeyId(dataKey),
    }
    const clear = Buffer.from(encodeHeader(header, { suite: 1, compressed: false, segmentLog2: 16 }))
    return { bytes: byHand.sealMessage(clear, dataKey, messageId, BODY), objectId }
  }

  const read = (keys: Parameters<typeof readObject>[0], dataKey: Buffer) => {
    const { bytes, objectId } = objectUnder(dataKey)
    return readObject(keys, bytes, { role: 'content', objectId })
  }

  it('open history for who can open the head, and only then', async () => {
    const keys = await sealerFor(['env:STATE_KEY']).unwrap(SCOPE, keyTable, byHand.dataKeyId(current))
    expect(keys.earlier).toBeUndefined()
    expect(Buffer.from(await read(keys, current))).toEqual(BODY)
    const error = await refusal(read(keys, former))
    expect(error).toMatchObject({ code: 'DecryptFailed', details: { differs: 'keyId' } })
    expect(error.message).toContain(byHand.dataKeyId(former).toString('hex'))

    const all = keys.withEarlier(byHand.writeEarlier([oldest, former]))
    for (const dataKey of [current, former, oldest]) expect(Buffer.from(await read(all, dataKey))).toEqual(BODY)
    expect(await verdict(read(all, randomBytes(32)))).toBe('DecryptFailed keyId')
    expect(await verdict(read(all.withEarlier(undefined), former))).toBe('DecryptFailed keyId')
  })

  it('are carried on as they were read, and new messages go under the current key', async () => {
    const earlier = byHand.writeEarlier([oldest, former])
    const keys = (await sealerFor(['env:STATE_KEY']).unwrap(SCOPE, keyTable, byHand.dataKeyId(current))).withEarlier(
      earlier,
    )
    expect(keys.earlier).toBe(earlier)
    expect(keys.withEarlier(earlier)).toBe(keys)
    const { bytes } = await keys.seal(contentOf(SCOPE), BODY)
    expect(hex(decodeHeader(bytes, 'k').header.keyId)).toBe(hex(byHand.dataKeyId(current)))
    expect(byHand.openMessage(bytes, current)).toEqual(BODY)
  })

  it('in a list that is malformed are refused', async () => {
    const keys = await sealerFor(['env:STATE_KEY']).unwrap(SCOPE, keyTable, byHand.dataKeyId(current))
    const bad = [
      '',
      'AQ',
      '!',
      Buffer.from([2, ...former]).toString('base64'),
      Buffer.from([1, 2, 3]).toString('base64'),
    ]
    for (const text of bad) expect(() => keys.withEarlier(text), text).toThrow(/list of earlier data keys/)
  })

  it('show up in no inspection of the keys', async () => {
    const { everythingShown, assertHides } = await import('../../src/testing/key-provider/context.ts')
    const sealer = sealerFor(['env:STATE_KEY'])
    const keys = (await sealer.unwrap(SCOPE, keyTable, byHand.dataKeyId(current))).withEarlier(
      byHand.writeEarlier([former]),
    )
    for (const value of [keys, sealer]) assertHides(everythingShown(value), [current, former, KEY], 'an inspection')
  })
})

describe('a document in the clear', () => {
  it('is refused where keys are configured, head and object alike', async () => {
    const keys = await sealerFor(['plaintext']).create(SCOPE)
    const head = await keys.seal(headOf(SCOPE), BODY)
    const error = await refusal(readHead(sealerFor(['env:STATE_KEY']), head.bytes))
    expect(error).toMatchObject({ code: 'Corrupt', details: { differs: 'suite' } })
    expect(error.message).toMatch(/is not encrypted although keys are configured\.$/)
    const object = await keys.seal(contentOf(SCOPE), BODY)
    const encrypted = await sealerFor(['env:STATE_KEY']).create(SCOPE)
    const read = readObject(encrypted, object.bytes, { role: 'content', objectId: object.objectId })
    expect(await verdict(read)).toBe('Corrupt suite')
  })
})
