import { KeelstateError, printable } from '../core/errors.ts'
import { corrupt, type DocumentScope, type Header, hex } from '../core/header.ts'
import type { RecipientInfo } from '../core/sealer.ts'

/** How a recipient is written in messages. What a key table says is unproven text. */
export function recipientText({ provider, keyId }: RecipientInfo): string {
  return `${printable(provider, 32)} ${printable(keyId)}`
}

/** The head that a scope belongs to: what an error about its key table is about. */
export function headOf(scope: DocumentScope): string {
  return `heads/${scope.kind}/${scope.path}/~`
}

/** The wrapping was made with another key than `described`. */
export function notThisKey(recipient: RecipientInfo, described: string): KeelstateError<'DecryptFailed'> {
  return new KeelstateError('DecryptFailed', {
    message: `${described} is not the key ${recipientText(recipient)}.`,
    details: { differs: 'keyId' },
  })
}

/** The right key, but bytes that it did not wrap for this document. */
export function changedWrap(recipient: RecipientInfo, scope: DocumentScope): KeelstateError<'Corrupt'> {
  const what = `has a key table that was changed or comes from another document: what it holds for ${recipientText(recipient)} does not open here`
  return corrupt(headOf(scope), what, 'keyTable')
}

/** The error for a suite that no release of this format version writes. */
export function unknownSuite(suite: number, key: string): KeelstateError<'Unsupported'> {
  return new KeelstateError('Unsupported', {
    key,
    message: `${key} is sealed with suite ${suite}, which this build does not know.`,
    hint: 'Upgrade keelstate to a release that reads it. If no newer release wrote it, the object was damaged.',
  })
}

/** The error for a plaintext object where keys are configured: whoever can write the bucket could have put it there. */
export function notEncrypted(key: string): KeelstateError<'Corrupt'> {
  return new KeelstateError('Corrupt', {
    key,
    message: `${key} is not encrypted although keys are configured.`,
    details: { differs: 'suite' },
    hint: 'Do not trust it: nothing proves who wrote it. If the store was made with the key `plaintext`, configure that.',
  })
}

/** The error for a message under a data key that its document does not have. */
export function unknownDataKey(header: Header, key: string): KeelstateError<'DecryptFailed'> {
  return new KeelstateError('DecryptFailed', {
    key,
    message: `${key} is sealed under data key ${hex(header.keyId)}, which is none of its document's keys.`,
    details: { differs: 'keyId' },
    hint: 'It was changed, or it belongs to an earlier document of the same name. `keelstate verify` lists what else does not open.',
  })
}

/** The error for a message whose keys do not belong to its clear header. */
export function commitmentError(header: Header, key: string): Error {
  const what = header.type === 'head' ? 'header, key table or message id' : 'header or message id'
  return corrupt(key, `is not what was sealed: its ${what} was changed, or comes from another message`, 'commitment')
}
