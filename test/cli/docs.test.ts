import { readdirSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { synopsis } from '../../src/cli/arguments.ts'
import type { Command } from '../../src/cli/command.ts'
import { OUTPUTS } from '../../src/cli/schemas.ts'
import { jsonSection, readPage, updating, writePage } from './docs.ts'

const BEGIN = /<!-- generated from src\/cli\/schemas\.ts.*-->\n/
const END = '<!-- end -->'

const folder = new URL('../../src/cli/commands/', import.meta.url)
const commands = await Promise.all(
  readdirSync(folder).map(async (file) => {
    const { command } = (await import(new URL(file, folder).href)) as { command: Command }
    return [command.name, command] as const
  }),
)

/** The text of the section under a heading of the second level. */
function section(name: string): string {
  return (
    readPage()
      .split(/^## /m)
      .find((part) => part.startsWith(`${name}\n`)) ?? ''
  )
}

describe('docs/cli.md', () => {
  it.each(commands)('has a section on %s with its syntax and an example', (name, command) => {
    const text = section(name)
    expect(text).toContain(`\`\`\`text\n${synopsis(command)}\n\`\`\``)
    expect(text).toMatch(new RegExp(`^\\$ (.* )?keelstate ${name}\\b`, 'm'))
  })

  it('has a schema for the output of every command, and no other', () => {
    expect(Object.keys(OUTPUTS).sort()).toEqual(commands.map(([name]) => name).sort())
  })

  it('describes --json as the schemas do', () => {
    const page = readPage()
    const begin = BEGIN.exec(page)!
    const from = begin.index + begin[0].length
    const wanted = `\n${jsonSection()}\n\n`
    if (updating) writePage(page.slice(0, from) + wanted + page.slice(page.indexOf(END)))
    expect(readPage().slice(from, readPage().indexOf(END))).toBe(wanted)
  })
})
