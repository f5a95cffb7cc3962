import assert from 'node:assert/strict'
import {
  assertHides,
  assertRefuses,
  assertSameKey,
  everythingShown,
  type KeyProviderCase,
  newDataKey,
  SCOPE,
} from './context.ts'

/** Foreign recipients, aborts, keys that cannot be had, and what is shown to people. */
export const boundaryCases: readonly KeyProviderCase[] = [
  {
    name: 'it does not take the recipients of other providers for its own',
    async run({ provider }) {
      const { keyId } = await provider.wrap(newDataKey(), SCOPE)
      assert.equal(await provider.matches({ provider: `not-${provider.provider}`, keyId }), false)
    },
  },
  {
    name: 'it refuses to unwrap what another provider wrapped',
    async run({ provider }) {
      const wrapped = { ...(await provider.wrap(newDataKey(), SCOPE)), provider: `not-${provider.provider}` }
      await assertRefuses(provider.unwrap(wrapped, SCOPE), 'a foreign entry', 'DecryptFailed')
    },
  },
  {
    name: 'a call whose signal has fired is Aborted',
    async run({ provider }) {
      const wrapped = await provider.wrap(newDataKey(), SCOPE)
      const signal = AbortSignal.abort()
      await assertRefuses(provider.wrap(newDataKey(), SCOPE, { signal }), 'wrap', 'Aborted')
      await assertRefuses(provider.unwrap(wrapped, SCOPE, { signal }), 'unwrap', 'Aborted')
      if (provider.generate !== undefined) {
        await assertRefuses(provider.generate(SCOPE, { signal }), 'generate', 'Aborted')
      }
    },
  },
  {
    name: 'its description begins with the address and is a line of text',
    async run({ provider }) {
      const described = await provider.describe()
      assert.ok(described.startsWith(provider.address), described)
      assert.match(described, /^[^\n\r]{1,500}$/)
      assert.match(provider.provider, /^[a-z][a-z0-9-]{0,31}$/)
    },
  },
  {
    name: 'neither description, inspect, JSON nor any error shows a byte of a key',
    async run({ provider, other, secrets }) {
      const dataKey = newDataKey()
      const hidden = [...secrets, dataKey]
      const wrapped = await provider.wrap(dataKey, SCOPE)
      const changed = Uint8Array.from(wrapped.wrapped)
      changed[changed.length - 1]! ^= 1
      const errors = await Promise.all([
        assertRefuses(provider.unwrap({ ...wrapped, wrapped: changed }, SCOPE), 'changed', 'Corrupt', 'DecryptFailed'),
        assertRefuses((await other()).unwrap(wrapped, SCOPE), 'another key', 'DecryptFailed'),
      ])
      await provider.unwrap(wrapped, SCOPE)
      for (const error of errors) assertHides(everythingShown(error), hidden, 'an error')
      assertHides(everythingShown(provider), hidden, 'the provider')
      assertHides(await provider.describe(), hidden, 'its description')
    },
  },
  {
    name: 'a key that cannot be had is an error of its own, and is asked for again',
    needs: ['broken'],
    async run({ broken }) {
      const { provider, repair } = await broken()
      const codes = [
        'InvalidOptions',
        'AccessDenied',
        'Unauthenticated',
        'Throttled',
        'Unavailable',
        'Timeout',
      ] as const
      await assertRefuses(provider.wrap(newDataKey(), SCOPE), 'while it cannot be had', ...codes)
      assert.ok((await provider.describe()).startsWith(provider.address))
      await repair()
      const dataKey = newDataKey()
      assertSameKey(await provider.unwrap(await provider.wrap(dataKey, SCOPE), SCOPE), dataKey)
    },
  },
]
