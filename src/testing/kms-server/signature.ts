import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { KmsRefusal } from './answers.ts'

/** A request as it came over the wire. */
export interface RawKmsRequest {
  readonly method: string
  readonly url: string
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/** What an `Authorization` header says. */
export interface KmsAuthorization {
  readonly accessKeyId: string
  readonly date: string
  readonly region: string
  readonly signedHeaders: readonly string[]
  readonly signature: string
}

const ALGORITHM = 'AWS4-HMAC-SHA256'
const MAX_SKEW_MS = 5 * 60_000

export function readAuthorization({ headers }: RawKmsRequest): KmsAuthorization {
  const header = headers.authorization
  if (header === undefined) throw new KmsRefusal('MissingAuthenticationTokenException', 'Missing Authentication Token')
  const form = new RegExp(
    `^${ALGORITHM} Credential=([^/]+)/(\\d{8})/([a-z0-9-]+)/kms/aws4_request, *SignedHeaders=([a-z0-9;-]+), *Signature=([0-9a-f]{64})$`,
  )
  const [, accessKeyId, date, region, signedHeaders, signature] = form.exec(header) ?? []
  if (!accessKeyId || !date || !region || !signedHeaders || !signature)
    throw new KmsRefusal('IncompleteSignatureException', 'The Authorization header is no signature for kms.')
  return { accessKeyId, date, region, signedHeaders: signedHeaders.split(';'), signature }
}

/** Checks the time, what was signed, and the signature. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html */
export function verifySignature(
  raw: RawKmsRequest,
  authorization: KmsAuthorization,
  secret: string,
  now: number,
): void {
  const time = raw.headers['x-amz-date'] ?? ''
  const [, year, month, day, hour, minute, second] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(time) ?? []
  const sentAt = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
  const { date, region, signedHeaders } = authorization
  if (Number.isNaN(sentAt) || !time.startsWith(date))
    throw new KmsRefusal('IncompleteSignatureException', 'The date is missing or does not fit the credential.')
  if (Math.abs(now - sentAt) > MAX_SKEW_MS)
    throw new KmsRefusal('InvalidSignatureException', `Signature not yet current or expired: ${time}`)
  const unsigned = Object.keys(raw.headers).find((name) => name.startsWith('x-amz-') && !signedHeaders.includes(name))
  if (unsigned !== undefined || !signedHeaders.includes('host'))
    throw new KmsRefusal('InvalidSignatureException', `${unsigned ?? 'host'} was not signed`)
  const canonical = [
    raw.method,
    raw.url,
    '',
    ...signedHeaders.map((name) => `${name}:${(raw.headers[name] ?? '').trim().replace(/ +/g, ' ')}`),
    '',
    signedHeaders.join(';'),
    sha256Hex(raw.body),
  ].join('\n')
  const toSign = [ALGORITHM, time, `${date}/${region}/kms/aws4_request`, sha256Hex(canonical)].join('\n')
  const key = [date, region, 'kms', 'aws4_request'].reduce<Buffer>(hmac, Buffer.from(`AWS4${secret}`))
  if (timingSafeEqual(hmac(key, toSign), Buffer.from(authorization.signature, 'hex'))) return
  // As the service does, this repeats what was signed, a session token included: a client must keep it out of its errors.
  const repeated = `The Canonical String for this request should have been\n'${canonical}'\n\nThe String-to-Sign should have been\n'${toSign}'`
  throw new KmsRefusal(
    'InvalidSignatureException',
    `The request signature we calculated does not match the signature you provided.\n\n${repeated}`,
  )
}

function sha256Hex(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}

function hmac(key: Buffer, data: string): Buffer {
  return createHmac('sha256', key).update(data).digest()
}
