import { globPattern } from '../faults.ts'
import type { RawRequest } from '../http-fixture.ts'
import { S3Refusal } from './answers.ts'
import type { S3Bucket } from './buckets.ts'
import type { S3Request } from './request.ts'
import { readAuthorization, verifySignature } from './signature.ts'

export type S3Permission = 'DeleteObject' | 'GetObject' | 'ListBucket' | 'PutObject'

/** A permission that a key does not have: everywhere, or on the object keys that match (`*` stands for any run of characters). */
export type S3Denial = S3Permission | { readonly permission: S3Permission; readonly key: string }

/** A key that the server knows. */
export interface S3Credential {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** When set, requests must carry it. */
  readonly sessionToken?: string
  /** The session is over: every request with it is `ExpiredToken`. */
  readonly expired?: boolean
  /** What this key may not do. Default: it may do everything. */
  readonly deny?: readonly S3Denial[]
}

/** Who may do what. */
export class S3Access {
  readonly #credentials = new Map<string, S3Credential>()
  readonly #denied = new Map<string, readonly S3Denial[]>()
  readonly #anonymous: boolean
  readonly #region: string
  readonly #account: string

  constructor(options: { credentials: readonly S3Credential[]; anonymous: boolean; region: string; account: string }) {
    for (const credential of options.credentials) {
      this.#credentials.set(credential.accessKeyId, credential)
      this.deny(credential.accessKeyId, credential.deny ?? [])
    }
    this.#anonymous = options.anonymous
    this.#region = options.region
    this.#account = options.account
  }

  /** Replaces what a key may not do. */
  deny(accessKeyId: string, denials: readonly S3Denial[]): void {
    this.#denied.set(accessKeyId, denials)
  }

  /** Finds out who sent the request, or refuses it. */
  authenticate(raw: RawRequest, now: number): Caller {
    const authorization = readAuthorization(raw)
    if (authorization === undefined) {
      if (!this.#anonymous) throw new S3Refusal('AccessDenied')
      return new Caller(() => [])
    }
    const { accessKeyId } = authorization
    const credential = this.#credentials.get(accessKeyId)
    if (credential === undefined) throw new S3Refusal('InvalidAccessKeyId', { AWSAccessKeyId: accessKeyId })
    const token = raw.headers['x-amz-security-token']
    if (credential.expired) throw new S3Refusal('ExpiredToken', { 'Token-0': token ?? '' })
    if (token !== credential.sessionToken) throw new S3Refusal('InvalidToken', { 'Token-0': token ?? '' })
    verifySignature(raw, authorization, credential.secretAccessKey, now)
    if (authorization.region !== this.#region) {
      throw new S3Refusal('AuthorizationHeaderMalformed', {
        Message: `The authorization header is malformed; the region '${authorization.region}' is wrong; expecting '${this.#region}'`,
        Region: this.#region,
      })
    }
    return new Caller(() => this.#denied.get(accessKeyId) ?? [])
  }

  /** Refuses a request to a bucket of another region or owner than it expects. */
  checkBucket(request: S3Request, bucket: S3Bucket): void {
    if (bucket.region !== this.#region) {
      throw new S3Refusal(
        'PermanentRedirect',
        { Endpoint: `s3.${bucket.region}.amazonaws.com`, Bucket: bucket.name },
        { 'x-amz-bucket-region': bucket.region },
      )
    }
    const owner = request.headers['x-amz-expected-bucket-owner']
    if (owner !== undefined && owner !== this.#account) throw new S3Refusal('AccessDenied')
  }
}

/** One authenticated sender. */
export class Caller {
  readonly #denied: () => readonly S3Denial[]

  constructor(denied: () => readonly S3Denial[]) {
    this.#denied = denied
  }

  may(permission: S3Permission, key = ''): boolean {
    return !this.#denied().some((denial) =>
      typeof denial === 'string'
        ? denial === permission
        : denial.permission === permission && globPattern(denial.key).test(key),
    )
  }

  /** Refuses unless the sender has the permission. */
  must(permission: S3Permission, key = ''): void {
    if (!this.may(permission, key)) throw new S3Refusal('AccessDenied')
  }

  /** What a missing object looks like: without permission to list, it must not be told from a forbidden one. */
  missing(refusal: S3Refusal): S3Refusal {
    return this.may('ListBucket') ? refusal : new S3Refusal('AccessDenied')
  }
}
