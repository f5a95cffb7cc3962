import { readFileSync, writeFileSync } from 'node:fs'
import { z } from 'zod'
import { FAILURE, OUTPUTS } from '../../src/cli/schemas.ts'

const page = new URL('../../docs/cli.md', import.meta.url)

/** Set to write into docs/cli.md what the tests otherwise compare it with. */
export const updating: boolean = process.env.KEELSTATE_UPDATE_DOCS === '1'

export function readPage(): string {
  return readFileSync(page, 'utf8')
}

export function writePage(text: string): void {
  writeFileSync(page, text)
}

interface JsonSchema {
  type?: string | string[]
  description?: string
  $ref?: string
  const?: string
  enum?: string[]
  anyOf?: JsonSchema[]
  items?: JsonSchema
  additionalProperties?: JsonSchema | boolean
  properties?: Record<string, JsonSchema>
  $defs?: Record<string, JsonSchema>
}

/** The tables of docs/cli.md's JSON section, one for each command, one for each part that several share, and one for a failure. */
export function jsonSection(): string {
  const outputs = Object.entries(OUTPUTS).map(
    ([command, schema]) => [command, z.toJSONSchema(schema) as JsonSchema] as const,
  )
  const shared = Object.assign({}, ...outputs.map(([, schema]) => schema.$defs ?? {})) as Record<string, JsonSchema>
  const tables = outputs.map(
    ([command, schema]) => `### ${command}: \`keelstate.${command.replaceAll(' ', '-')}/1\`\n\n${table(schema)}`,
  )
  const failure = `### A failure, on stderr\n\n${table(z.toJSONSchema(FAILURE) as JsonSchema)}`
  const parts = Object.entries(shared).map(([name, schema]) => `### ${name}\n\n${table(schema)}`)
  return [...tables, ...parts, failure].join('\n\n')
}

function table(schema: JsonSchema): string {
  const rows = Object.entries(schema.properties ?? {})
    .filter(([name]) => name !== 'schema')
    .map(([name, member]) => `| \`${name}\` | ${typeText(member)} | ${member.description ?? ''} |`)
  return ['| member | type | meaning |', '|---|---|---|', ...rows].join('\n')
}

function typeText(schema: JsonSchema): string {
  if (schema.$ref !== undefined) return schema.$ref.split('/').at(-1)!
  if (schema.anyOf !== undefined) return schema.anyOf.map(typeText).join(' or ')
  if (schema.enum !== undefined) return schema.enum.map((one) => `\`${one}\``).join(' or ')
  if (schema.items !== undefined) return `list of ${typeText(schema.items)}`
  if (schema.properties !== undefined) {
    const members = Object.entries(schema.properties).map(([name, member]) => `${name}: ${typeText(member)}`)
    return `{ ${members.join(', ')} }`
  }
  if (typeof schema.additionalProperties === 'object') return `object of ${typeText(schema.additionalProperties)}`
  if (Array.isArray(schema.type)) return schema.type.join(' or ')
  return schema.type ?? 'any'
}
