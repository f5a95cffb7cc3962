import assert from 'node:assert/strict'
import type { KeyProvider } from '../encrypt/provider.ts'
import { bindingCases } from './key-provider/binding.ts'
import { boundaryCases } from './key-provider/boundaries.ts'
import type { BrokenKeyProvider, KeyProviderContext } from './key-provider/context.ts'
import { wrappingCases } from './key-provider/wrapping.ts'
import type { Manifest, Suite } from './suite.ts'

/**
 * How the suite gets hold of the key provider under test. Every member may answer with the same instance each time, so that a key that is
 * expensive to derive is derived once.
 */
export interface KeyProviderHarness {
  /** Names the provider and what it stands on, such as `aws-kms on LocalStack`. */
  readonly name: string
  /** The provider under test. */
  open(): Promise<KeyProvider>
  /** A provider that shares nothing with the first but the key, as in another process. */
  openAgain(): Promise<KeyProvider>
  /** A provider of the same kind that stands for another key. */
  openOther(): Promise<KeyProvider>
  /** What may never be seen: the key, the passphrase. Empty when the process does not hold it, as with a key service. */
  readonly secrets: readonly (string | Uint8Array)[]
  /** A provider whose key cannot be had (variable not set, service out of reach), and how to make it available. */
  openBroken?(): Promise<BrokenKeyProvider>
}

export interface KeyProviderSuiteOptions {
  /** At how many places a wrapped key is changed; default 24. Each may cost a derivation or a request. */
  flips?: number | undefined
}

/**
 * The conformance suite of the `KeyProvider` port: each sentence of its contract as a case.
 *
 * ```ts
 * import { describe, it } from 'vitest'
 * registerSuite(testKeyProvider({ name: 'my keys', open, openAgain, openOther, secrets: [] }), { describe, it })
 * ```
 */
export function testKeyProvider(
  harness: KeyProviderHarness,
  options: KeyProviderSuiteOptions = {},
): Suite<KeyProviderContext> {
  const { flips = 24 } = options
  return {
    name: `KeyProvider: ${harness.name}`,
    cases: [...wrappingCases, ...bindingCases, ...boundaryCases],
    async manifest(): Promise<Manifest> {
      const provider = await harness.open()
      return { generate: provider.generate !== undefined, broken: harness.openBroken !== undefined }
    },
    async open() {
      return {
        provider: await harness.open(),
        again: () => harness.openAgain(),
        other: () => harness.openOther(),
        async broken() {
          assert.ok(harness.openBroken !== undefined, `the harness of ${harness.name} has no openBroken`)
          return harness.openBroken()
        },
        secrets: harness.secrets,
        flips,
      }
    },
    async close() {},
  }
}
