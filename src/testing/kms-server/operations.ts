import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import type { KmsCaller } from './access.ts'
import { KmsRefusal } from './answers.ts'
import type { EncryptionContext, KmsKey, KmsKeys } from './keys.ts'

export type KmsOperation = 'Decrypt' | 'Encrypt' | 'GenerateDataKey'

const MAX_CONTEXT_BYTES = 8_192

const keyId = z.string().min(1).max(2_048)
const context = z.record(z.string().min(1), z.string()).default({})
const blob = (maxBytes: number) =>
  z
    .base64()
    .transform((text) => Buffer.from(text, 'base64'))
    .refine((bytes) => bytes.length >= 1 && bytes.length <= maxBytes)

/** Members that KMS knows and this server does not are refused like any other that is not listed: nothing is ignored silently. */
const INPUTS = {
  GenerateDataKey: z.strictObject({ KeyId: keyId, KeySpec: z.literal('AES_256'), EncryptionContext: context }),
  Encrypt: z.strictObject({ KeyId: keyId, Plaintext: blob(4_096), EncryptionContext: context }),
  Decrypt: z.strictObject({ KeyId: keyId.optional(), CiphertextBlob: blob(6_144), EncryptionContext: context }),
}

/** What a request asks for, as the log keeps it. */
export interface KmsInput {
  readonly keyId: string
  readonly context: EncryptionContext
}

export function isOperation(name: string): name is KmsOperation {
  return Object.hasOwn(INPUTS, name)
}

/** Reads key and context off a body. Never throws: the log shows what was asked for even when it is refused. */
export function inputOf(body: Uint8Array): KmsInput {
  const read = z
    .object({ KeyId: z.string().catch(''), EncryptionContext: z.record(z.string(), z.string()).catch({}) })
    .safeParse(jsonOf(body))
  return read.success ? { keyId: read.data.KeyId, context: read.data.EncryptionContext } : { keyId: '', context: {} }
}

/** Does what a request asks for, and makes the document that answers it. */
export function execute(operation: KmsOperation, body: Uint8Array, keys: KmsKeys, caller: KmsCaller): object {
  if (operation === 'GenerateDataKey') {
    const { KeyId, EncryptionContext } = parsed(INPUTS.GenerateDataKey, body)
    const key = usable(keys.named(KeyId), operation, caller)
    const dataKey = randomBytes(32)
    return {
      KeyId: key.arn,
      Plaintext: base64(dataKey),
      CiphertextBlob: base64(key.encrypt(dataKey, EncryptionContext)),
    }
  }
  if (operation === 'Encrypt') {
    const { KeyId, Plaintext, EncryptionContext } = parsed(INPUTS.Encrypt, body)
    const key = usable(keys.named(KeyId), operation, caller)
    const wrapped = base64(key.encrypt(Plaintext, EncryptionContext))
    return { KeyId: key.arn, CiphertextBlob: wrapped, EncryptionAlgorithm: 'SYMMETRIC_DEFAULT' }
  }
  const { KeyId, CiphertextBlob, EncryptionContext } = parsed(INPUTS.Decrypt, body)
  const key = usable(decrypting(keys, KeyId, CiphertextBlob), operation, caller)
  const plaintext = base64(key.decrypt(CiphertextBlob, EncryptionContext))
  return { KeyId: key.arn, Plaintext: plaintext, EncryptionAlgorithm: 'SYMMETRIC_DEFAULT' }
}

/** The key that a Decrypt is about: the one that encrypted, which has to be the one that the request names, if it names one. */
function decrypting(keys: KmsKeys, named: string | undefined, ciphertext: Buffer): KmsKey {
  const encrypted = keys.of(ciphertext)
  if (named === undefined) {
    if (encrypted !== undefined) return encrypted
    throw new KmsRefusal('InvalidCiphertextException')
  }
  const key = keys.named(named)
  if (encrypted === undefined || encrypted === key) return key // of nobody's bytes, the key itself says that they are none of its
  throw new KmsRefusal(
    'IncorrectKeyException',
    'The key ID in the request does not identify a CMK that can perform this operation.',
  )
}

function usable(key: KmsKey, operation: KmsOperation, caller: KmsCaller): KmsKey {
  caller.must(operation, key.arn)
  if (key.state === 'Disabled') throw new KmsRefusal('DisabledException', `${key.arn} is disabled.`)
  if (key.state === 'PendingDeletion')
    throw new KmsRefusal('KMSInvalidStateException', `${key.arn} is pending deletion.`)
  if (key.usage === 'ENCRYPT_DECRYPT') return key
  throw new KmsRefusal(
    'InvalidKeyUsageException',
    `${key.arn} key usage is ${key.usage} which is not valid for ${operation}.`,
  )
}

function parsed<T extends { EncryptionContext: EncryptionContext }>(schema: z.ZodType<T>, body: Uint8Array): T {
  const json = jsonOf(body)
  if (json === undefined) throw new KmsRefusal('SerializationException')
  const read = schema.safeParse(json)
  if (!read.success) {
    const [issue] = read.error.issues
    const code = issue?.code === 'unrecognized_keys' ? 'UnsupportedOperationException' : 'ValidationException'
    throw new KmsRefusal(code, `1 validation error detected: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`)
  }
  const bytes = Object.entries(read.data.EncryptionContext).reduce(
    (sum, pair) => sum + Buffer.byteLength(pair.join('')),
    0,
  )
  if (bytes > MAX_CONTEXT_BYTES) throw new KmsRefusal('ValidationException', 'The encryption context is too long.')
  return read.data
}

function jsonOf(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString())
  } catch {
    return undefined
  }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}
