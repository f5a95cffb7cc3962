import { type Change, compareJson } from '../core/diff.ts'
import { compareUtf8 } from '../go-json/text.ts'
import { type EntryJson, type ShowOptions, snapshotJson } from './entries.ts'
import { MASK, Sensitive, sensitiveNames } from './sensitive.ts'
import type { Snapshot } from './snapshot.ts'

/** What became of one entry. */
export interface EntryChange {
  readonly address: string
  readonly kind: 'added' | 'removed' | 'changed'
  /** The entry as its file spells it: as it is now, or was when it was removed. */
  readonly entry: EntryJson
  /** Of a changed entry: where, from the entry on, and how. */
  readonly changes: readonly Change[]
}

export interface SnapshotDiff {
  /** By address. An entry that only changed its place among the others is not one. */
  readonly entries: readonly EntryChange[]
  /** What changed beside the entries. */
  readonly others: readonly Change[]
}

/** Compares two snapshots entry by entry, in the names of their file. Sensitive values are masked; that they changed is told. */
export function diffSnapshots(before: Snapshot, after: Snapshot, options: ShowOptions = {}): SnapshotDiff {
  const { entries: old, ...oldRest } = snapshotJson(before)
  const { entries: now, ...nowRest } = snapshotJson(after)
  const sensitive = options.showSensitive === true ? undefined : new Sensitive(before, after)
  const show = (value: unknown) => (sensitive === undefined ? value : sensitive.mask(value))
  const [from, to] = [byAddress(old), byAddress(now)]
  const entries: EntryChange[] = []
  for (const address of [...new Set([...from.keys(), ...to.keys()])].sort(compareUtf8)) {
    const [left, right] = [from.get(address), to.get(address)]
    const names = new Set([left, right].flatMap((entry) => (entry === undefined ? [] : [...sensitiveNames(entry)])))
    const raw = left === undefined || right === undefined ? [] : compareJson(left, right)
    if (left !== undefined && right !== undefined && raw.length === 0) continue
    const entry = right ?? left!
    entries.push({
      address,
      kind: left === undefined ? 'added' : right === undefined ? 'removed' : 'changed',
      entry: sensitive === undefined ? entry : sensitive.maskEntry(entry, names),
      changes: sensitive === undefined ? raw : maskedChanges(raw, names, sensitive),
    })
  }
  const others = compareJson(oldRest, nowRest).map((change) => withValues(change, show))
  return { entries, others }
}

function byAddress(entries: readonly EntryJson[] | null): Map<string, EntryJson> {
  return new Map((entries ?? []).map((entry) => [String(entry.address), entry]))
}

/** One change for each sensitive field, whatever changed inside it: its own shape may tell too much. */
function maskedChanges(changes: readonly Change[], names: ReadonlySet<string>, sensitive: Sensitive): Change[] {
  const shown = new Map<string, Change>()
  for (const change of changes) {
    const [part, field] = change.path
    const isValue = part === 'inputs' || part === 'outputs'
    if (isValue && typeof field === 'string' && names.has(field)) {
      const path = [part, field]
      const inside = change.path.length > path.length
      const masked = inside
        ? ({ path, kind: 'changed', before: MASK, after: MASK } as const)
        : withValues(change, () => MASK)
      shown.set(JSON.stringify(path), masked)
    } else {
      const whole = isValue && field === undefined // all inputs or outputs came or went at once
      const mask = (value: unknown) =>
        whole ? sensitive.maskEntry({ [String(part)]: value }, names)[String(part)] : sensitive.mask(value)
      shown.set(JSON.stringify(change.path), withValues(change, mask))
    }
  }
  return [...shown.values()]
}

function withValues(change: Change, show: (value: unknown) => unknown): Change {
  return {
    path: change.path,
    kind: change.kind,
    ...('before' in change && { before: show(change.before) }),
    ...('after' in change && { after: show(change.after) }),
  }
}
