import type { DescribedRequest } from '../http-fixture.ts'

/** What the server does. */
export type GcpKmsOperation = 'Decrypt' | 'Encrypt' | 'GetCryptoKey'

const PATH =
  /^\/v1\/(?<key>projects\/[^/]+\/locations\/[^/]+\/keyRings\/[^/]+\/cryptoKeys\/[^/:]+)(?::(?<method>[a-z]+))?$/i

/** Reads operation and key off the request line. Never throws. */
export function describeRequest(
  method: string,
  url: string,
): DescribedRequest & { operation: GcpKmsOperation | 'Unknown' } {
  const mark = url.indexOf('?')
  const query = Object.fromEntries(new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1)))
  const { key = '', method: verb } = PATH.exec(mark < 0 ? url : url.slice(0, mark))?.groups ?? {}
  return { method, operation: operationOf(method, verb, key), bucket: '', key, query }
}

function operationOf(method: string, verb: string | undefined, key: string): GcpKmsOperation | 'Unknown' {
  if (key === '') return 'Unknown'
  if (method === 'GET' && verb === undefined) return 'GetCryptoKey'
  if (method !== 'POST') return 'Unknown'
  return verb === 'encrypt' ? 'Encrypt' : verb === 'decrypt' ? 'Decrypt' : 'Unknown'
}
