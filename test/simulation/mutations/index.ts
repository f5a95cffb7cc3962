import { COLLECTING } from './collecting.ts'
import { COMPACTING } from './compacting.ts'
import { HEAD } from './head.ts'
import { KEYS } from './keys.ts'
import { LOCK } from './lock.ts'
import type { Mutation } from './mutation.ts'

/** Every rule of the head, of collecting, of changes, of keys and of the lock, left out in turn. */
export const MUTATIONS: readonly Mutation[] = [...HEAD, ...COLLECTING, ...COMPACTING, ...KEYS, ...LOCK]
