import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { MUTATIONS } from './mutations/index.ts'

/** Who changes a line that a mutation takes out of the code changes the mutation with it. */
describe('the mutations of the simulation', () => {
  it.each(MUTATIONS.map(({ name, patches }) => [name, patches] as const))(
    'find each line that they change once: %s',
    async (_, patches) => {
      for (const { file, from, to } of patches) {
        const source = await readFile(new URL(`../../src/${file}`, import.meta.url), 'utf8')
        expect(source.split(from), `src/${file}: ${from}`).toHaveLength(2)
        expect(to).not.toBe(from)
      }
    },
  )

  it('have names and profiles of their own', () => {
    expect(new Set(MUTATIONS.map(({ name }) => name)).size).toBe(MUTATIONS.length)
    for (const { within } of MUTATIONS) expect(within).toBeLessThanOrEqual(500)
  })
})
