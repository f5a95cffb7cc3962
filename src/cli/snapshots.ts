import type { EntryChange, EntryJson, Snapshot } from '../deployments/index.ts'
import type { Change } from '../index.ts'
import { safeJson, shown } from './text.ts'

const VALUE_LENGTH = 120 // characters of a value that are shown to people; --json has all of it

/** `leaf aws.vpc`, `library-call net.cluster`, `action k8s.job` */
export function entryKind(entry: EntryJson): string {
  const { type, kind, library } = entry
  const of = kind ?? (library === undefined ? undefined : `${library}.${entry['library-type']}`)
  return shown(of === undefined ? String(type) : `${type} ${of}`)
}

/** How many entries of each type a snapshot has. */
export function entryCounts({ entries = [] }: Snapshot): { leaf: number; 'library-call': number; action: number } {
  const counts = { leaf: 0, 'library-call': 0, action: 0 }
  for (const { type } of entries) counts[type]++
  return counts
}

const MARK = { added: '+', removed: '-', changed: '~' } as const

/** One line for the entry, and one for each field of it that changed. */
export function entryChangeText({ address, kind, entry, changes }: EntryChange): string {
  const fields = changes.map((change) => changeText(change, '    ')).join('')
  return `${MARK[kind]} ${shown(address)} (${entryKind(entry)})\n${fields}`
}

/** `~ replicas: 1 → 2` */
export function changeText({ path, kind, before, after }: Change, indent = ''): string {
  const values = {
    added: () => valueText(after),
    removed: () => valueText(before),
    changed: () => `${valueText(before)} → ${valueText(after)}`,
  }
  return `${indent}${MARK[kind]} ${pathText(path)}: ${values[kind]()}\n`
}

/** A change in `--json`. */
export function changeJson({ path, kind, before, after }: Change): {
  path: readonly (string | number)[]
  kind: Change['kind']
  before: unknown
  after: unknown
} {
  return { path, kind, before: before ?? null, after: after ?? null }
}

/** `entries[3].outputs.id`; a member that is no plain word is quoted. */
function pathText(path: readonly (string | number)[]): string {
  const parts = path.map((part) => {
    if (typeof part === 'number') return `[${part}]`
    return /^[\w-]+$/.test(part) ? `.${part}` : `[${safeJson(part)}]`
  })
  return parts.join('').replace(/^\./, '') || '(whole)'
}

function valueText(value: unknown): string {
  const text = shown(safeJson(value) ?? 'undefined')
  return text.length > VALUE_LENGTH ? `${text.slice(0, VALUE_LENGTH)}…` : text
}
