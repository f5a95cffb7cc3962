import { describe, expect, it } from 'vitest'
import { inspectGcs } from '../../src/gcs/inspect.ts'
import { parseGcsStoreOptions } from '../../src/gcs/options.ts'

/** How the rule to delete on a condition is judged, in a bucket that answers nothing else. */
async function judged(condition: object): Promise<string | undefined> {
  const rule = [{ action: { type: 'Delete' }, condition }]
  const findings = inspectGcs(parseGcsStoreOptions({ bucket: 'state' }), {
    ask: async (question) => ({ answer: question === 'bucket' ? { lifecycle: { rule } } : {}, date: undefined }),
    upload: async () => {
      throw Object.assign(new Error('The hash does not fit.'), { code: 400 })
    },
    remove: async () => {},
  })
  for await (const { check, verdict } of findings) if (check === 'lifecycle') return verdict
  return undefined
}

describe('a lifecycle rule that deletes, in a bucket with a store at its root', () => {
  it.each([
    { age: 1 },
    { age: 1, matchesPrefix: ['logs/', 'heads/'] },
    { age: 1, matchesSuffix: ['.tmp', '/~'] },
    { age: 1, matchesSuffix: ['e'] },
    { age: 1, matchesPrefix: ['objects/'], matchesSuffix: ['00'] },
  ])('is unsafe when it may hit what is in use: %j', async (condition) => {
    expect(await judged(condition)).toBe('unsafe')
  })

  it.each([
    { age: 1, matchesPrefix: ['logs/'] },
    { age: 1, matchesSuffix: ['.tmp', 'backup/x.gz'] },
    { daysSinceCustomTime: 30 },
    { customTimeBefore: '2026-01-01' },
    { age: 1, isLive: false },
  ])('is fine when it cannot: %j', async (condition) => {
    expect(await judged(condition)).toBe('ok')
  })
})
