import { isEndpoint } from '../../core/driver-address.ts'
import { KeelstateError } from '../../core/errors.ts'
import { nearest } from '../../core/nearest.ts'

/** The address of a key service's key, without its scheme: the key, and the parameters behind it. */
export interface KeyWithParameters {
  readonly key: string
  readonly parameters: ReadonlyMap<string, string>
}

/**
 * Takes `KEY?name=value&…` apart.
 *
 * @throws {KeelstateError} `InvalidOptions` for a parameter that is not among `known`, stands twice, or is an `endpoint` that is none.
 */
export function readKeyParameters(scheme: string, text: string, known: readonly string[]): KeyWithParameters {
  const mark = text.indexOf('?')
  const parameters = new Map<string, string>()
  for (const [name, value] of new URLSearchParams(mark < 0 ? '' : text.slice(mark + 1))) {
    if (!known.includes(name)) {
      const near = nearest(name, known)
      throw invalidKeyAddress(
        scheme,
        `it takes no such parameter${near === undefined ? '' : `; the nearest is ${near}`}`,
        known.length === 1 ? `Known is ${known[0]}.` : `Known are ${known.join(' and ')}.`,
      )
    }
    if (parameters.has(name)) throw invalidKeyAddress(scheme, `${name} stands twice in it`)
    parameters.set(name, value)
  }
  const endpoint = parameters.get('endpoint')
  if (endpoint !== undefined && !isEndpoint(endpoint)) {
    throw invalidKeyAddress(scheme, '?endpoint= has to be an http: or https: address without user, query or fragment')
  }
  return { key: mark < 0 ? text : text.slice(0, mark), parameters }
}

/** What is refused is not repeated: it may be a secret. */
export function invalidKeyAddress(scheme: string, why: string, hint?: string): KeelstateError<'InvalidOptions'> {
  return new KeelstateError('InvalidOptions', {
    message: `${/^[aeiou]/.test(scheme) ? 'An' : 'A'} ${scheme}: key cannot be used as written: ${why}. It is not repeated here because it may hold a secret.`,
    details: { option: 'keys' },
    ...(hint === undefined ? {} : { hint }),
  })
}
