import { describe } from 'vitest'
import { onServices } from './arenas.ts'
import { zombieLives } from './zombie-lives.ts'

describe.each(onServices)('zombies, with $name', zombieLives)
