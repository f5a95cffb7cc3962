import { invalidKeyAddress, readKeyParameters } from '../key-parameters.ts'

/** A key of Cloud KMS as configured. */
export interface GcpKmsKey {
  /** `projects/P/locations/L/keyRings/R/cryptoKeys/K` */
  readonly name: string
  /** For regional and private endpoints, and for fixtures. */
  readonly endpoint?: string
}

// https://cloud.google.com/kms/docs/getting-resource-ids and https://cloud.google.com/resource-manager/docs/creating-managing-projects
const PROJECT = '(?:(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]|[0-9]{1,19})'
const NAME = new RegExp(
  `^projects/(?<project>${PROJECT})/(?<rest>locations/[a-z0-9-]{1,63}/keyRings/[A-Za-z0-9_-]{1,63}/cryptoKeys/[A-Za-z0-9_-]{1,63})$`,
)
const VERSION = /\/cryptoKeyVersions\/[0-9]+$/
const PARAMETERS = ['endpoint']

/**
 * Reads what follows `gcp-kms:` in an address: the resource name of a key, perhaps with `?endpoint=…`.
 *
 * @throws {KeelstateError} `InvalidOptions`. What is refused is not repeated: it may be a secret.
 */
export function parseGcpKmsKey(text: string): GcpKmsKey {
  const { key: name, parameters } = readKeyParameters('gcp-kms', text, PARAMETERS)
  if (VERSION.test(name))
    throw invalidKeyAddress(
      'gcp-kms',
      'it names a version of a key',
      'Leave out /cryptoKeyVersions/…: Cloud KMS wraps with the primary version, and knows of each wrapped key which version it needs.',
    )
  if (!NAME.test(name))
    throw invalidKeyAddress(
      'gcp-kms',
      'after gcp-kms: comes the resource name of a key',
      'For example gcp-kms:projects/acme-prod/locations/europe-west1/keyRings/keelstate/cryptoKeys/state.',
    )
  const endpoint = parameters.get('endpoint')
  return { name, ...(endpoint === undefined ? {} : { endpoint }) }
}

/**
 * Whether two resource names may be of one key, as far as that shows without asking. A project has an id and a number, and nothing but Google
 * knows which belong together.
 */
export function mayBeKey(configured: GcpKmsKey, name: string): boolean {
  const [a, b] = [NAME.exec(configured.name)?.groups, NAME.exec(name)?.groups]
  if (a === undefined || b === undefined || a.rest !== b.rest) return false
  return a.project === b.project || isNumber(a.project) !== isNumber(b.project)
}

/** The key that a version belongs to; `undefined` for what is no name of a version. */
export function keyOfVersion(version: string): string | undefined {
  const name = version.replace(VERSION, '')
  return name !== version && NAME.test(name) ? name : undefined
}

function isNumber(project: string | undefined): boolean {
  return project !== undefined && /^[0-9]+$/.test(project)
}
