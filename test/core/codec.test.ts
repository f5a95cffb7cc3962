import { describe, expect, it } from 'vitest'
import { bytes, json, openStore } from '../../src/index.ts'
import { memoryStore } from '../../src/memory/index.ts'

const store = () => openStore({ store: memoryStore(), keys: 'plaintext' })

describe('json()', () => {
  it('keeps what JSON can say', async () => {
    const codec = json<unknown>()
    for (const value of [null, 0, -1.5, '', 'é😀\u0000', [], {}, { a: [1, { b: null }] }, '\ud800']) {
      expect(await codec.decode(await codec.encode(value), 'json')).toEqual(value)
    }
  })

  it.each([
    ['undefined', undefined],
    ['a function', () => 1],
    ['a bigint', 1n],
    [
      'a cycle',
      (() => {
        const self: Record<string, unknown> = {}
        self.self = self
        return self
      })(),
    ],
  ])('refuses %s, and nothing is written', async (_, value) => {
    const doc = (await store()).document('doc', json<unknown>())
    await expect(doc.commit(value, { parent: 'none' })).rejects.toMatchObject({ code: 'InvalidInput' })
    await expect(doc.update(() => value)).rejects.toMatchObject({ code: 'InvalidInput' })
    expect(await doc.read()).toBeUndefined()
    await expect(doc.status()).rejects.toMatchObject({ code: 'NotFound' })
  })

  it('says so when a revision is not JSON', async () => {
    const place = await store()
    await place.document('doc', bytes('text/plain')).commit(Buffer.from('hello'), { parent: 'none' })
    await expect(place.document('doc', json()).read()).rejects.toMatchObject({
      code: 'InvalidInput',
      message: expect.stringContaining('"text/plain"'),
    })
  })
})

describe('bytes()', () => {
  it('stores what it was given when it was given it, and hands out copies', async () => {
    const doc = (await store()).document('doc', bytes())
    for (const size of [10, 20_000]) {
      const given = new Uint8Array(size).fill(1)
      const commit = doc.commit(given, { parent: 'any' })
      given.fill(2)
      await commit
      const first = (await doc.read())!.value
      expect(first).toEqual(new Uint8Array(size).fill(1))
      first.fill(3)
      expect((await doc.read())!.value).toEqual(new Uint8Array(size).fill(1))
    }
  })

  it('records the media type with each revision', async () => {
    const place = await store()
    const doc = place.document('doc', bytes('image/png'))
    expect(await doc.commit(Buffer.of(1), { parent: 'none' })).toMatchObject({ type: 'image/png', bytes: 1 })
    expect(await doc.commit(Buffer.of(1), { parent: 'any', type: 'x' })).toMatchObject({ type: 'x' })
    expect(await place.document('doc', bytes()).commit(Buffer.of(), { parent: 'any' })).toMatchObject({
      type: 'bytes',
      bytes: 0,
    })
    const types = []
    for await (const { type } of doc.history()) types.push(type)
    expect(types).toEqual(['bytes', 'x', 'image/png'])
  })

  it('never re-encodes: what is rolled back to is the same bytes under the same type', async () => {
    const place = await store()
    const text = '{ "a" : 1.0 }\n'
    await place.document('doc', bytes('json')).commit(Buffer.from(text), { parent: 'none' })
    const doc = place.document('doc', json<{ a: number }>())
    await doc.commit({ a: 2 }, { parent: 'any' })
    await doc.rollback('@1')
    const current = (await place.document('doc', bytes()).read())!
    expect(Buffer.from(current.value).toString()).toBe(text)
    expect(current).toMatchObject({ type: 'json', number: 3 })
  })
})
