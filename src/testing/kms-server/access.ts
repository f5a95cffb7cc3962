import { KmsRefusal } from './answers.ts'
import type { KmsOperation } from './operations.ts'
import { type RawKmsRequest, readAuthorization, verifySignature } from './signature.ts'

/** A key pair that the server knows. */
export interface KmsCredential {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** When set, requests must carry it. */
  readonly sessionToken?: string
  /** The session is over: every request with it is `ExpiredTokenException`. */
  readonly expired?: boolean
  /** What this key pair may not do. Default: it may do everything. */
  readonly deny?: readonly KmsOperation[]
}

/** Who may do what. */
export class KmsAccess {
  readonly #credentials = new Map<string, KmsCredential>()
  readonly #denied = new Map<string, readonly KmsOperation[]>()
  readonly #region: string

  constructor(credentials: readonly KmsCredential[], region: string) {
    this.#region = region
    for (const credential of credentials) {
      this.#credentials.set(credential.accessKeyId, credential)
      this.deny(credential.accessKeyId, credential.deny ?? [])
    }
  }

  /** Replaces what a key pair may not do. */
  deny(accessKeyId: string, operations: readonly KmsOperation[]): void {
    this.#denied.set(accessKeyId, operations)
  }

  /** Finds out who sent the request, or refuses it. */
  authenticate(raw: RawKmsRequest, now: number): KmsCaller {
    const authorization = readAuthorization(raw)
    const { accessKeyId, region } = authorization
    const credential = this.#credentials.get(accessKeyId)
    const token = raw.headers['x-amz-security-token']
    if (credential?.expired)
      throw new KmsRefusal('ExpiredTokenException', 'The security token included in the request is expired')
    if (credential === undefined || token !== credential.sessionToken)
      throw new KmsRefusal('UnrecognizedClientException', 'The security token included in the request is invalid.')
    verifySignature(raw, authorization, credential.secretAccessKey, now)
    if (region !== this.#region)
      throw new KmsRefusal(
        'InvalidSignatureException',
        `Credential should be scoped to a valid region, not '${region}'.`,
      )
    return new KmsCaller(accessKeyId, this.#denied.get(accessKeyId) ?? [])
  }
}

/** One authenticated sender. */
export class KmsCaller {
  readonly #accessKeyId: string
  readonly #denied: readonly KmsOperation[]

  constructor(accessKeyId: string, denied: readonly KmsOperation[]) {
    this.#accessKeyId = accessKeyId
    this.#denied = denied
  }

  /** Refuses unless the sender may do this with the key. */
  must(operation: KmsOperation, arn: string): void {
    if (!this.#denied.includes(operation)) return
    throw new KmsRefusal(
      'AccessDeniedException',
      `User: ${this.#accessKeyId} is not authorized to perform: kms:${operation} on resource: ${arn} because no identity-based policy allows the kms:${operation} action`,
    )
  }
}
