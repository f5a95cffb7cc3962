import { z } from 'zod'
import { crc32c } from '../../encrypt/crc32c.ts'
import type { GcpKmsCaller, GcpKmsPermission } from './access.ts'
import { GcpKmsRefusal } from './answers.ts'
import type { GcpKmsKey } from './keys.ts'
import type { GcpKmsOperation } from './request.ts'

const MAX_BYTES = 64 * 1024 // of plaintext and of authenticated data, with a key in software
const MAX_CIPHERTEXT_BYTES = MAX_BYTES + 1024

/** What happens to a request between its sender and the check of its checksums. */
export type GcpKmsDamage = 'additionalAuthenticatedData' | 'checksums' | 'ciphertext' | 'plaintext'

const PERMISSIONS: Record<GcpKmsOperation, GcpKmsPermission> = {
  Decrypt: 'cloudkms.cryptoKeyVersions.useToDecrypt',
  Encrypt: 'cloudkms.cryptoKeyVersions.useToEncrypt',
  GetCryptoKey: 'cloudkms.cryptoKeys.get',
}

const base64 = z.base64().transform((text) => Buffer.from(text, 'base64'))
const int64 = z
  .union([z.string().regex(/^-?\d{1,19}$/), z.int()])
  .transform(String)
  .optional()
const bound = { additionalAuthenticatedData: base64.default(Buffer.alloc(0)), additionalAuthenticatedDataCrc32c: int64 }

/** Members that the service does not know are refused, as it does. */
const INPUTS = {
  Encrypt: z.strictObject({ plaintext: base64, plaintextCrc32c: int64, ...bound }),
  Decrypt: z.strictObject({ ciphertext: base64, ciphertextCrc32c: int64, ...bound }),
}

/** Does what a request asks for, and makes the document that answers it. */
export function execute(
  operation: GcpKmsOperation,
  name: string,
  body: Uint8Array,
  keys: ReadonlyMap<string, GcpKmsKey>,
  caller: GcpKmsCaller,
  damage: GcpKmsDamage | undefined,
): object {
  caller.must(PERMISSIONS[operation], name)
  const key = keys.get(name)
  if (key === undefined) throw new GcpKmsRefusal('NOT_FOUND', `CryptoKey ${name} not found.`)
  if (operation === 'GetCryptoKey') return describeKey(key)
  if (operation === 'Encrypt') {
    const input = damaged(parsed(INPUTS.Encrypt, body), damage)
    const verifiedPlaintextCrc32c = verify('plaintext', input.plaintext, input.plaintextCrc32c)
    const verifiedBound = verifyBound(input)
    withinLimit('plaintext', input.plaintext, MAX_BYTES)
    const ciphertext = key.encrypt(input.plaintext, input.additionalAuthenticatedData)
    return {
      name: key.primary.name,
      ciphertext: ciphertext.toString('base64'),
      ciphertextCrc32c: String(crc32c(ciphertext)),
      ...(verifiedPlaintextCrc32c ? { verifiedPlaintextCrc32c } : {}),
      ...(verifiedBound ? { verifiedAdditionalAuthenticatedDataCrc32c: true } : {}),
      protectionLevel: 'SOFTWARE',
    }
  }
  const input = damaged(parsed(INPUTS.Decrypt, body), damage)
  verify('ciphertext', input.ciphertext, input.ciphertextCrc32c)
  verifyBound(input)
  withinLimit('ciphertext', input.ciphertext, MAX_CIPHERTEXT_BYTES)
  const { plaintext, version } = key.decrypt(input.ciphertext, input.additionalAuthenticatedData)
  return {
    plaintext: plaintext.toString('base64'),
    plaintextCrc32c: String(crc32c(plaintext)),
    ...(version === key.primary ? { usedPrimary: true } : {}),
    protectionLevel: 'SOFTWARE',
  }
}

function describeKey({ name, primary }: GcpKmsKey): object {
  const version = { name: primary.name, state: primary.state, protectionLevel: 'SOFTWARE' }
  return { name, purpose: 'ENCRYPT_DECRYPT', primary: { ...version, algorithm: 'GOOGLE_SYMMETRIC_ENCRYPTION' } }
}

type Bound = { additionalAuthenticatedData: Buffer; additionalAuthenticatedDataCrc32c?: string | undefined }

function verifyBound({ additionalAuthenticatedData, additionalAuthenticatedDataCrc32c }: Bound): boolean {
  withinLimit('additional_authenticated_data', additionalAuthenticatedData, MAX_BYTES)
  return verify('additional_authenticated_data', additionalAuthenticatedData, additionalAuthenticatedDataCrc32c)
}

/** Whether a checksum came; refuses bytes that do not fit it. https://cloud.google.com/kms/docs/data-integrity-guidelines */
function verify(field: string, bytes: Uint8Array, checksum: string | undefined): boolean {
  if (checksum === undefined) return false
  if (checksum === String(crc32c(bytes))) return true
  throw new GcpKmsRefusal(
    'INVALID_ARGUMENT',
    `The checksum in field ${field}_crc32c did not match the data in field ${field}.`,
  )
}

function withinLimit(field: string, bytes: Uint8Array, maxBytes: number): void {
  if (bytes.length <= maxBytes) return
  throw new GcpKmsRefusal('INVALID_ARGUMENT', `The ${field} is larger than the maximum size of ${maxBytes} bytes.`)
}

/** The input as it is when something happened to it on its way. */
function damaged<T extends object>(input: T, damage: GcpKmsDamage | undefined): T {
  if (damage === undefined) return input
  const members = Object.entries(input).map(([name, value]: [string, unknown]): [string, unknown] => {
    if (damage === 'checksums' && name.endsWith('Crc32c')) return [name, undefined]
    if (name !== damage || !(value instanceof Buffer) || value.length === 0) return [name, value]
    const changed = Buffer.from(value)
    changed[0]! ^= 1
    return [name, changed]
  })
  return Object.fromEntries(members) as T
}

function parsed<T>(schema: z.ZodType<T>, body: Uint8Array): T {
  const read = schema.safeParse(jsonOf(body))
  if (read.success) return read.data
  const [issue] = read.error.issues
  const what = issue?.code === 'unrecognized_keys' ? `Unknown name "${issue.keys[0]}"` : issue?.path.join('.')
  throw new GcpKmsRefusal(
    'INVALID_ARGUMENT',
    `Invalid JSON payload received. ${what ?? ''}: Cannot find or read field.`,
  )
}

function jsonOf(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString())
  } catch {
    return undefined
  }
}
