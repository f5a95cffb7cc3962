import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { json } from '../../src/core/codec.ts'
import type { VersionedDocument } from '../../src/core/document.ts'
import { gcsStore } from '../../src/gcs/index.ts'
import { openStore } from '../../src/index.ts'
import { type GcsServer, startGcsServer } from '../../src/testing/index.ts'

const STORE_ID = '5afe57a7e0f0d0c0ffee0123456789ab'
const NAME = 'crowded'

let server: GcsServer
const closing: (() => Promise<void>)[] = []

beforeEach(async () => {
  server = await startGcsServer({ oneWriteASecond: true })
  server.createBucket('state')
})
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
  await server.close()
})

/** A process of its own, as far as the mechanism can tell. */
async function openDocument(): Promise<VersionedDocument<string[]>> {
  const driver = gcsStore({ ...server.clientConfig, conditionalWrites: 'trusted', bucket: 'state' })
  const store = await openStore({ store: driver, keys: 'plaintext', storeId: STORE_ID, memory: false })
  closing.push(() => store.close())
  return store.document(NAME, json<string[]>())
}

/** Updates one after the other, by each of so many writers at once. */
async function crowd(documents: readonly VersionedDocument<string[]>[], writers: number, updates: number) {
  const started = Date.now()
  const names = documents.flatMap((_, at) => Array.from({ length: writers }, (_, n) => `${at}.${n}`))
  await Promise.all(
    names.map(async (name, at) => {
      const document = documents[at % documents.length]!
      for (let n = 0; n < updates; n += 1) await document.update((now) => [...(now ?? []), `${name}.${n}`])
    }),
  )
  const expected = names.flatMap((name) => Array.from({ length: updates }, (_, n) => `${name}.${n}`))
  return { expected, seconds: (Date.now() - started) / 1_000 }
}

const headWrites = () =>
  server.requests.filter(({ operation, key }) => operation === 'PutObject' && key.includes('heads/'))

async function expectNothingLost(expected: readonly string[]): Promise<void> {
  const reader = await openDocument()
  const now = await reader.read()
  expect([...(now?.value ?? [])].sort()).toEqual([...expected].sort())
  expect(now?.number).toBe(expected.length)
  expect(await reader.verify()).toMatchObject({ ok: true, revisions: expected.length, problems: [] })
}

describe('one write a second of each object', () => {
  it('is enough for four writers in one process: no error, nothing lost, several revisions a second', async () => {
    const { expected, seconds } = await crowd([await openDocument()], 4, 8)
    await expectNothingLost(expected)
    expect(headWrites().filter(({ status }) => status === 429).length).toBeGreaterThan(0)
    expect(expected.length / seconds).toBeGreaterThan(1)
  })

  it('is enough for four stores on one head: no error, nothing lost, more than one revision a second', async () => {
    const documents = await Promise.all([1, 2, 3, 4].map(openDocument))
    const { expected, seconds } = await crowd(documents, 4, 3)
    await expectNothingLost(expected)
    expect(headWrites().filter(({ status }) => status === 429).length).toBeGreaterThan(0)
    expect(expected.length / seconds).toBeGreaterThan(1)
  })

  it('lets a lock go from hand to hand within 2.5 s, also when it was taken and given back at once', async () => {
    const [first, second] = [await openDocument(), await openDocument()]
    await first.commit(['0'], { parent: 'none' })
    let released = 0
    const holding = first.withLock({ operation: 'first' }, async (held) => {
      await held.commit(['1'])
      await new Promise((resolve) => setTimeout(resolve, 1_500))
    })
    await new Promise((resolve) => setTimeout(resolve, 500))
    const taken = second.withLock({ operation: 'second', waitMs: 20_000 }, async (held) => {
      const at = Date.now()
      expect(held.current?.value).toEqual(['1'])
      return at
    })
    await holding.then(() => {
      released = Date.now()
    })
    expect((await taken) - released).toBeLessThan(2_500)
    const third = await openDocument()
    await third.withLock({ operation: 'third', waitMs: 20_000 }, async (held) => void (await held.commit(['2'])))
    expect((await first.read())?.value).toEqual(['2'])
  })
})
