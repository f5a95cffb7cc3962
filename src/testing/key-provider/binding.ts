import type { DocumentScope } from '../../core/header.ts'
import { assertRefuses, type KeyProviderCase, newDataKey, SCOPE } from './context.ts'

const OTHER_SCOPES: readonly [string, DocumentScope][] = [
  ['another store', { ...SCOPE, storeId: Buffer.alloc(16, 0x5b) }],
  ['another kind', { ...SCOPE, kind: 'ledger' }],
  ['another name', { ...SCOPE, path: 'shop/test' }],
  ['a name that begins alike', { ...SCOPE, path: 'shop/prod/eu' }],
  ['kind and name divided elsewhere', { ...SCOPE, kind: 'stat', path: 'eshop/prod' }],
]

/** What was wrapped is bound to its document and to every one of its bytes. */
export const bindingCases: readonly KeyProviderCase[] = [
  {
    name: 'a data key that was wrapped for one document does not unwrap for another',
    async run({ provider }) {
      const wrapped = await provider.wrap(newDataKey(), SCOPE)
      for (const [what, scope] of OTHER_SCOPES) {
        await assertRefuses(provider.unwrap(wrapped, scope), what, 'Corrupt', 'DecryptFailed')
      }
    },
  },
  {
    name: 'a wrapped key of which one bit was changed does not unwrap',
    async run({ provider, flips }) {
      const wrapped = await provider.wrap(newDataKey(), SCOPE)
      const { length } = wrapped.wrapped
      for (let n = 0; n < flips; n += 1) {
        const at = Math.floor((n * length) / flips)
        const changed = Uint8Array.from(wrapped.wrapped)
        changed[at]! ^= 1 << (at % 8)
        const work = provider.unwrap({ ...wrapped, wrapped: changed }, SCOPE)
        await assertRefuses(work, `byte ${at}`, 'Corrupt', 'DecryptFailed', 'Unsupported')
      }
    },
  },
  {
    name: 'a wrapped key that was cut short or extended does not unwrap',
    async run({ provider }) {
      const wrapped = await provider.wrap(newDataKey(), SCOPE)
      const { length } = wrapped.wrapped
      const longer = Buffer.concat([wrapped.wrapped, Buffer.alloc(1)])
      for (const end of [0, 1, length >> 1, length - 1, length + 1]) {
        const work = provider.unwrap({ ...wrapped, wrapped: longer.subarray(0, end) }, SCOPE)
        await assertRefuses(work, `${end} of ${length} bytes`, 'Corrupt', 'DecryptFailed', 'Unsupported')
      }
    },
  },
  {
    name: 'another key does not unwrap it, and says that it is another',
    async run({ provider, other }) {
      const wrapped = await provider.wrap(newDataKey(), SCOPE)
      await assertRefuses((await other()).unwrap(wrapped, SCOPE), 'another key', 'DecryptFailed')
    },
  },
]
