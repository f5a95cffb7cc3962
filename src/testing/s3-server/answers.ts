import type { HttpAnswer } from '../http-fixture.ts'
import { element, type XmlChild, xmlDocument } from './xml.ts'

export type S3Answer = HttpAnswer

/** The error codes that the server gives by itself. */
export type S3RefusalCode =
  | 'AccessDenied'
  | 'AuthorizationHeaderMalformed'
  | 'BadDigest'
  | 'BucketAlreadyOwnedByYou'
  | 'BucketNotEmpty'
  | 'ConditionalRequestConflict'
  | 'EntityTooLarge'
  | 'ExpiredToken'
  | 'IncompleteBody'
  | 'InternalError'
  | 'InvalidAccessKeyId'
  | 'InvalidArgument'
  | 'InvalidBucketName'
  | 'InvalidDigest'
  | 'InvalidRequest'
  | 'InvalidToken'
  | 'InvalidURI'
  | 'KeyTooLongError'
  | 'MalformedXML'
  | 'MethodNotAllowed'
  | 'MissingContentLength'
  | 'NoSuchBucket'
  | 'NoSuchBucketPolicy'
  | 'NoSuchKey'
  | 'NoSuchLifecycleConfiguration'
  | 'NoSuchPublicAccessBlockConfiguration'
  | 'NoSuchVersion'
  | 'NotImplemented'
  | 'OperationAborted'
  | 'PermanentRedirect'
  | 'PreconditionFailed'
  | 'RequestTimeTooSkewed'
  | 'ServerSideEncryptionConfigurationNotFoundError'
  | 'ServiceUnavailable'
  | 'SignatureDoesNotMatch'
  | 'SlowDown'
  | 'TooManyRequests'
  | 'XAmzContentSHA256Mismatch'

/**
 * Statuses and texts of the error codes that the server knows.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
 */
const REFUSALS: Record<S3RefusalCode, readonly [status: number, message: string]> = {
  AccessDenied: [403, 'Access Denied'],
  AuthorizationHeaderMalformed: [400, 'The authorization header is malformed.'],
  BadDigest: [400, 'The checksum you specified did not match what we received.'],
  BucketAlreadyOwnedByYou: [409, 'Your previous request to create the named bucket succeeded and you already own it.'],
  BucketNotEmpty: [409, 'The bucket you tried to delete is not empty'],
  ConditionalRequestConflict: [
    409,
    'The conditional request cannot succeed due to a conflicting operation against this resource.',
  ],
  EntityTooLarge: [400, 'Your proposed upload exceeds the maximum allowed size'],
  ExpiredToken: [400, 'The provided token has expired.'],
  IncompleteBody: [400, 'You did not provide the number of bytes specified by the Content-Length HTTP header.'],
  InternalError: [500, 'We encountered an internal error. Please try again.'],
  InvalidAccessKeyId: [403, 'The AWS Access Key Id you provided does not exist in our records.'],
  InvalidArgument: [400, 'Invalid Argument'],
  InvalidBucketName: [400, 'The specified bucket is not valid.'],
  InvalidDigest: [400, 'The Content-MD5 you specified was invalid.'],
  InvalidRequest: [400, 'Invalid Request'],
  InvalidToken: [400, 'The provided token is malformed or otherwise invalid.'],
  InvalidURI: [400, "Couldn't parse the specified URI."],
  KeyTooLongError: [400, 'Your key is too long'],
  MalformedXML: [400, 'The XML you provided was not well-formed or did not validate against our published schema'],
  MethodNotAllowed: [405, 'The specified method is not allowed against this resource.'],
  MissingContentLength: [411, 'You must provide the Content-Length HTTP header.'],
  NoSuchBucket: [404, 'The specified bucket does not exist'],
  NoSuchBucketPolicy: [404, 'The bucket policy does not exist'],
  NoSuchLifecycleConfiguration: [404, 'The lifecycle configuration does not exist'],
  NoSuchPublicAccessBlockConfiguration: [404, 'The public access block configuration was not found'],
  ServerSideEncryptionConfigurationNotFoundError: [404, 'The server side encryption configuration was not found'],
  NoSuchKey: [404, 'The specified key does not exist.'],
  NoSuchVersion: [404, 'The specified version does not exist.'],
  NotImplemented: [501, 'A header you provided implies functionality that is not implemented'],
  OperationAborted: [
    409,
    'A conflicting conditional operation is currently in progress against this resource. Please try again.',
  ],
  PermanentRedirect: [301, 'The bucket you are attempting to access must be addressed using the specified endpoint.'],
  PreconditionFailed: [412, 'At least one of the pre-conditions you specified did not hold'],
  RequestTimeTooSkewed: [403, 'The difference between the request time and the current time is too large.'],
  ServiceUnavailable: [503, 'Service is unable to handle request.'],
  SignatureDoesNotMatch: [403, 'The request signature we calculated does not match the signature you provided.'],
  SlowDown: [503, 'Please reduce your request rate.'],
  TooManyRequests: [429, 'Please reduce your request rate.'],
  XAmzContentSHA256Mismatch: [400, "The provided 'x-amz-content-sha256' header does not match what was computed."],
}

/** A request that is answered with an error. */
export class S3Refusal extends Error {
  override readonly name: string = 'S3Refusal'
  readonly code: S3RefusalCode
  /** Further elements of the error document, such as `Condition`. */
  readonly fields: Record<string, string>
  readonly headers: Record<string, string>

  constructor(code: S3RefusalCode, fields: Record<string, string> = {}, headers: Record<string, string> = {}) {
    super(fields.Message ?? REFUSALS[code][1])
    this.code = code
    this.fields = fields
    this.headers = headers
  }

  get status(): number {
    return REFUSALS[this.code][0]
  }
}

/** The 501 of something that this server does not do, with what it was. */
export function notImplemented(what: string, header?: string): S3Refusal {
  return new S3Refusal('NotImplemented', {
    ...(header === undefined ? {} : { Header: header }),
    AdditionalMessage: what,
  })
}

export function emptyAnswer(status: number, headers: Record<string, string> = {}): S3Answer {
  return { status, headers, body: new Uint8Array() }
}

export function xmlAnswer(root: string, children: readonly XmlChild[]): S3Answer {
  const body = xmlDocument(element(root, children), 'http://s3.amazonaws.com/doc/2006-03-01/')
  return { status: 200, headers: { 'content-type': 'application/xml' }, body }
}

/** The error document of a refusal. */
export function refusalAnswer(refusal: S3Refusal, requestId: string): S3Answer {
  const { Message, ...fields } = refusal.fields
  return errorAnswer(
    refusal.status,
    refusal.code,
    Message ?? REFUSALS[refusal.code][1],
    requestId,
    fields,
    refusal.headers,
  )
}

/** An error document with any code: what a fault rule asks for. */
export function statusAnswer(status: number, code: string, requestId: string): S3Answer {
  const known = Object.hasOwn(REFUSALS, code) ? REFUSALS[code as S3RefusalCode][1] : 'An injected fault.'
  return errorAnswer(status, code, known, requestId, {}, {})
}

function errorAnswer(
  status: number,
  code: string,
  message: string,
  requestId: string,
  fields: Record<string, string>,
  headers: Record<string, string>,
): S3Answer {
  const children: XmlChild[] = [
    ['Code', code],
    ['Message', message],
    ...Object.entries(fields),
    ['RequestId', requestId],
    ['HostId', 'fixture'],
  ]
  return {
    status,
    headers: { 'content-type': 'application/xml', ...headers },
    body: xmlDocument(element('Error', children)),
    code,
  }
}
