import { parseKey } from '../encrypt/key-address.ts'
import { shown } from './text.ts'

const HIDDEN = '***'
const SECRET_PARAMETER = /secret|token|pass|credential|signature|access/i

/** A store's address without what may be a secret: user and password before `@`, and parameters named like one. */
export function redactAddress(address: string): string {
  const [place = '', ...query] = address.split('?')
  const parameters = query
    .join('?')
    .split('&')
    .map((pair) => {
      const [name = '', value] = pair.split(/=(.*)/s)
      if (value === undefined) return name
      return `${name}=${SECRET_PARAMETER.test(name) ? HIDDEN : redactParameter(value)}`
    })
    .join('&')
  const plain = place.startsWith('file:') ? place : redactUser(place)
  return shown(query.length === 0 ? plain : `${plain}?${parameters}`)
}

/** A key as it was typed. What is no key address may be the key itself, so only its first word is shown; else it is `resolved`. */
export function redactKey(key: string, resolved: string = key): string {
  try {
    parseKey(key)
    return shown(resolved)
  } catch {
    const form = /^(passphrase:env|passphrase|env|file|[a-z]+-kms):/.exec(key)?.[1]
    return form === undefined ? HIDDEN : `${form}:${HIDDEN}`
  }
}

function redactUser(text: string): string {
  return text.replace(/\/\/[^/]*@/g, `//${HIDDEN}@`)
}

function redactParameter(value: string): string {
  let decoded: string
  try {
    decoded = decodeURIComponent(value)
  } catch {
    return HIDDEN
  }
  return redactUser(decoded) === decoded ? value : redactUser(decoded)
}
