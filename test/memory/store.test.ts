import { expect, it } from 'vitest'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'

const HEAD = 'heads/state/shop/~'
const OBJECT = 'objects/state/shop/~/00000000000000000000000000000001'
const body = Buffer.from('a body')

it('each store has a bucket of its own unless one is shared', async () => {
  const bucket = new MemoryBucket()
  const [one, other, stranger] = [memoryStore({ bucket }), memoryStore({ bucket }), memoryStore()]
  const token = await one.put(HEAD, body, { ifAbsent: true })
  expect(await other.get(HEAD)).toEqual({ bytes: new Uint8Array(body), token })
  expect(await stranger.get(HEAD)).toBeUndefined()
  await one.close()
  expect(await other.get(HEAD, { unlessToken: token })).toBe('unchanged')
})

it('a bucket can be changed behind the store’s back, as tampering and restores do, and no token ever comes back', async () => {
  const bucket = new MemoryBucket()
  const store = memoryStore({ bucket })
  const token = await store.put(HEAD, body, { ifAbsent: true })
  const restored = bucket.overwrite(HEAD, bucket.peek(HEAD)!.bytes)
  expect(restored).not.toBe(token)
  await expect(store.put(HEAD, body, { ifMatch: token })).rejects.toMatchObject({ code: 'PreconditionFailed' })
  expect(bucket.keys()).toEqual([HEAD])
  bucket.remove(HEAD)
  expect(await store.get(HEAD)).toBeUndefined()
  await expect(store.put(HEAD, body, { ifMatch: restored })).rejects.toMatchObject({
    code: 'NotFound',
    details: { subject: 'object' },
  })
  expect([token, restored]).not.toContain(await store.put(HEAD, body, { ifAbsent: true }))
})

it('calls that cannot be right are InvalidInput', async () => {
  const store = memoryStore()
  const token = await store.put(OBJECT, body, { ifAbsent: true })
  const calls = [
    () => store.put(OBJECT, body, { ifMatch: token }),
    () => store.delete([HEAD]),
    () => store.delete(Array.from({ length: 1_001 }, () => OBJECT)),
    () => store.list('heads'),
    () => store.list('', { limit: 0 }),
  ]
  for (const call of calls) await expect(call()).rejects.toMatchObject({ code: 'InvalidInput' })
  expect(await store.get(OBJECT)).toMatchObject({ token })
})

it('wrong options are InvalidOptions and named', () => {
  const of = (options: unknown) => () => memoryStore(options as { maxBytes: number })
  expect(of({ maxBytes: 0 })).toThrow(
    expect.objectContaining({ code: 'InvalidOptions', message: expect.stringContaining('maxBytes') }),
  )
  expect(of({ maxByte: 5 })).toThrow(
    expect.objectContaining({ code: 'InvalidOptions', message: expect.stringContaining('maxByte') }),
  )
  expect(of({ bucket: {} })).toThrow(
    expect.objectContaining({ code: 'InvalidOptions', message: expect.stringContaining('bucket') }),
  )
  expect(memoryStore().capabilities.maxBytes).toBe(256 * 1024 * 1024)
})
