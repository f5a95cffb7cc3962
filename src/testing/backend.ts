import type { Environment } from '../core/environment.ts'
import type { Backend } from '../deployments/backend.ts'
import type { DeploymentName } from '../deployments/deployment.ts'
import type { Encrypter } from '../deployments/encrypter.ts'
import { backendLockCases } from './backend/locks.ts'
import { backendRevisionCases } from './backend/revisions.ts'
import type { Manifest, Suite } from './suite.ts'

/** A place in which a case keeps deployments: fresh and empty. */
export interface BackendPlace {
  /** A handle of its own on a deployment in this place, as another process would have. */
  backend(name: DeploymentName, encrypter?: Encrypter): Promise<Backend>
  /** Every byte that is stored, to look for what must not be there. Left out where it cannot be had. */
  stored?(): Promise<Uint8Array[]>
  dispose(): Promise<void>
}

/** How the suite gets hold of the backend under test. */
export interface BackendHarness {
  readonly name: string
  /** Whether `open` heeds the environment it is given. */
  readonly clock: boolean
  /** Whether a place can show what is stored. */
  readonly stored: boolean
  /** @param environment Clock and randomness to use; default the real ones. */
  open(environment?: Environment): Promise<BackendPlace>
}

/** What a case works on. */
export interface BackendContext {
  open(environment?: Environment): Promise<BackendPlace>
  close(): Promise<void>
}

/**
 * The conformance suite of contract 000's backend: what the original's own tests ask of its stores, and what it promises beyond that.
 *
 * ```ts
 * registerSuite(testBackend({ name: 'my backend', clock: false, stored: false, open }), { describe, it })
 * ```
 */
export function testBackend(harness: BackendHarness): Suite<BackendContext> {
  return {
    name: `Backend: ${harness.name}`,
    cases: [...backendRevisionCases, ...backendLockCases],
    manifest: async (): Promise<Manifest> => ({ clock: harness.clock, stored: harness.stored }),
    async open() {
      const places: BackendPlace[] = []
      return {
        async open(environment) {
          const place = await harness.open(environment)
          places.push(place)
          return place
        },
        async close() {
          for (const place of places) await place.dispose()
        },
      }
    },
    close: (context) => context.close(),
  }
}
