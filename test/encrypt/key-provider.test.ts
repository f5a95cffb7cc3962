import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { KeelstateError } from '../../src/core/errors.ts'
import type { DocumentScope } from '../../src/core/header.ts'
import type { CallOptions } from '../../src/core/store.ts'
import {
  type GeneratedKey,
  type KeyProvider,
  PassphraseProvider,
  StaticKeyProvider,
  type WrappedKey,
} from '../../src/encrypt/index.ts'
import { type KeyProviderHarness, registerSuite, runSuite, testKeyProvider } from '../../src/testing/index.ts'
import { KEY, OTHER_KEY, PASSPHRASE, SALT } from './fixtures.ts'

const missing = () => new KeelstateError('InvalidOptions', { message: 'The key is not there.' })

const staticHarness: KeyProviderHarness = {
  name: 'static key',
  open: async () => new StaticKeyProvider({ key: KEY, address: 'env:STATE_KEY' }),
  openAgain: async () => new StaticKeyProvider({ key: async () => Uint8Array.from(KEY) }),
  openOther: async () => new StaticKeyProvider({ key: OTHER_KEY }),
  secrets: [KEY],
  async openBroken() {
    let there = false
    const repair = async () => {
      there = true
    }
    const key = async () => (there ? KEY : Promise.reject(missing()))
    return { provider: new StaticKeyProvider({ key }), repair }
  },
}

const salt = async () => SALT
const shared = new PassphraseProvider({ passphrase: PASSPHRASE, salt, address: 'passphrase:env:P' })
const again = new PassphraseProvider({ passphrase: async () => PASSPHRASE, salt })
const other = new PassphraseProvider({ passphrase: `${PASSPHRASE}!`, salt })

const passphraseHarness: KeyProviderHarness = {
  name: 'passphrase',
  open: async () => shared,
  openAgain: async () => again,
  openOther: async () => other,
  secrets: [PASSPHRASE],
  async openBroken() {
    let there = false
    const repair = async () => {
      there = true
    }
    const passphrase = async () => (there ? PASSPHRASE : Promise.reject(missing()))
    return { provider: new PassphraseProvider({ passphrase, salt }), repair }
  },
}

/** A static key that also makes data keys, as a key service does. */
class GeneratingProvider extends StaticKeyProvider {
  async generate(scope: DocumentScope, options?: CallOptions): Promise<GeneratedKey> {
    const dataKey = Uint8Array.from(randomBytes(32))
    return { dataKey, wrapped: await this.wrap(dataKey, scope, options) }
  }
}

const generatingHarness: KeyProviderHarness = {
  ...staticHarness,
  name: 'a provider that generates data keys',
  open: async () => new GeneratingProvider({ key: KEY }),
}

registerSuite(testKeyProvider(staticHarness, { flips: 72 }), { describe, it })
registerSuite(testKeyProvider(generatingHarness), { describe, it })
registerSuite(testKeyProvider(passphraseHarness, { flips: 12 }), { describe, it })

/** A static provider with one member replaced. */
type Change = (good: StaticKeyProvider) => Partial<KeyProvider>

