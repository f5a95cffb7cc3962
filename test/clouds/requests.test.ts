import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { KeelstateError } from '../../src/core/errors.ts'
import { ABSENT, gcsBench, HEAD, OBJECT, s3Bench } from './bench.ts'

const DRIVERS = [
  {
    name: 'S3',
    bench: s3Bench(),
    listing: ['ListObjectsV2 200'],
    deletion: ['DeleteObjects 200'], // of all keys
    otherToken: '"x"',
    connections: 1,
  },
  {
    name: 'Google Cloud Storage',
    bench: gcsBench(),
    listing: ['ListObjects 200'],
    deletion: ['DeleteObject 404', 'DeleteObject 404'], // one a key
    otherToken: '1',
    connections: 2,
  },
]

describe.each(DRIVERS)('$name', ({ bench, listing, deletion, otherToken, connections }) => {
  beforeEach(() => bench.start())
  afterEach(() => bench.stop())

  describe('what a call sends', () => {
    it('is one request each, and nothing for opening, closing or an empty deletion', async () => {
      const store = bench.open()
      await store.delete([])
      expect(bench.server.requests).toEqual([])
      const token = await store.put(HEAD, Buffer.from('1'), ABSENT)
      const next = await store.put(HEAD, Buffer.from('2'), { ifMatch: token })
      await store.get(HEAD)
      await store.get(HEAD, { unlessToken: next })
      await store.get('heads/state/absent/~')
      await store.list('heads/')
      await store.delete([OBJECT, 'objects/state/doc/~/2'])
      await store.close()
      expect(bench.server.requests.map(({ operation, status }) => `${operation} ${status}`)).toEqual([
        'PutObject 200',
        'PutObject 200',
        'GetObject 200',
        'GetObject 304',
        'GetObject 404',
        ...listing,
        ...deletion,
      ])
      expect(bench.server.connectionCount).toBeLessThanOrEqual(connections)
    })

    it('may be many at once without a warning about listeners', async () => {
      const warnings: Error[] = []
      const onWarning = (warning: Error) => warnings.push(warning)
      process.on('warning', onWarning)
      const store = bench.open()
      await Promise.all(Array.from({ length: 60 }, (_, n) => store.put(`heads/state/${n}/~`, Buffer.from('1'), ABSENT)))
      await new Promise((resolve) => setImmediate(resolve))
      process.off('warning', onWarning)
      expect(warnings).toEqual([])
    })
  })

  describe('names', () => {
    it('lie below the prefix, and listings show what lies there and nothing beside it', async () => {
      const store = bench.open({ prefix: 'team a/prod' })
      await store.put(HEAD, Buffer.from('123'), ABSENT)
      bench.server.bucket('state').put('team a/prod2/heads/x', Buffer.from(''))
      bench.server.bucket('state').put('team a/other', Buffer.from(''))
      expect(bench.server.bucket('state').keys()).toContain(`team a/prod/${HEAD}`)
      expect(await store.list('')).toEqual({ objects: [{ key: HEAD, size: 3 }] })
    })

    it('of what is moved are not deleted, and what is immutable is not replaced', async () => {
      const store = bench.open()
      const refused = async (call: Promise<unknown>) =>
        expect(KeelstateError.is(await call.catch((error) => error), 'InvalidInput')).toBe(true)
      await refused(store.delete([OBJECT, HEAD]))
      await refused(store.put(OBJECT, Buffer.from('1'), { ifMatch: otherToken }))
      await refused(store.delete(Array.from({ length: 1001 }, () => OBJECT)))
      await refused(store.list('heads'))
      await refused(store.list('', { limit: 0 }))
      expect(bench.server.requests).toEqual([])
    })
  })
})
