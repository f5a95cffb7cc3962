/** What the server sends back. */
export interface KmsAnswer {
  status: number
  body: Uint8Array
  /** The service's error code, when it is an error. */
  code?: string
}

/** The error codes that the server gives by itself. */
export type KmsRefusalCode =
  | 'AccessDeniedException'
  | 'DisabledException'
  | 'ExpiredTokenException'
  | 'IncompleteSignatureException'
  | 'IncorrectKeyException'
  | 'InvalidCiphertextException'
  | 'InvalidKeyUsageException'
  | 'InvalidSignatureException'
  | 'KMSInternalException'
  | 'KMSInvalidStateException'
  | 'MissingAuthenticationTokenException'
  | 'NotFoundException'
  | 'SerializationException'
  | 'UnknownOperationException'
  | 'UnrecognizedClientException'
  | 'UnsupportedOperationException'
  | 'ValidationException'

/** A request that is answered with an error: 400 for whatever the sender did, as KMS does. */
export class KmsRefusal extends Error {
  override readonly name: string = 'KmsRefusal'
  readonly code: KmsRefusalCode

  constructor(code: KmsRefusalCode, message = '') {
    super(message)
    this.code = code
  }
}

export function jsonAnswer(value: object): KmsAnswer {
  return { status: 200, body: Buffer.from(JSON.stringify(value)) }
}

/** An error document with any code: a refusal, or what a fault rule asks for. */
export function errorAnswer(status: number, code: string, message: string): KmsAnswer {
  const document = { __type: code, ...(message === '' ? {} : { message }) }
  return { status, body: Buffer.from(JSON.stringify(document)), code }
}
