import type { SnapshotDiff } from '../deployments/snapshot-diff.ts'
import type { ComparedSave, RevisionInfo, SpooledSave, UnreadableSave } from '../index.ts'
import type { JsonBody } from './output.ts'
import { revisionJson, revisionLine } from './revisions.ts'
import { changeJson, changeText, entryChangeText } from './snapshots.ts'
import { byteCount, shown } from './text.ts'

/** What became of a save. */
export type Outcome = 'kept' | 'committed' | 'landed' | 'unchanged' | 'discarded'

export interface SaveReport {
  readonly save: SpooledSave | UnreadableSave
  readonly outcome: Outcome
  readonly revision?: RevisionInfo
  readonly replaced?: RevisionInfo
}

/** Name, id, time, size, what it was to replace: a row of `columns`. */
export function saveRow({ save }: SaveReport): string[] {
  if ('problem' in save) return [shown(save.name), 'cannot be read', shown(save.problem.message)]
  const against = save.parent === undefined ? 'what was current' : (save.parent ?? 'nothing')
  return [shown(save.name), save.id, shown(save.at), byteCount(save.bytes), `to replace ${shown(against)}`]
}

/** One line on what was (would be) done. */
export function outcomeText(
  { save, outcome, revision, replaced }: SaveReport,
  dryRun: boolean,
  file: string | null,
): string {
  const name = shown(save.name)
  const as = revision === undefined ? '' : ` as ${revisionLine(revision)}`
  const instead =
    replaced === undefined ? '' : `, which ${dryRun ? 'would replace' : 'replaces'} ${revisionLine(replaced)}`
  switch (outcome) {
    case 'committed':
      return `${dryRun ? 'would commit' : 'committed'} what was kept of ${name}${as}${instead}`
    case 'landed':
      return `what was kept of ${name} had landed${as || '; its revision was pruned since'}`
    case 'unchanged':
      return `what was kept of ${name} is what is current${as}`
    case 'discarded':
      return `${dryRun ? 'would discard' : 'discarded'} what was kept of ${name}`
    case 'kept':
      return file === null ? `still kept: ${shown(save.file)}` : `what is kept of ${name}: ${shown(file)}`
  }
}

export function saveJson({ save, outcome, revision, replaced }: SaveReport): JsonBody {
  const readable = 'problem' in save ? undefined : save
  return {
    name: save.name,
    kind: save.kind,
    id: readable?.id ?? null,
    at: readable?.at ?? null,
    bytes: readable?.bytes ?? null,
    parent: readable?.parent ?? null,
    writes: readable?.writes ?? [],
    file: save.file,
    problem: 'problem' in save ? save.problem.message : null,
    outcome,
    revision: revision ? revisionJson(revision) : null,
    replaced: replaced ? revisionJson(replaced) : null,
  }
}

type Compared = ComparedSave & { readonly snapshots?: SnapshotDiff }

/** What a save would change: by entry, member by member, or sizes and digests. */
export function comparedText({ current, type, body, digest, changes, snapshots }: Compared): string {
  if (changes === undefined) {
    const side = (mark: string, of: { type: string; bytes: number; digest: string }) =>
      `${mark} ${shown(of.type)}, ${byteCount(of.bytes)}, sha256 ${of.digest}\n`
    return (current ? side('-', current) : '') + side('+', { type, bytes: body.length, digest })
  }
  const entries = snapshots?.entries.map(entryChangeText) ?? []
  return [...entries, ...changes.map((change) => changeText(change))].join('')
}

export function comparedJson({ current, type, body, digest, equal, changes, snapshots }: Compared): JsonBody {
  return {
    current: current ? revisionJson(current) : null,
    type,
    bytes: body.length,
    digest,
    equal,
    changes: changes?.map(changeJson) ?? null,
    entries: snapshots?.entries.map((entry) => ({ ...entry, changes: entry.changes.map(changeJson) })) ?? null,
  }
}
