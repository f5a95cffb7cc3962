import type { Environment } from './environment.ts'
import type { DocumentScope } from './header.ts'
import type { HeadMemory } from './memory.ts'
import { type DocumentName, headKey, identityOf } from './names.ts'
import type { ObjectCache } from './object-cache.ts'
import { Deadline, type Limits } from './retry.ts'
import type { Sealer } from './sealer.ts'
import type { ObjectStore } from './store.ts'

/** What the parts of the mechanism need to reach the bytes of one document. */
export interface Access {
  readonly store: ObjectStore
  readonly sealer: Sealer
  readonly environment: Environment
  readonly limits: Limits
  readonly memory: HeadMemory
  /** What this machine keeps of immutable objects. Whoever has to read what is stored (`verify`) goes without. */
  readonly objects?: ObjectCache | undefined
  readonly name: DocumentName
  /** `kind/name`, encoded. */
  readonly identity: string
  readonly scope: DocumentScope
  readonly headKey: string
}

export function accessTo(
  name: DocumentName,
  storeId: Uint8Array,
  parts: Pick<Access, 'store' | 'sealer' | 'environment' | 'limits' | 'memory' | 'objects'>,
): Access {
  const identity = identityOf(name)
  return { ...parts, name, identity, scope: scopeOf(name, storeId), headKey: headKey(name) }
}

/** The identity that is sealed into every message of a document. */
export function scopeOf(name: DocumentName, storeId: Uint8Array): DocumentScope {
  const identity = identityOf(name)
  return { storeId, kind: name.kind, path: identity.slice(name.kind.length + 1) }
}

export function deadlineFor(access: Access, signal: AbortSignal | undefined): Deadline {
  return new Deadline(access.environment, access.limits, signal)
}
