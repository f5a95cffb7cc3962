import { describe, it } from 'vitest'
import { onServices } from './arenas.ts'
import { troubledLives } from './trouble.ts'

// Five at a time: each has servers and a world of its own, and spends its time waiting for answers.
describe.each(onServices)('with $name', (kind) => {
  for (const { name, live } of troubledLives(kind)) it.concurrent(name, live)
})
