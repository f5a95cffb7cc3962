import type { KeelstateError } from '../../../core/errors.ts'
import { invalidKeyAddress, readKeyParameters } from '../key-parameters.ts'

/** A key of AWS KMS as configured. What an address leaves out is unknown here and left to KMS and the SDK. */
export interface AwsKmsKey {
  /** What KMS is asked for: the ARN of a key or an alias, a key id, or `alias/NAME`. */
  readonly keyId: string
  /** Id of the key itself; unknown of an alias. */
  readonly id?: string
  readonly account?: string
  readonly region?: string
  /** For emulators and private endpoints. */
  readonly endpoint?: string
}

// https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#key-id
const ID = /^(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]{32})$/
const ALIAS = /^alias\/[A-Za-z0-9/_-]{1,250}$/
const ARN = /^arn:(?<partition>aws[a-z-]*):kms:(?<region>[a-z0-9-]+):(?<account>\d{12}):(?<resource>.+)$/
const REGION = /^[a-z]{2,}(?:-[a-z]+)+-\d+$/
const PARAMETERS = ['region', 'endpoint']

/**
 * Reads what follows `aws-kms:` in an address: a key, perhaps with `?region=…&endpoint=…`.
 *
 * @throws {KeelstateError} `InvalidOptions`. What is refused is not repeated: it may be a secret.
 */
export function parseAwsKmsKey(text: string): AwsKmsKey {
  const { key: name, parameters } = readKeyParameters('aws-kms', text, PARAMETERS)
  const key = readKey(name)
  const region = parameters.get('region')
  const endpoint = parameters.get('endpoint')
  if (region !== undefined && !REGION.test(region)) throw invalid('?region= is no region of AWS', 'Such as eu-west-1.')
  if (region !== undefined && key.region !== undefined && region !== key.region)
    throw invalid(`the ARN names the region ${key.region}, and ?region= another`, 'Leave out ?region=.')
  return { ...key, ...(region === undefined ? {} : { region }), ...(endpoint === undefined ? {} : { endpoint }) }
}

/**
 * Whether the key that a key table names by its ARN may be the configured one, as far as that shows without asking KMS. The replicas of a
 * multi-Region key are one key.
 */
export function mayBeKey(configured: AwsKmsKey, arn: string): boolean {
  const named = readArn(arn)
  if (named?.id === undefined) return false
  if (configured.id !== undefined && configured.id !== named.id) return false
  if (configured.account !== undefined && configured.account !== named.account) return false
  return configured.region === undefined || configured.region === named.region || named.id.startsWith('mrk-')
}

/** Whether `text` is the ARN of a key: what key tables record. */
export function isKeyArn(text: string): boolean {
  return readArn(text)?.id !== undefined
}

function readKey(text: string): AwsKmsKey {
  if (ALIAS.test(text)) return { keyId: text }
  if (ID.test(text)) return { keyId: text, id: text }
  const named = readArn(text)
  if (named === undefined)
    throw invalid(
      'after aws-kms: comes the ARN of a key or an alias, a key id, or alias/NAME',
      'For example aws-kms:alias/acme-state?region=eu-west-1.',
    )
  return { keyId: text, ...named }
}

function readArn(text: string): { id?: string; account: string; region: string } | undefined {
  const { region, account, resource } = ARN.exec(text)?.groups ?? {}
  if (region === undefined || account === undefined || resource === undefined) return undefined
  if (ALIAS.test(resource)) return { account, region }
  const id = resource.startsWith('key/') ? resource.slice('key/'.length) : ''
  return ID.test(id) ? { id, account, region } : undefined
}

function invalid(why: string, hint?: string): KeelstateError<'InvalidOptions'> {
  return invalidKeyAddress('aws-kms', why, hint)
}
