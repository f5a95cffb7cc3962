import { invalidOption, isEndpoint, unknownName, withoutOuterSlashes } from './driver-address.ts'

/**
 * What is wrong with a value: how the sentence goes on that begins with the option's name. `undefined`: nothing.
 *
 * Written by hand and not by a schema library, because a process pays for loading one before its first request:
 * docs/decisions/0007-dependencies.md.
 */
export type OptionRule = (value: unknown) => string | undefined

/** A rule for every option that there is. */
export type OptionRules<O> = { readonly [K in keyof O]-?: OptionRule }

/**
 * Checks options that somebody passed in.
 *
 * @throws {KeelstateError} `InvalidOptions` that names the first unknown option (and the nearest known one), else the first that is wrong.
 */
export function checkOptions<O extends object>(operation: string, options: O, rules: OptionRules<O>): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw invalidOption(operation, 'options', `The options of ${operation} have to be an object.`)
  const known = Object.keys(rules)
  const unknown = Object.keys(options).find((name) => !Object.hasOwn(rules, name))
  if (unknown !== undefined) throw unknownName(operation, unknown, `option of ${operation}`, known)
  for (const name of known) {
    const wrong = rules[name as keyof O]((options as Record<string, unknown>)[name])
    if (wrong !== undefined) throw invalidOption(operation, name, `${name} ${wrong}.`, `Known are ${known.join(', ')}.`)
  }
}

/** The rule for an option that may be left out. */
export function optional(rule: OptionRule): OptionRule {
  return (value) => (value === undefined ? undefined : rule(value))
}

/** A text that `test` accepts; `wrong` ends the sentence "NAME …". */
export function textThat(test: RegExp | ((text: string) => boolean), wrong: string): OptionRule {
  const accepts = test instanceof RegExp ? (text: string) => test.test(text) : test
  return (value) => {
    if (typeof value !== 'string') return value === undefined ? 'is needed, a text' : 'has to be a text'
    return accepts(value) ? undefined : wrong
  }
}

/** A whole number from 1 to `max`. */
export function wholeNumber(max: number = Number.MAX_SAFE_INTEGER): OptionRule {
  return (value) =>
    Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= max
      ? undefined
      : `is not valid: it has to be a whole number from 1 to ${max}`
}

/** A value of another kind, such as a client. */
export function valueThat(accepts: (value: unknown) => boolean, wrong: string): OptionRule {
  return (value) => (accepts(value) ? undefined : wrong)
}

/** Whether a value is an object with a method of that name, such as a client of an SDK. */
export function hasMethod(name: string): (value: unknown) => boolean {
  return (value) =>
    typeof value === 'object' && value !== null && typeof (value as Record<string, unknown>)[name] === 'function'
}

/** The rule for credentials: an object with these members, none of them empty, or a function that gives them. */
export function credentialsWith(members: readonly [string, string], given: string): OptionRule {
  return (value) => {
    const whole =
      typeof value === 'function' ||
      (typeof value === 'object' &&
        value !== null &&
        members.every((name) => {
          const part = (value as Record<string, unknown>)[name]
          return typeof part === 'string' && part !== ''
        }))
    return whole ? undefined : `need ${members.join(' and ')}, or a function that gives ${given}`
  }
}

const ENDPOINT_RULE = 'has to be an http: or https: address without user, query or fragment'

/** The rule for the address of another service than the vendor's. */
export const endpointRule: OptionRule = textThat(isEndpoint, ENDPOINT_RULE)

/** The rule for a time in ms that a timer can wait. */
export const timerRule: OptionRule = wholeNumber(2 ** 31 - 1)

/** What every driver of a bucket lets its users set. */
export interface BucketOptions {
  prefix?: string | undefined
  endpoint?: string | undefined
  client?: object | undefined
  conditionalWrites?: 'trusted' | undefined
  attemptTimeoutMs?: number | undefined
  maxBytes?: number | undefined
}

interface BucketDefaults {
  /** Empty, or ends in `/`. */
  readonly prefix: string
  readonly attemptTimeoutMs: number
  readonly maxBytes: number
}

/** Where a driver's requests go. Found once, when the store is made: what is proven of it must not be said of another. */
export interface Destination {
  /** Another endpoint than the vendor's own: the one that was given, else the one that the environment names. */
  readonly destination: string | undefined
  /** A client that was passed in has an endpoint of its own, and only it knows which. */
  readonly ownEndpoint: boolean
}

/**
 * The endpoint that the first of these variables of the environment names; one that is empty is as good as unset.
 *
 * @throws {KeelstateError} `InvalidOptions` that names the variable, when it holds no address, or one that stands in no file or log.
 */
export function endpointFromEnvironment(
  operation: string,
  variables: readonly string[],
  read: (text: string) => string = (text) => text,
): string | undefined {
  const name = variables.find((variable) => process.env[variable])
  if (name === undefined) return undefined
  const endpoint = read(process.env[name]!)
  if (isEndpoint(endpoint)) return endpoint
  throw invalidOption(operation, name, `${name} ${ENDPOINT_RULE}.`, 'Set it right, or unset it.')
}

/** A driver's options, checked and completed. */
export type Completed<O extends BucketOptions> = Omit<O, keyof BucketDefaults> & BucketDefaults

const DEFAULT_ATTEMPT_TIMEOUT_MS = 60_000 // a backstop: callers give up earlier by their signal
const DEFAULT_MAX_BYTES = 256 * 1024 * 1024
/**
 * In one request, which cannot be resumed. S3 takes no more:
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/upload-objects.html
 */
const MAX_PUT_BYTES = 5 * 1024 ** 3

/** The rules for these; for a prefix, `isPrefix` has what all have in common. */
export const BUCKET_RULES: Pick<
  OptionRules<BucketOptions>,
  'attemptTimeoutMs' | 'conditionalWrites' | 'endpoint' | 'maxBytes'
> = {
  endpoint: optional(endpointRule),
  conditionalWrites: optional(textThat(/^trusted$/, 'has to be trusted, or left out')),
  attemptTimeoutMs: optional(timerRule),
  maxBytes: optional(wholeNumber(MAX_PUT_BYTES)),
}

/**
 * Completes a driver's options, which were checked by its rules.
 *
 * @param clientsOwn What a client that is passed in was made with.
 * @throws {KeelstateError} `InvalidOptions` that names the first of those that was given beside a client.
 */
export function completeBucketOptions<O extends BucketOptions>(
  operation: string,
  options: O,
  clientsOwn: readonly (keyof O & string)[],
): Completed<O> {
  const doubled = options.client === undefined ? undefined : clientsOwn.find((name) => options[name] !== undefined)
  if (doubled !== undefined) {
    const message = `${doubled} was given beside a client, which has its own.`
    throw invalidOption(operation, doubled, message, `Leave ${doubled} out, or the client.`)
  }
  const prefix = withoutOuterSlashes(options.prefix ?? '')
  return {
    ...options,
    prefix: prefix === '' ? '' : `${prefix}/`,
    attemptTimeoutMs: options.attemptTimeoutMs ?? DEFAULT_ATTEMPT_TIMEOUT_MS,
    maxBytes: options.maxBytes ?? DEFAULT_MAX_BYTES,
  }
}
