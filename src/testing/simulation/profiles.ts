import { FAIR, STORMY, type Weather } from './weather.ts'

/** A change or a reading, and how often it is chosen: by weight. */
export type Call =
  | 'commit'
  | 'commitAny'
  | 'update'
  | 'batch'
  | 'batchAny'
  | 'rollback'
  | 'label'
  | 'read'
  | 'readTwice'
  | 'revision'
  | 'history'
  | 'prune'
  | 'collect'
  | 'compact'
  /** The whole, as another program has it. */
  | 'push'
  | 'delete'
  | 'rotate'

export type Range = readonly [number, number]

/** Who takes part in a schedule, and what happens to them. Ranges are inclusive; chances are in [0, 1]. */
export interface Profile {
  readonly about: string
  readonly weather: Weather
  /** Acknowledged changes after which everybody comes to an end; at least 5 and at most 20 are made. */
  readonly commits: Range
  /** Processes that write without the lock, and what they do. */
  readonly writers: Range
  readonly calls: Partial<Record<Call, number>>
  /** Processes whose key is a recipient's at times, and at others is not. They begin nothing, and change no keys. */
  readonly guests: Range
  readonly guestCalls: Partial<Record<Call, number>>
  /** How often the document is a map, changed by keys. */
  readonly keyed: number
  /** How often a process has two keys, both of which it makes recipients. */
  readonly bothKeys: number
  /** Processes that write under the lock only. */
  readonly holders: Range
  readonly locks: 'table' | 'objects' | 'either'
  readonly leasesMs: readonly number[]
  readonly heartbeat: number
  /** Commits of one holder, and how long it thinks before each. */
  readonly work: Range
  readonly thinkMs: number
  /** How many of them are made at once. */
  readonly together: Range
  /** How long anybody waits between two calls, at most. */
  readonly pauseMs: number
  /** How long a holder waits for the lock, at most. */
  readonly waitMs: number
  /** Of contents that do not fit into the head. */
  readonly large: number
  /** How often a commit of a holder replaces whatever is there. */
  readonly parentAny: number
  /** How often a holder deletes the document instead of changing it. */
  readonly remove: number
  /** How often a holder does not wait for its last commit before it releases. */
  readonly impatient: number
  /** How often a holder leaves the lock as it is, to end with its lease. */
  readonly leave: number
  /** How long one request may take, in ms. */
  readonly attemptMs: number
  readonly readers: Range
  readonly keepers: Range
  readonly readerCalls: Partial<Record<Call, number>>
  readonly keeperCalls: Partial<Record<Call, number>>
  /** How long objects of pruned revisions stay for readers, in ms. */
  readonly graceMs: readonly number[]
  /** How often something happens to somebody: every so many ms on average; 0: never. */
  readonly troubleMs: number
  /** What it is, by weight. */
  readonly troubles: Partial<Record<Trouble, number>>
  /** How long somebody who is stopped stays so, from and to. */
  readonly stopMs: Range
  /** How far clocks are off and jump, in ms, either way. */
  readonly clocksMs: number
  /** When everybody comes to an end at the latest. */
  readonly horizonMs: number
}

export type Trouble = 'stop' | 'sleep' | 'freeze' | 'kill' | 'jump' | 'break' | 'lose' | 'restore'

const HOUR_MS = 3_600_000

/** Everybody at once, over a bad network. */
export const EVERYTHING: Profile = {
  about: 'writers with and without the lock, readers, collectors, changes of keys; every accident and every trouble',
  weather: STORMY,
  commits: [13, 17],
  writers: [0, 2],
  calls: {
    commit: 3,
    commitAny: 1,
    update: 3,
    batch: 10,
    rollback: 1,
    label: 0.5,
    read: 1,
    revision: 0.5,
    push: 1,
    delete: 0.4,
    rotate: 0.4,
  },
  guests: [0, 1],
  guestCalls: { commit: 1, commitAny: 1, update: 2, read: 1 },
  keyed: 0.15,
  bothKeys: 0.5,
  holders: [0, 2],
  locks: 'either',
  leasesMs: [3_000, 6_000, 12_000],
  heartbeat: 0.8,
  work: [0, 10],
  thinkMs: 1_200,
  together: [1, 5],
  pauseMs: 8_000,
  waitMs: 12_000,
  large: 0.05,
  parentAny: 0.3,
  remove: 0.05,
  impatient: 0.1,
  leave: 0.1,
  attemptMs: 4_000,
  readers: [0, 1],
  keepers: [0, 1],
  readerCalls: { read: 4, readTwice: 2, revision: 2, history: 1 },
  keeperCalls: { prune: 2, collect: 2, compact: 1, rotate: 1 },
  graceMs: [0, 600_000],
  troubleMs: 12_000,
  troubles: { stop: 3, sleep: 2, freeze: 3, kill: 2, jump: 2, break: 2, lose: 1, restore: 1 },
  stopMs: [0, 40_000],
  clocksMs: HOUR_MS,
  horizonMs: 240_000,
}

const QUIET: Partial<Profile> = {
  weather: FAIR,
  troubleMs: 0,
  readers: [0, 0],
  keepers: [0, 0],
  guests: [0, 0],
  clocksMs: 0,
  keyed: 0,
  bothKeys: 0,
  remove: 0,
  together: [1, 1],
}

export function profile(about: string, ...parts: readonly Partial<Profile>[]): Profile {
  return Object.assign({}, EVERYTHING, { about }, ...parts) as Profile
}

/** Writers without the lock, alone. */
export const WRITERS: Partial<Profile> = { ...QUIET, holders: [0, 0] }
/** Holders, alone, with a lock table. */
export const HOLDERS: Partial<Profile> = { ...QUIET, writers: [0, 0], locks: 'table' }
