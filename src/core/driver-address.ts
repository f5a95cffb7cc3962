import { KeelstateError, printable } from './errors.ts'
import { nearest } from './nearest.ts'

/** How the addresses of a cloud driver's stores look, and what is said of those that do not. */
export interface AddressForm<O extends { bucket: string; prefix?: string | undefined }> {
  /** Without the colon. */
  readonly scheme: string
  /** Ends the sentence "This is no address of …". */
  readonly what: string
  readonly example: string
  /** The driver's function that takes the options, for errors. */
  readonly operation: string
  /** Where credentials belong instead. */
  readonly credentialsHint: string
  /** Parameters of the query, and how each is read. */
  readonly parameters: Readonly<Record<string, (text: string, read: ParameterReader) => Partial<O>>>
}

/** Reads the value of one parameter. Its methods throw `InvalidOptions` that names it. */
export interface ParameterReader {
  boolean(text: string): boolean
  number(text: string): number
}

const SECRET_PARAMETER = /access.?key|secret|token|password|credential|signature|private.?key/i
const MAX_PREFIX_BYTES = 120 // a key takes up to 900 of the 1,024 that S3 and GCS take

/** What a prefix has to be; ends the sentence "prefix …". */
export const PREFIX_RULE: string = `needs segments that are joined by "/", none of them empty, "." or "..", without control characters, at most ${MAX_PREFIX_BYTES} bytes`

/**
 * Reads `scheme://bucket/prefix?parameter=value&…` into the options that it stands for.
 *
 * @throws {KeelstateError} `InvalidOptions` for anything else, naming the nearest known parameter; also when the address holds credentials,
 *   which are not repeated.
 */
export function parseBucketAddress<O extends { bucket: string; prefix?: string | undefined }>(
  address: string,
  form: AddressForm<O>,
): O {
  const { scheme, what, example, operation, credentialsHint, parameters } = form
  const invalid = (option: string, message: string, hint?: string) => invalidOption(operation, option, message, hint)
  const withSecret = () => invalid('store', 'The address holds credentials.', credentialsHint)
  const start = `${scheme}://`
  if (address.slice(0, start.length).toLowerCase() !== start)
    throw invalid('store', `This is no address of ${what}.`, `Its form is ${example}.`)
  const match = /^([^/?#]*)([^?#]*)(?:\?([^#]*))?$/.exec(address.slice(start.length))
  if (match === null) {
    if (/^[^/]*@/.test(address.slice(start.length))) throw withSecret()
    throw invalid('store', `This is no address of ${what}.`, `Its form is ${example}.`)
  }
  const [, bucket = '', path = '', query = ''] = match
  if (bucket.includes('@')) throw withSecret()
  const decode = (text: string) => decoded(text, operation)
  const prefix = withoutOuterSlashes(decode(path))
  const options = { bucket: decode(bucket), ...(prefix === '' ? {} : { prefix }) }
  const seen = new Set<string>()
  for (const part of query.split('&').filter((text) => text !== '')) {
    const equals = part.indexOf('=')
    const name = decode(equals < 0 ? part : part.slice(0, equals))
    const read = Object.hasOwn(parameters, name) ? parameters[name] : undefined
    if (read === undefined) {
      if (SECRET_PARAMETER.test(name)) throw withSecret()
      throw unknownName(
        operation,
        name,
        `parameter of ${/^[aeiouxs]/.test(scheme) ? 'an' : 'a'} ${scheme}: address`,
        Object.keys(parameters),
      )
    }
    if (seen.has(name)) throw invalid(name, `${name} stands twice in the address.`)
    seen.add(name)
    const value = equals < 0 ? '' : decode(part.slice(equals + 1))
    if (value === '') throw invalid(name, `${name} has no value in the address.`)
    Object.assign(options, read(value, readerOf(name, operation)))
  }
  return options as O
}

/** The address that says where a store lies; `parseBucketAddress` reads it back. Holds no secret. */
export function formatBucketAddress(
  scheme: string,
  { bucket, prefix, endpoint }: { bucket: string; prefix: string; endpoint?: string | undefined },
): string {
  const path = prefix.split('/').map(encodeURIComponent).join('/').replace(/\/$/, '')
  return `${scheme}://${bucket}${path === '' ? '' : `/${path}`}${endpoint === undefined ? '' : `?endpoint=${endpoint}`}`
}

export function invalidOption(
  operation: string,
  option: string,
  message: string,
  hint?: string,
): KeelstateError<'InvalidOptions'> {
  return new KeelstateError('InvalidOptions', {
    operation,
    message,
    ...(hint === undefined ? {} : { hint }),
    details: { option, notExecuted: true },
  })
}

export function withoutOuterSlashes(path: string): string {
  return path.replace(/^\/+|\/+$/g, '')
}

/** Whether a prefix follows `PREFIX_RULE`. */
export function isPrefix(path: string): boolean {
  if (path === '') return true
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (Buffer.byteLength(path) > MAX_PREFIX_BYTES || !path.isWellFormed() || /[\u0000-\u001f\u007f]/.test(path))
    return false
  return path.split('/').every((segment) => segment !== '' && segment !== '.' && segment !== '..')
}

/** Whether it is an http: or https: address without user, query or fragment. */
export function isEndpoint(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, username, password, search, hash } = new URL(text)
  return (protocol === 'http:' || protocol === 'https:') && `${username}${password}${search}${hash}` === ''
}

/** Whether another service than the vendor's answers at an endpoint. @param own The names of the vendor's hosts. */
export function isForeignEndpoint(endpoint: string | undefined, own: RegExp): boolean {
  if (endpoint === undefined || !URL.canParse(endpoint)) return endpoint !== undefined
  return !own.test(new URL(endpoint).hostname)
}

/** The error for a name that is not known, with the nearest one that is. */
export function unknownName(operation: string, name: string, what: string, known: readonly string[]): KeelstateError {
  const near = nearest(name, known)
  return invalidOption(
    operation,
    name,
    `"${printable(name, 60)}" is no ${what}${near === undefined ? '' : `; the nearest is ${near}`}.`,
    `Known are ${known.join(', ')}.`,
  )
}

function readerOf(name: string, operation: string): ParameterReader {
  return {
    boolean(text) {
      if (text === 'true' || text === 'false') return text === 'true'
      throw invalidOption(operation, name, `${name} has to be true or false.`)
    },
    number(text) {
      if (/^\d{1,16}$/.test(text)) return Number(text)
      throw invalidOption(operation, name, `${name} has to be a whole number.`)
    },
  }
}

function decoded(text: string, operation: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw invalidOption(
      operation,
      'store',
      "The address holds a '%' that does not begin an escape.",
      "Write a plain '%' as %25.",
    )
  }
}
