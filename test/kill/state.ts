import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { VersionedDocument } from '../../src/index.ts'
import { contentOf, type Operation } from './script.ts'

/** A kept revision, as far as anybody was told. */
export interface KeptRevision {
  readonly number: number
  /** `undefined` while nobody has seen it. */
  readonly id: string | undefined
  readonly message: string
  readonly bytes: number
  readonly digest: string
  /** Id of the revision whose content it took over. */
  readonly from: string | undefined
}

/** Everything that a document says. */
export interface DocumentState {
  /** Oldest first; the last one is current. */
  readonly revisions: readonly KeptRevision[]
  readonly lastNumber: number
  /** Label → number. */
  readonly labels: Readonly<Record<string, number>>
}

export const NOTHING: DocumentState = { revisions: [], lastNumber: 0, labels: {} }

/** The state that follows when `operation` was done. @param id Of the revision that it added, as its writer was told. */
export function after(state: DocumentState, operation: Operation, id?: string): DocumentState {
  const { revisions, labels, lastNumber } = state
  const adding = (revision: Omit<KeptRevision, 'number' | 'id'>): DocumentState => {
    const number = lastNumber + 1
    return { labels, lastNumber: number, revisions: [...revisions, { number, id, ...revision }] }
  }
  switch (operation.do) {
    case 'commit': {
      const { message, bytes } = operation
      return adding({ message, bytes, digest: digestOf(contentOf(message, bytes)), from: undefined })
    }
    case 'rollback': {
      const target = revisions.find(({ number }) => number === operation.to)
      if (target === undefined) throw new Error(`the script goes back to @${operation.to}, which is not kept`)
      return adding({ message: operation.message, bytes: target.bytes, digest: target.digest, from: target.id })
    }
    case 'label':
      return { ...state, labels: { ...labels, [operation.label]: operation.to } }
    case 'prune': {
      const labelled = new Set(Object.values(labels))
      const kept = revisions.filter(
        ({ number }, index) => index >= revisions.length - operation.keepLast || labelled.has(number),
      )
      return { ...state, revisions: kept }
    }
    case 'collect':
      return state
  }
}

/** Reads everything that a document says. */
export async function stateOf(document: VersionedDocument<Uint8Array>): Promise<DocumentState> {
  const history = []
  for await (const revision of document.history()) history.unshift(revision)
  if (history.length === 0) return NOTHING
  const current = history.filter((revision) => revision.current).map(({ number }) => number)
  if (current.join() !== String(history.at(-1)?.number)) throw new Error(`current is ${current}, not the newest`)
  const numbers = new Map(history.map(({ id, number }) => [id, number]))
  if (numbers.size !== history.length) throw new Error('an id occurs twice in the history')
  const labels = Object.entries(await document.labels()).map(([label, id]) => [label, numbers.get(id)])
  return {
    revisions: history.map(({ number, id, message, bytes, digest, from }) => {
      return { number, id, message, bytes, digest, from }
    }),
    lastNumber: (await document.status()).lastNumber,
    labels: Object.fromEntries(labels),
  }
}

/** Whether `seen` is `expected`; an id that nobody was told may be any. */
export function agrees(seen: DocumentState, expected: DocumentState): boolean {
  const withIds = expected.revisions.map((revision, index) => ({
    ...revision,
    id: revision.id ?? seen.revisions[index]?.id,
  }))
  return isDeepStrictEqual(seen, { ...expected, revisions: withIds })
}

export function digestOf(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex')
}
