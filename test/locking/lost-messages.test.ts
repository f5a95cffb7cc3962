import { describe, it } from 'vitest'
import { inMemory } from './arenas.ts'
import { troubledLives } from './trouble.ts'

describe.each(inMemory)('with $name', (kind) => {
  for (const { name, live } of troubledLives(kind)) it(name, live)
})
