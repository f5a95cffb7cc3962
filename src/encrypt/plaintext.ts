import { type Environment, systemEnvironment } from '../core/environment.ts'
import { KeelstateError } from '../core/errors.ts'
import { corrupt, type DocumentScope, encodeHeader, type ParsedMessage, same, type Treatment } from '../core/header.ts'
import type { DocumentKeys, RecipientInfo, SealedMessage, Sealer, SealHead, SealObject } from '../core/sealer.ts'
import { sha256 } from './derive.ts'
import { headOf, recipientText, unknownSuite } from './errors.ts'
import {
  completeHeader,
  DEFAULT_MAX_BODY_BYTES,
  type MessageContext,
  refuseTooLarge,
  SUITE_AES_256_GCM,
  SUITE_PLAINTEXT,
  splitMessage,
} from './message.ts'
import { Pace, pacedSha256 } from './pace.ts'
import { isPlaintext, listRecipients, NO_KEY_ID } from './wraps.ts'

/** Suite 0: no key, no secrecy, no proof of who wrote it; a checksum against damage. docs/format.md "Envelope". */
const NO_KEY_TABLE: Uint8Array = new Uint8Array(0)
const TREATMENT: Treatment = { suite: SUITE_PLAINTEXT, compressed: false, segmentLog2: 0 }

/** Writes and reads documents in the clear. Only for who asked for it by name: the key `plaintext`. */
export class PlaintextSealer implements Sealer {
  readonly #keys: PlaintextDocumentKeys

  constructor(options: { environment?: Pick<Environment, 'randomBytes'>; maxBytes?: number } = {}) {
    const { environment = systemEnvironment, maxBytes = DEFAULT_MAX_BODY_BYTES } = options
    this.#keys = new PlaintextDocumentKeys({ environment, maxBytes })
  }

  async create(): Promise<DocumentKeys> {
    return this.#keys
  }

  /** @throws {KeelstateError} `DecryptFailed` when the document is encrypted. */
  async unwrap(scope: DocumentScope, keyTable: Uint8Array, keyId: Uint8Array): Promise<DocumentKeys> {
    if (isPlaintext(keyTable, keyId)) return this.#keys
    throw encrypted(headOf(scope), listRecipients(keyTable, headOf(scope)))
  }

  /** @throws {KeelstateError} `Unsupported`: there is no key to replace. */
  async rotate(scope: DocumentScope): Promise<DocumentKeys> {
    throw new KeelstateError('Unsupported', {
      key: headOf(scope),
      message: `${headOf(scope)} is in the clear: it has no data key that could be replaced.`,
      hint: 'Put its contents into a store that has keys.',
    })
  }

  async check(): Promise<void> {}

  recipients(keyTable: Uint8Array): RecipientInfo[] {
    return listRecipients(keyTable)
  }
}

class PlaintextDocumentKeys implements DocumentKeys {
  readonly keyId: Uint8Array = NO_KEY_ID
  readonly keyTable: Uint8Array = NO_KEY_TABLE
  readonly earlier: undefined = undefined
  readonly #context: MessageContext

  constructor(context: MessageContext) {
    this.#context = context
  }

  withEarlier(earlier: string | undefined): DocumentKeys {
    if (earlier === undefined) return this
    throw corrupt('A head in the clear', 'lists earlier data keys, which only an encrypted document has', 'keys')
  }

  async seal(fields: SealHead | SealObject, body: Uint8Array): Promise<SealedMessage> {
    refuseTooLarge(body, this.#context.maxBytes)
    const pace = new Pace()
    const random = this.#context.environment.randomBytes(32)
    const bodySha256 = await pacedSha256([body], pace)
    const messageId = sha256(Buffer.concat([random, bodySha256]))
    const header = completeHeader(fields, this.keyId, this.keyTable, messageId)
    const clear = encodeHeader(header, TREATMENT)
    const checksum = await pacedSha256([clear, messageId, body], pace)
    const bytes = Buffer.concat([clear, messageId, checksum, body])
    return { bytes, objectId: header.type === 'object' ? header.objectId : new Uint8Array(0), bodySha256 }
  }

  async open(message: ParsedMessage, key: string): Promise<Uint8Array> {
    const { header, treatment, headerLength, bytes } = message
    if (treatment.suite === SUITE_AES_256_GCM) throw encrypted(key, [])
    if (treatment.suite !== SUITE_PLAINTEXT) throw unknownSuite(treatment.suite, key)
    if (!same(header.keyId, NO_KEY_ID)) throw corrupt(key, 'is in the clear and yet names a data key', 'keyId')
    if (treatment.compressed || treatment.segmentLog2 !== 0) {
      throw corrupt(key, 'is in the clear and yet says that its body is compressed or in segments', 'flags')
    }
    const { messageId, commitment, sealed: body } = splitMessage(message, key, 0)
    const checksum = await pacedSha256([bytes.subarray(0, headerLength), messageId, body], new Pace())
    if (!same(checksum, commitment)) throw corrupt(key, 'was damaged: its bytes do not match its checksum', 'checksum')
    return Uint8Array.from(body)
  }
}

function encrypted(key: string, recipients: readonly RecipientInfo[]): KeelstateError<'DecryptFailed'> {
  const to = recipients.length === 0 ? '' : ` to ${recipients.map(recipientText).join(', ')}`
  return new KeelstateError('DecryptFailed', {
    key,
    message: `${key} is encrypted${to}, but the configured key is \`plaintext\`.`,
    details: { differs: 'suite' },
    hint: 'Configure one of its keys, such as --key env:NAME, --key file:PATH or --key passphrase:env:NAME.',
  })
}
