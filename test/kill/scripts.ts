import type { Operation } from './script.ts'
import type { DocumentState } from './state.ts'

/** A kind of work: makes what one process has to do. `name` makes the messages of its revisions unlike all others. */
export type Work = (state: DocumentState, random: () => number, name: string) => readonly Operation[]

const SMALL = 300 // travels in the head
const LARGE = 12_000 // at least; is uploaded
const NEAR = 4 // revisions back that a script refers to; fewer than any prune leaves

const below = (random: () => number, count: number) => Math.floor(random() * count)

function commit(random: () => number, message: string, large: boolean): Operation {
  return { do: 'commit', message, bytes: large ? LARGE + below(random, 30_000) : SMALL }
}

function recent({ revisions }: DocumentState, random: () => number): number {
  return revisions.at(-1 - below(random, Math.min(NEAR, revisions.length)))!.number
}

function newestLarge({ revisions }: DocumentState): number {
  return revisions.findLast(({ bytes }) => bytes >= LARGE)!.number
}

export const push: Work = (_, random, name) => [
  commit(random, `${name}: first`, random() < 0.5),
  commit(random, `${name}: second`, random() < 0.5),
  commit(random, `${name}: third`, random() < 0.5),
]

const rollBack: Work = (state, random, name) => [
  { do: 'rollback', message: `${name}: back`, to: recent(state, random) },
  { do: 'label', label: `label-${below(random, 3)}`, to: recent(state, random) },
  { do: 'rollback', message: `${name}: back again`, to: recent(state, random) },
]

const collectGarbage: Work = (_, random, name) => [
  commit(random, `${name}: first`, true),
  commit(random, `${name}: second`, random() < 0.5),
  { do: 'prune', keepLast: 2 * NEAR + below(random, 4) },
  { do: 'collect' },
]

/** What processes do in turn. */
export const EVERYTHING: readonly Work[] = [push, rollBack, collectGarbage]

export const largeCommit: Work = (_, random, name) => [commit(random, name, true)]

/** The kinds of operation, each by itself; what garbage is comes from pruning. */
export const SINGLE: Readonly<Record<string, Work>> = {
  'commits small content': (_, random, name) => [commit(random, name, false)],
  'commits large content': largeCommit,
  'rolls back': (state, _, name) => [{ do: 'rollback', message: name, to: newestLarge(state) }],
  'sets a label': (state, random) => [{ do: 'label', label: 'set', to: recent(state, random) }],
  'prunes and collects garbage': (state) => [
    { do: 'prune', keepLast: Math.max(NEAR, state.revisions.length - 2) },
    { do: 'collect' },
  ],
}
