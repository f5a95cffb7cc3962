import { expect, it } from 'vitest'
import { revisionLine } from '../../src/cli/revisions.ts'
import type { RevisionInfo } from '../../src/index.ts'

const made = { number: 3, by: 'ci@build', labels: [], current: true } as unknown as RevisionInfo

it('a revision named by its own time shows that time once, however the name was rounded', () => {
  const line = (id: string, at: string): string => revisionLine({ ...made, id, at })
  expect(line('2026-05-30T12:00:00.23Z', '2026-05-30T12:00:00.230Z')).toBe('@3 2026-05-30T12:00:00.23Z by ci@build')
  expect(line('2026-05-30T12:00:00.229Z', '2026-05-30T12:00:00.230Z')).toBe('@3 2026-05-30T12:00:00.229Z by ci@build')
})

it('a revision named by another time, or not by a time, shows when it was made', () => {
  const at = '2026-05-30T12:00:00.230Z'
  expect(revisionLine({ ...made, id: '2026-05-29T12:00:00Z', at })).toContain(`by ci@build at ${at}`)
  expect(revisionLine({ ...made, id: '01J8ZK4M0000000000000000VZ', at })).toContain(`by ci@build at ${at}`)
})
