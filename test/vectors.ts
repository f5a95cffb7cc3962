import { readFileSync } from 'node:fs'

/** Cases that were made by running the original programs; test/vectors/README.md says what the fields mean. */
export function vectors<C extends { id: string }>(file: string): C[] {
  const parsed = JSON.parse(readFileSync(new URL(`vectors/${file}`, import.meta.url), 'utf8')) as {
    count: number
    cases: C[]
  }
  if (parsed.cases.length !== parsed.count || parsed.count === 0)
    throw new Error(`${file} holds ${parsed.cases.length} cases, not ${parsed.count}`)
  return parsed.cases
}

/** The field `name` of a case as bytes: text, or base64 under `<name>_b64`. */
export function bytesOf(fields: object, name: string): Buffer {
  const values = fields as Record<string, string | undefined>
  const text = values[name]
  if (text !== undefined) return Buffer.from(text)
  const encoded = values[`${name}_b64`]
  if (encoded === undefined) throw new Error(`the case has no ${name}`)
  return Buffer.from(encoded, 'base64')
}