function changed(change: Change): KeyProviderHarness {
  const spoil = async (make: () => Promise<KeyProvider>): Promise<KeyProvider> => {
    const good = (await make()) as StaticKeyProvider
    const changes = change(good)
    return new Proxy(good, {
      get(target, member) {
        const value: unknown = Reflect.get(member in changes ? changes : target, member)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  }
  return {
    ...staticHarness,
    open: () => spoil(staticHarness.open),
    openAgain: () => spoil(staticHarness.openAgain),
    openOther: () => spoil(staticHarness.openOther),
    async openBroken() {
      const broken = await staticHarness.openBroken!()
      return { ...broken, provider: await spoil(async () => broken.provider) }
    },
  }
}

const ANYWHERE: DocumentScope = { storeId: new Uint8Array(16), kind: 'any', path: 'any' }

/** Each is a mistake that somebody could make, and the case that has to notice it. */
const BROKEN: readonly (readonly [mistake: string, noticedBy: string, change: Change])[] = [
  [
    'ignores the document',
    'a data key that was wrapped for one document does not unwrap for another',
    (good) => ({ wrap: (key) => good.wrap(key, ANYWHERE), unwrap: (wrapped) => good.unwrap(wrapped, ANYWHERE) }),
  ],
  [
    'hands out bytes that did not verify',
    'a wrapped key of which one bit was changed does not unwrap',
    (good) => ({ unwrap: (wrapped, scope) => good.unwrap(wrapped, scope).catch(() => new Uint8Array(32)) }),
  ],
  [
    'ignores what follows a wrapped key',
    'a wrapped key that was cut short or extended does not unwrap',
    (good) => ({
      unwrap: (wrapped, scope) => good.unwrap({ ...wrapped, wrapped: wrapped.wrapped.subarray(0, 72) }, scope),
    }),
  ],
  [
    'keeps the data key in the clear',
    'a wrapping does not show the data key',
    () => ({
      wrap: async (key) => ({ provider: 'static', keyId: 'k', wrapped: Uint8Array.from(key) }),
      unwrap: async (wrapped) => wrapped.wrapped,
    }),
  ],
  [
    'says Corrupt of another key',
    'another key does not unwrap it, and says that it is another',
    (good) => ({
      unwrap: (wrapped, scope) =>
        good.unwrap(wrapped, scope).catch(() => Promise.reject(new KeelstateError('Corrupt', { message: 'No.' }))),
    }),
  ],
  [
    'throws errors of its own making',
    'a wrapped key of which one bit was changed does not unwrap',
    (good) => ({
      unwrap: (wrapped, scope) => good.unwrap(wrapped, scope).catch(() => Promise.reject(new Error('bad tag'))),
    }),
  ],
  [
    'takes every recipient for its own',
    'it does not take the recipients of other providers for its own',
    () => ({ matches: () => true }),
  ],
  ['knows nobody', 'another process that has the key unwraps what this one wrapped', () => ({ matches: () => false })],
  [
    'unwraps the entries of other providers',
    'it refuses to unwrap what another provider wrapped',
    (good) => ({ unwrap: (wrapped, scope) => good.unwrap({ ...wrapped, provider: 'static' }, scope) }),
  ],
  [
    'does not look at the signal',
    'a call whose signal has fired is Aborted',
    (good) => ({
      wrap: (key, scope) => good.wrap(key, scope),
      unwrap: (wrapped, scope) => good.unwrap(wrapped, scope),
    }),
  ],
  [
    'describes itself by another address',
    'its description begins with the address and is a line of text',
    () => ({ describe: () => 'some key' }),
  ],
  [
    'prints its key',
    'neither description, inspect, JSON nor any error shows a byte of a key',
    () => ({ describe: () => `env:STATE_KEY ${KEY.toString('base64')}` }),
  ],
  [
    'puts the key into an error',
    'neither description, inspect, JSON nor any error shows a byte of a key',
    (good) => ({
      unwrap: (wrapped, scope) =>
        good.unwrap(wrapped, scope).catch((error: KeelstateError) => {
          throw new KeelstateError(error.code, { message: error.message, cause: KEY.toString('hex') })
        }),
    }),
  ],
  [
    'keeps what it was given',
    'bytes that went in may be overwritten, and so may those that came out',
    (good) => {
      const kept = new Map<string, Uint8Array>()
      const wrap = async (key: Uint8Array, scope: DocumentScope): Promise<WrappedKey> => {
        const wrapped = await good.wrap(key, scope)
        kept.set(Buffer.from(wrapped.wrapped).toString('hex'), key)
        return wrapped
      }
      const unwrap = async (wrapped: WrappedKey, scope: DocumentScope) =>
        kept.get(Buffer.from(wrapped.wrapped).toString('hex')) ?? good.unwrap(wrapped, scope)
      return { wrap, unwrap }
    },
  ],
  [
    'draws a new key id each time',
    'all wrappings name the same key id',
    (good) => ({ wrap: async (key, scope) => ({ ...(await good.wrap(key, scope)), keyId: String(Math.random()) }) }),
  ],
  [
    'writes more than a key table takes',
    'what it wraps fits into a key table and comes back from there',
    (good) => ({ wrap: async (key, scope) => ({ ...(await good.wrap(key, scope)), wrapped: new Uint8Array(5_000) }) }),
  ],
  [
    'generates the same data key twice',
    'a generated data key has 32 bytes, is wrapped, and is never given twice',
    (good) => ({
      generate: async (scope) => ({ dataKey: new Uint8Array(32), wrapped: await good.wrap(new Uint8Array(32), scope) }),
    }),
  ],
  [
    'never asks again for a key that could not be had',
    'a key that cannot be had is an error of its own, and is asked for again',
    (good) => {
      let failed: Promise<WrappedKey> | undefined
      const wrap = (key: Uint8Array, scope: DocumentScope) => {
        failed ??= good.wrap(key, scope)
        return failed
      }
      return { wrap }
    },
  ],
]

describe('the suite of the KeyProvider port', () => {
  for (const [mistake, noticedBy, change] of BROKEN) {
    it(`notices a provider that ${mistake}`, async () => {
      const { results } = await runSuite(testKeyProvider(changed(change)))
      const failed = results.filter(({ outcome }) => outcome === 'failed').map(({ name }) => name)
      expect(failed).toContain(noticedBy)
    })
  }

  it('has for every promise a mistake above that it notices', async () => {
    const { results } = await runSuite(testKeyProvider(staticHarness))
    expect(results.filter(({ outcome }) => outcome === 'failed')).toEqual([])
    const noticed = new Set<string>()
    for (const [, , change] of BROKEN) {
      const report = await runSuite(testKeyProvider(changed(change)))
      for (const { name, outcome } of report.results) if (outcome === 'failed') noticed.add(name)
    }
    const promises = testKeyProvider(staticHarness).cases.map(({ name }) => name)
    expect(promises.filter((name) => !noticed.has(name))).toEqual([])
  })
})
