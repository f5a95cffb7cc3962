import { Wire } from '../../../core/driver-wire.ts'
import { KeelstateError } from '../../../core/errors.ts'
import type { GcpCredentials, GcpKmsSettings } from './options.ts'

/** What is needed of an auth client that a user passes in; those of `google-auth-library` and its `GoogleAuth` fit. */
export interface GcpKmsClient {
  request(options: GcpKmsHttpRequest): Promise<{ readonly status: number; readonly data: unknown }>
  /** Asked before a request, so that a lack of credentials is told from a refusal by the service. */
  getRequestHeaders?(url?: string): Promise<unknown>
}

/** A request as the client gets it: one attempt, and every answer comes back as one. */
export interface GcpKmsHttpRequest {
  readonly url: string
  readonly method: 'POST'
  readonly headers: Record<string, string>
  readonly data: object
  readonly responseType: 'text'
  readonly retry: false
  readonly signal: AbortSignal
  readonly validateStatus: (status: number) => boolean
}

/** An answer of the service. The text of a success may hold a data key. */
export interface GcpKmsAnswer {
  readonly status: number
  readonly text: string
}

/** The two calls that are made. */
export interface GcpKmsOperations {
  call(method: 'decrypt' | 'encrypt', body: object, signal: AbortSignal): Promise<GcpKmsAnswer>
  /** Credentials, before anything is sent. Rejects with the library's error, or with that of the user's function. */
  prepare(): Promise<void>
}

const ENDPOINT = 'https://cloudkms.googleapis.com'
const SCOPES = ['https://www.googleapis.com/auth/cloud-platform'] // IAM decides what may be done with it

/**
 * Loads the library that finds credentials and sends requests with them, and makes the client.
 *
 * https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.cryptoKeys
 *
 * @throws {KeelstateError} `Unsupported` when the library is not installed.
 */
export async function connectGcpKms(settings: GcpKmsSettings): Promise<GcpKmsOperations> {
  const { name, endpoint = ENDPOINT } = settings.key
  const url = `${endpoint.replace(/\/+$/, '')}/v1/${name}`
  const client = settings.client ?? (await ownClient(settings))
  return {
    async call(method, data, signal) {
      const request = () =>
        client.request({
          url: `${url}:${method}`,
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          data,
          responseType: 'text',
          retry: false, // the loop is the provider's
          signal,
          validateStatus: () => true, // an answer that it throws holds what was sent
        })
      const wire = new Wire()
      try {
        const { status, data: text } = await wire.run(signal, request)
        return { status, text: typeof text === 'string' ? text : JSON.stringify(text ?? '') }
      } finally {
        wire.close()
      }
    },
    async prepare() {
      await client.getRequestHeaders?.(url)
    },
  }
}

async function ownClient({ address, key, credentials }: GcpKmsSettings): Promise<GcpKmsClient> {
  const library = await import('google-auth-library').catch((cause: unknown) => {
    throw new KeelstateError('Unsupported', {
      key: address,
      message: 'The library that signs in to Google Cloud is not installed, or cannot be loaded.',
      hint: 'Install it beside keelstate: npm install google-auth-library',
      details: { notExecuted: true },
      cause,
    })
  })
  if (typeof credentials === 'function') return tokenClient(new library.PassThroughClient(), credentials)
  if (credentials !== undefined)
    return new library.JWT({ email: credentials.client_email, key: credentials.private_key, scopes: SCOPES })
  if (/^http:/i.test(key.endpoint ?? '')) return new library.PassThroughClient()
  return new library.GoogleAuth({ scopes: SCOPES })
}

/** Sends with a token of the user's function. It is asked once an attempt. */
function tokenClient(
  plain: Pick<GcpKmsClient, 'request'>,
  token: Extract<GcpCredentials, () => unknown>,
): GcpKmsClient {
  let authorization = ''
  return {
    async getRequestHeaders() {
      authorization = `Bearer ${await token()}`
    },
    request: (options) => plain.request({ ...options, headers: { ...options.headers, authorization } }),
  }
}
