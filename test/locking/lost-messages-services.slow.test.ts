import { describe, it } from 'vitest'
import { onServices } from './arenas.ts'
import { troubledLives } from './trouble.ts'

describe.each(onServices)('with $name', (kind) => {
  for (const { name, live } of troubledLives(kind)) it(name, live)
})
