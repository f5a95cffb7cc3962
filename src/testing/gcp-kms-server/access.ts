import { globPattern } from '../faults.ts'
import type { RawRequest } from '../http-fixture.ts'
import { GcpKmsRefusal } from './answers.ts'

/** https://cloud.google.com/kms/docs/reference/permissions-and-roles */
export type GcpKmsPermission =
  | 'cloudkms.cryptoKeyVersions.useToDecrypt'
  | 'cloudkms.cryptoKeyVersions.useToEncrypt'
  | 'cloudkms.cryptoKeys.get'

/** A permission that a caller does not have: on all keys, or on those whose names match (`*` stands for any run of characters). */
export type GcpKmsDenial = GcpKmsPermission | { readonly permission: GcpKmsPermission; readonly key: string }

/** A caller that the server knows by its access token. */
export interface GcpKmsCredential {
  readonly token: string
  /** Every request with it is `UNAUTHENTICATED`. */
  readonly expired?: boolean
  /** What this caller may not do. Default: it may do everything. */
  readonly deny?: readonly GcpKmsDenial[]
}

/** Who may do what. */
export class GcpKmsAccess {
  readonly #credentials = new Map<string, GcpKmsCredential>()
  readonly #denied = new Map<string, readonly GcpKmsDenial[]>()
  readonly #anonymous: boolean

  constructor(credentials: readonly GcpKmsCredential[], anonymous: boolean) {
    for (const credential of credentials) {
      this.#credentials.set(credential.token, credential)
      this.deny(credential.token, credential.deny ?? [])
    }
    this.#anonymous = anonymous
  }

  /** Replaces what a caller may not do. */
  deny(token: string, denials: readonly GcpKmsDenial[]): void {
    this.#denied.set(token, denials)
  }

  /** Finds out who sent the request, or refuses it. */
  authenticate({ headers }: RawRequest): GcpKmsCaller {
    const { authorization } = headers
    if (authorization === undefined && this.#anonymous) return new GcpKmsCaller([])
    if (authorization === undefined)
      throw unauthenticated(
        'Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or other valid authentication credential.',
        'CREDENTIALS_MISSING',
      )
    const [, token = ''] = /^Bearer (\S+)$/i.exec(authorization) ?? []
    const credential = this.#credentials.get(token)
    if (credential === undefined || credential.expired)
      throw unauthenticated(
        'Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.',
        credential?.expired ? 'ACCESS_TOKEN_EXPIRED' : 'ACCESS_TOKEN_TYPE_UNSUPPORTED',
      )
    return new GcpKmsCaller(this.#denied.get(token) ?? [])
  }
}

/** One sender. */
export class GcpKmsCaller {
  readonly #denied: readonly GcpKmsDenial[]

  constructor(denied: readonly GcpKmsDenial[]) {
    this.#denied = denied
  }

  /** Refuses unless the sender has the permission on the key. Whether there is such a key is not told. */
  must(permission: GcpKmsPermission, key: string): void {
    const denied = this.#denied.some((denial) =>
      typeof denial === 'string'
        ? denial === permission
        : denial.permission === permission && globPattern(denial.key).test(key),
    )
    if (!denied) return
    const info = { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'IAM_PERMISSION_DENIED' }
    throw new GcpKmsRefusal(
      'PERMISSION_DENIED',
      `Permission '${permission}' denied on resource '${key}' (or it may not exist).`,
      [{ ...info, domain: 'cloudkms.googleapis.com', metadata: { permission, resource: key } }],
    )
  }
}

function unauthenticated(message: string, reason: string): GcpKmsRefusal {
  const info = { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason, domain: 'googleapis.com' }
  return new GcpKmsRefusal('UNAUTHENTICATED', message, [info])
}
