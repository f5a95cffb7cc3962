import assert from 'node:assert/strict'
import { decodeHeader } from '../../core/header.ts'
import { KeySealer } from '../../encrypt/sealer.ts'
import { decodeKeyTable, encodeKeyTable } from '../../encrypt/wraps.ts'
import { assertSameKey, type KeyProviderCase, newDataKey, SCOPE } from './context.ts'

/** A data key goes in and comes back, here and elsewhere. */
export const wrappingCases: readonly KeyProviderCase[] = [
  {
    name: 'a data key comes back exactly as it was wrapped',
    async run({ provider }) {
      const dataKey = newDataKey()
      const wrapped = await provider.wrap(dataKey, SCOPE)
      assertSameKey(await provider.unwrap(wrapped, SCOPE), dataKey)
    },
  },
  {
    name: 'another process that has the key unwraps what this one wrapped',
    async run({ provider, again }) {
      const dataKey = newDataKey()
      const elsewhere = await again()
      const wrapped = await provider.wrap(dataKey, SCOPE)
      assert.equal(await elsewhere.matches(wrapped), true)
      assertSameKey(await elsewhere.unwrap(wrapped, SCOPE), dataKey)
    },
  },
  {
    name: 'what it wraps fits into a key table and comes back from there',
    async run({ provider }) {
      const dataKey = newDataKey()
      const wrapped = await provider.wrap(dataKey, SCOPE)
      assert.equal(wrapped.provider, provider.provider)
      const [read] = decodeKeyTable(encodeKeyTable([wrapped]), 'heads/state/shop/prod/~')
      assert.equal(await provider.matches(read!), true)
      assertSameKey(await provider.unwrap(read!, SCOPE), dataKey)
    },
  },
  {
    name: 'all wrappings name the same key id',
    async run({ provider, again }) {
      const first = await provider.wrap(newDataKey(), SCOPE)
      const second = await (await again()).wrap(newDataKey(), { ...SCOPE, path: 'shop/test' })
      assert.equal(first.keyId, second.keyId)
    },
  },
  {
    name: 'a wrapping does not show the data key',
    async run({ provider }) {
      const dataKey = newDataKey()
      const { wrapped } = await provider.wrap(dataKey, SCOPE)
      for (let at = 0; at + 8 <= dataKey.length; at += 1) {
        assert.equal(
          Buffer.from(wrapped).indexOf(dataKey.subarray(at, at + 8)),
          -1,
          'eight bytes of the data key are in it',
        )
      }
    },
  },
  {
    name: 'calls at the same time do not disturb each other',
    async run({ provider }) {
      const dataKeys = Array.from({ length: 16 }, newDataKey)
      const wraps = await Promise.all(dataKeys.map((dataKey) => provider.wrap(dataKey, SCOPE)))
      const back = await Promise.all(wraps.map((wrapped) => provider.unwrap(wrapped, SCOPE)))
      for (const [at, dataKey] of dataKeys.entries()) assertSameKey(back[at]!, dataKey)
    },
  },
  {
    name: 'bytes that went in may be overwritten, and so may those that came out',
    async run({ provider }) {
      const dataKey = newDataKey()
      const given = Uint8Array.from(dataKey)
      const wrapped = await provider.wrap(given, SCOPE)
      given.fill(0)
      const before = Uint8Array.from(wrapped.wrapped)
      const first = await provider.unwrap(wrapped, SCOPE)
      assertSameKey(first, dataKey)
      first.fill(0)
      assertSameKey(await provider.unwrap(wrapped, SCOPE), dataKey)
      assert.deepEqual(Buffer.from(wrapped.wrapped), Buffer.from(before), 'unwrap changed what it was given')
    },
  },
  {
    name: 'a generated data key has 32 bytes, is wrapped, and is never given twice',
    needs: ['generate'],
    async run({ provider, again }) {
      const first = await provider.generate!(SCOPE)
      const second = await provider.generate!(SCOPE)
      assert.equal(first.dataKey.length, 32)
      assert.notDeepEqual(Buffer.from(first.dataKey), Buffer.from(second.dataKey))
      assertSameKey(await (await again()).unwrap(first.wrapped, SCOPE), first.dataKey)
    },
  },
  {
    name: 'a document that was made with it opens in another process, for one unwrap however often it is read',
    async run({ provider, again }) {
      const elsewhere = await again()
      const made = await new KeySealer([provider]).create(SCOPE)
      const { bytes } = await made.seal({ type: 'object', scope: SCOPE, role: 'content' }, Buffer.from('a body'))
      let unwraps = 0
      const counting = new Proxy(elsewhere, {
        get(target, member) {
          if (member === 'unwrap') unwraps += 1
          const value: unknown = Reflect.get(target, member, target)
          return typeof value === 'function' ? value.bind(target) : value
        },
      })
      const reader = new KeySealer([counting])
      const read = async () => {
        const keys = await reader.unwrap(SCOPE, made.keyTable, made.keyId)
        return Buffer.from(await keys.open(decodeHeader(bytes, 'objects/…'), 'objects/…')).toString()
      }
      assert.deepEqual(await Promise.all([read(), read(), read()]), ['a body', 'a body', 'a body'])
      assert.equal(await read(), 'a body')
      assert.equal(unwraps, 1)
    },
  },
]
