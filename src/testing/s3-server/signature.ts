import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { RawRequest } from '../http-fixture.ts'
import { notImplemented, S3Refusal } from './answers.ts'

const ALGORITHM = 'AWS4-HMAC-SHA256'
const MAX_SKEW_MS = 15 * 60_000

/** What an `Authorization` header says. */
export interface Authorization {
  readonly accessKeyId: string
  readonly date: string
  readonly region: string
  readonly signedHeaders: readonly string[]
  readonly signature: string
}

/** Reads the header; `undefined` when the request is anonymous. */
export function readAuthorization(raw: RawRequest): Authorization | undefined {
  const header = raw.headers.authorization
  if (header === undefined) {
    if (/[?&]X-Amz-Signature=/i.test(raw.url)) throw notImplemented('signatures in the query')
    return undefined
  }
  if (header.startsWith('AWS4-ECDSA-')) throw notImplemented('asymmetric signatures', 'authorization')
  if (!header.startsWith(`${ALGORITHM} `)) {
    throw new S3Refusal('InvalidRequest', {
      Message: `The authorization mechanism you have provided is not supported. Please use ${ALGORITHM}.`,
    })
  }
  const fields = Object.fromEntries(
    header
      .slice(ALGORITHM.length)
      .split(',')
      .map((part) => part.trim().split('=', 2)),
  ) as Record<string, string | undefined>
  const [accessKeyId, date, region, service, end] = fields.Credential?.split('/') ?? []
  const { SignedHeaders: signedHeaders, Signature: signature } = fields
  if (!accessKeyId || !date || !region || service !== 's3' || end !== 'aws4_request' || !signedHeaders || !signature) {
    throw new S3Refusal('AuthorizationHeaderMalformed')
  }
  return { accessKeyId, date, region, signedHeaders: signedHeaders.split(';'), signature }
}

/**
 * Checks the time, what was signed, and the signature itself.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
 */
export function verifySignature(
  raw: RawRequest,
  authorization: Authorization,
  secretAccessKey: string,
  now: number,
): void {
  const time = raw.headers['x-amz-date'] ?? ''
  const stamp = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(time)
  if (stamp === null || !time.startsWith(authorization.date)) throw new S3Refusal('AuthorizationHeaderMalformed')
  const [, year, month, day, hour, minute, second] = stamp.map(Number)
  const sentAt = Date.UTC(year!, month! - 1, day, hour, minute, second)
  if (Math.abs(now - sentAt) > MAX_SKEW_MS) {
    throw new S3Refusal('RequestTimeTooSkewed', {
      RequestTime: time,
      ServerTime: new Date(now).toISOString(),
      MaxAllowedSkewMilliseconds: String(MAX_SKEW_MS),
    })
  }
  const unsigned = Object.keys(raw.headers).find(
    (name) => name.startsWith('x-amz-') && !authorization.signedHeaders.includes(name),
  )
  if (unsigned !== undefined || !authorization.signedHeaders.includes('host')) {
    throw new S3Refusal('AccessDenied', {
      Message: 'There were headers present in the request which were not signed',
      HeadersNotSigned: unsigned ?? 'host',
    })
  }
  verifyPayloadHash(raw)
  const scope = `${authorization.date}/${authorization.region}/s3/aws4_request`
  const canonical = canonicalRequest(raw, authorization.signedHeaders)
  const toSign = [ALGORITHM, time, scope, sha256Hex(canonical)].join('\n')
  const key = [authorization.date, authorization.region, 's3', 'aws4_request'].reduce<Buffer>(
    (secret, part) => hmac(secret, part),
    Buffer.from(`AWS4${secretAccessKey}`),
  )
  const expected = hmac(key, toSign)
  const given = Buffer.from(authorization.signature, 'hex')
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    // As S3 does, the document repeats what was signed: a driver must keep it out of its errors.
    throw new S3Refusal('SignatureDoesNotMatch', {
      AWSAccessKeyId: authorization.accessKeyId,
      StringToSign: toSign,
      SignatureProvided: authorization.signature,
      CanonicalRequest: canonical,
    })
  }
}

function verifyPayloadHash(raw: RawRequest): void {
  const declared = raw.headers['x-amz-content-sha256']
  if (declared === undefined) {
    throw new S3Refusal('InvalidRequest', { Message: 'Missing required header for this request: x-amz-content-sha256' })
  }
  if (declared === 'UNSIGNED-PAYLOAD' || declared.startsWith('STREAMING-')) return
  const computed = sha256Hex(raw.body)
  if (declared !== computed) {
    throw new S3Refusal('XAmzContentSHA256Mismatch', {
      ClientComputedContentSHA256: declared,
      S3ComputedContentSHA256: computed,
    })
  }
}

function canonicalRequest(raw: RawRequest, signedHeaders: readonly string[]): string {
  const mark = raw.url.indexOf('?')
  const path = mark < 0 ? raw.url : raw.url.slice(0, mark)
  const query = mark < 0 ? '' : raw.url.slice(mark + 1)
  return [
    raw.method,
    path.split('/').map(recode).join('/'),
    query
      .split('&')
      .filter((part) => part !== '')
      .map((part) => {
        const equals = part.indexOf('=')
        return equals < 0 ? `${recode(part)}=` : `${recode(part.slice(0, equals))}=${recode(part.slice(equals + 1))}`
      })
      .sort()
      .join('&'),
    ...signedHeaders.map((name) => `${name}:${(raw.headers[name] ?? '').trim().replace(/ +/g, ' ')}`),
    '',
    signedHeaders.join(';'),
    raw.headers['x-amz-content-sha256'],
  ].join('\n')
}

/** The one encoding that signatures are made over, whatever the client sent. */
function recode(text: string): string {
  let plain = text
  try {
    plain = decodeURIComponent(text)
  } catch {
    // refused later as InvalidURI; here it only has to differ from what a client could sign
  }
  return encodeURIComponent(plain).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
}

function sha256Hex(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}

function hmac(key: Buffer, data: string): Buffer {
  return createHmac('sha256', key).update(data).digest()
}
