import { COLLECTING } from './collecting.ts'
import { HEAD } from './head.ts'
import { LOCK } from './lock.ts'
import type { Mutation } from './mutation.ts'

/** Every rule of the head, of collecting and of the lock, left out in turn. */
export const MUTATIONS: readonly Mutation[] = [...HEAD, ...COLLECTING, ...LOCK]
