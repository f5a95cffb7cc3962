import { describe } from 'vitest'
import { inMemory } from './arenas.ts'
import { zombieLives } from './zombie-lives.ts'

describe.each(inMemory)('zombies, with $name', zombieLives)
