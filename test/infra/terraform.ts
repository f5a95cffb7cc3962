import { readdirSync, readFileSync } from 'node:fs'
import { parse } from 'yaml'

const FOLDER = new URL('../../infra/gcp/', import.meta.url)

/** infra/gcp/layout.yaml */
export interface Layout {
  /** Prefixes and the variables that say how long what was replaced below them is kept. */
  readonly history: Readonly<Record<string, string>>
  readonly roles: Readonly<Record<string, LayoutRole>>
}

export interface LayoutRole {
  readonly does: string
  /** Google's role on the key. */
  readonly key: string | null
  /** Permissions on the whole bucket. */
  readonly bucket: readonly string[]
  readonly objects: readonly { readonly places: readonly string[]; readonly permissions: readonly string[] }[]
}

export const layout = parse(readFileSync(new URL('layout.yaml', FOLDER), 'utf8')) as Layout

export function pageOf(name: string): string {
  return readFileSync(new URL(name, FOLDER), 'utf8')
}

/** The module's files as one text, without comments. */
export function moduleText(): string {
  const files = readdirSync(FOLDER).filter((name) => name.endsWith('.tf'))
  return files.map((name) => withoutComments(pageOf(name))).join('\n')
}

export function withoutComments(text: string): string {
  return text.replace(/^\s*#.*$/gm, '')
}

/** The text of each block of that kind, by the labels behind it: `resource "a" "b" {…}` is `a.b`. */
export function blocks(text: string, kind: string): Map<string, string> {
  const found = new Map<string, string>()
  for (const match of text.matchAll(new RegExp(`^${kind}((?: "[^"]+")*) \\{$`, 'gm'))) {
    const labels = [...match[1]!.matchAll(/"([^"]+)"/g)].map(([, label]) => label).join('.')
    const rest = text.slice(match.index)
    found.set(labels, rest.slice(0, rest.search(/^\}$/m) + 1)) // blocks of the top level end at a line's begin
  }
  return found
}
