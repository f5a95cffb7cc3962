import { createHash } from 'node:crypto'
import { expect, it } from 'vitest'
import { accessTo } from '../../src/core/access.ts'
import { encodeDelta } from '../../src/core/delta.ts'
import { systemEnvironment } from '../../src/core/environment.ts'
import type { HeadBody } from '../../src/core/head-body.ts'
import { HeadWriter } from '../../src/core/head-writer.ts'
import { fromHex } from '../../src/core/header.ts'
import { ProcessMemory } from '../../src/core/memory.ts'
import { parseName } from '../../src/core/names.ts'
import type { RevisionRecord } from '../../src/core/record.ts'
import { DEFAULT_LIMITS } from '../../src/core/retry.ts'
import { makeSealer } from '../../src/encrypt/index.ts'
import { openStore } from '../../src/index.ts'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'
import { STORE_ID } from './workbench.ts'

/** Heads that say something false of chains, as only a defect or a holder of the key can write them. */

async function chain() {
  const bucket = new MemoryBucket()
  const open = () => openStore({ store: memoryStore({ bucket }), keys: 'plaintext', storeId: STORE_ID, memory: false })
  const doc = (await open()).keyed<string>('doc')
  const all = new Map(Array.from({ length: 60 }, (_, n) => [`key ${n}`, `${n}`.repeat(100)]))
  await doc.commit({ put: all }, { parent: 'none' })
  for (let n = 0; n < 4; n++) await doc.commit({ put: { [`key ${n}`]: 'changed' } }, { parent: 'any' })
  await doc.compact()
  await doc.commit({ put: { last: 'one' } }, { parent: 'any' })
  const sealer = makeSealer(['plaintext'], { salt: async () => new Uint8Array(16) })
  const parts = { store: memoryStore({ bucket }), sealer, environment: systemEnvironment, limits: DEFAULT_LIMITS }
  const access = accessTo(parseName('doc'), fromHex(STORE_ID), { ...parts, memory: new ProcessMemory() })
  return {
    report: async () => await (await open()).keyed<string>('doc').verify(),
    read: async () => (await (await open()).keyed<string>('doc').read())!.value,
    change: async (to: (body: HeadBody) => HeadBody) =>
      await new HeadWriter(access).submit({
        weight: 0,
        apply: async ({ body }) => ({ body: to(body), result: undefined }),
      }),
  }
}

/** Changes one record of the tail, by number. */
const record = (number: number, change: (record: RevisionRecord) => Partial<RevisionRecord>) => (body: HeadBody) => ({
  ...body,
  tail: body.tail.map((one) => (one.number === number ? { ...one, ...change(one) } : one)),
})
const current = (change: (record: RevisionRecord) => Partial<RevisionRecord>) => (body: HeadBody) => ({
  ...body,
  current: { ...body.current!, ...change(body.current!) },
})
const delta = (bytes: Uint8Array) => ({
  content: { inline: bytes },
  bytes: bytes.length,
  digest: createHash('sha256').update(bytes).digest('base64'),
})
const value = Buffer.from('"x"')

it.each<[string, (body: HeadBody) => HeadBody, RegExp, 'readable' | 'unreadable']>([
  ['nothing', (body) => body, /^$/, 'readable'],
  [
    'what it stands on is not kept',
    record(3, ({ base }) => ({ base: { ...base!, number: 77 } })),
    /stands on/,
    'readable',
  ],
  ['it stands on itself', current(({ base }) => ({ base: { ...base!, number: 6 } })), /stands on/, 'unreadable'],
  ['it stands on a later one', record(2, ({ base }) => ({ base: { ...base!, number: 4 } })), /stands on/, 'readable'],
  ['it stands on one of another type', record(5, () => ({ type: 'json' })), /stands on/, 'unreadable'],
  ['it stands on another one', record(4, ({ base }) => ({ base: { ...base!, number: 1 } })), /how far/, 'readable'],
  ['its way down is longer', current(({ base }) => ({ base: { ...base!, deltas: 2 } })), /how far/, 'readable'],
  ['its bytes are more', current(({ base }) => ({ base: { ...base!, bytes: 9 } })), /how far/, 'readable'],
  ['its root is another', current(({ base }) => ({ base: { ...base!, root: 1 } })), /how far/, 'readable'],
  ['it is no delta', current(() => delta(Buffer.from('{}'))), /change|how far/, 'unreadable'],
  [
    'it does not fit',
    current(() => delta(encodeDelta({ delete: [], put: [{ key: 'a', bytes: value, behind: 'b' }] }))),
    /fit|how far/,
    'unreadable',
  ],
  ['its bytes are others', current(() => ({ digest: 'x' })), /digest/, 'readable'],
  [
    'the whole is of another revision',
    record(5, ({ full }) => ({ full: { ...full!, digest: createHash('sha256').update('x').digest('base64') } })),
    /digest|whole/,
    'readable',
  ],
  [
    'the whole is not what its change makes',
    record(5, ({ base }) => {
      const other = delta(encodeDelta({ delete: ['key 9'], put: [] }))
      return { ...other, base: { ...base!, bytes: base!.bytes } }
    }),
    /whole|how far/,
    'readable',
  ],
])('verify finds that of a chain %s is false', async (_, change, message, state) => {
  const { report, read, change: write } = await chain()
  await write(change)
  const { ok, problems } = await report()
  expect(ok).toBe(message.test(''))
  if (!ok) expect(problems[0]).toMatchObject({ code: 'Corrupt', message: expect.stringMatching(message) })
  if (state === 'readable') expect((await read()).get('last')).toBe('one')
  else await expect(read()).rejects.toMatchObject({ code: 'Corrupt' })
})
