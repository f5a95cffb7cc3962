import { type DescribedRequest, type HttpAnswer, HttpFixture, type RawRequest } from '../http-fixture.ts'
import { GcpKmsAccess, type GcpKmsCredential, type GcpKmsDenial } from './access.ts'
import { GcpKmsRefusal, jsonAnswer, refusalAnswer, statusAnswer } from './answers.ts'
import { GcpKmsKey } from './keys.ts'
import { execute, type GcpKmsDamage } from './operations.ts'
import { describeRequest } from './request.ts'

/** How the server is set up. */
export interface GcpKmsServerOptions {
  /** Default 0: a port that is free. */
  port?: number
  /** Project, location and key ring of the keys. Default `projects/acme-state/locations/europe-west1/keyRings/keelstate`. */
  keyRing?: string
  /** The callers that it knows. Default: one that may do everything. */
  credentials?: readonly GcpKmsCredential[]
  /** Serve requests without a token too. Default: they are `UNAUTHENTICATED`. */
  anonymous?: boolean
}

const MAX_BODY_BYTES = 512 * 1024 // the largest plaintext and authenticated data in base64, and more
const DEFAULT_CREDENTIAL: GcpKmsCredential = { token: 'fixture-token' }
const KEY_RING = 'projects/acme-state/locations/europe-west1/keyRings/keelstate'

/**
 * A strict Cloud KMS of Google in this process, on 127.0.0.1 and with its REST API, for real clients: encrypt and decrypt with symmetric keys.
 *
 * It wraps for real: with another key, other authenticated data or changed bytes nothing comes back. Checksums are verified as the service does.
 * What it does not do is refused and never ignored. Keys and their versions are made and changed by methods. Faults can be planned for any
 * request; their rules see the operation (`Encrypt`, `Decrypt`, `GetCryptoKey`) and the name of the key.
 */
export async function startGcpKmsServer(options: GcpKmsServerOptions = {}): Promise<GcpKmsServer> {
  const server = new GcpKmsServer(options)
  await server.listen(options.port ?? 0)
  return server
}

/** A running server. Made by `startGcpKmsServer`. */
export class GcpKmsServer extends HttpFixture {
  /** Project, location and key ring of its keys. */
  readonly keyRing: string
  /** The first of its callers. */
  readonly credential: GcpKmsCredential
  readonly #keys = new Map<string, GcpKmsKey>()
  readonly #access: GcpKmsAccess
  readonly #damages: GcpKmsDamage[] = []

  /** @internal */
  constructor(options: GcpKmsServerOptions) {
    super(MAX_BODY_BYTES)
    const credentials = options.credentials ?? [DEFAULT_CREDENTIAL]
    this.keyRing = options.keyRing ?? KEY_RING
    this.credential = credentials[0] ?? DEFAULT_CREDENTIAL
    this.#access = new GcpKmsAccess(credentials, options.anonymous ?? false)
  }

  /** What the provider is configured with. */
  get clientConfig(): { credentials: () => Promise<string> } {
    const { token } = this.credential
    return { credentials: async () => token }
  }

  /** A key with one enabled version. Throws when there is one of that name. */
  createKey(id: string): GcpKmsKey {
    const name = `${this.keyRing}/cryptoKeys/${id}`
    if (this.#keys.has(name)) throw new Error(`${name} already exists`)
    const key = new GcpKmsKey(name)
    this.#keys.set(name, key)
    return key
  }

  /** Replaces what a caller may not do, from the next request on. */
  deny(token: string, denials: readonly GcpKmsDenial[]): void {
    this.#access.deny(token, denials)
  }

  /** Has the next `times` requests that encrypt or decrypt arrive with one bit of a member flipped, or without their checksums. */
  damageRequests(damage: GcpKmsDamage, times = 1): void {
    this.#damages.push(...Array.from({ length: times }, () => damage))
  }

  protected override describe(method: string, url: string): DescribedRequest {
    return describeRequest(method, url)
  }

  protected override async respond(raw: RawRequest | undefined): Promise<HttpAnswer> {
    try {
      if (raw === undefined) throw new GcpKmsRefusal('INVALID_ARGUMENT', 'Request payload size exceeds the limit.')
      return jsonAnswer(this.#execute(raw))
    } catch (error) {
      if (!(error instanceof GcpKmsRefusal)) throw error
      return refusalAnswer(error)
    }
  }

  protected override refusal(status: number, code: string): HttpAnswer {
    return statusAnswer(status, code === 'InternalError' ? 'INTERNAL' : code)
  }

  protected override commonHeaders(): Record<string, string> {
    return { server: 'ESF', 'cache-control': 'private' }
  }

  #execute(raw: RawRequest): object {
    const caller = this.#access.authenticate(raw)
    const { operation, key, query } = describeRequest(raw.method, raw.url)
    if (operation === 'Unknown') throw new GcpKmsRefusal('UNIMPLEMENTED', 'This server does not do that.')
    const [parameter] = Object.keys(query).filter((name) => name !== 'alt' && name !== 'prettyPrint')
    if (parameter !== undefined)
      throw new GcpKmsRefusal('INVALID_ARGUMENT', `Invalid JSON payload received. Unknown name "${parameter}".`)
    if (operation !== 'GetCryptoKey' && !/^application\/json\b/.test(raw.headers['content-type'] ?? ''))
      throw new GcpKmsRefusal('INVALID_ARGUMENT', 'Invalid content type.')
    const damage = operation === 'GetCryptoKey' ? undefined : this.#damages.shift()
    return execute(operation, key, raw.body, this.#keys, caller, damage)
  }
}
