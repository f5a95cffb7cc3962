import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { StaticKeyProvider } from '../../src/encrypt/index.ts'
import { fileStore } from '../../src/file/index.ts'
import { type ErrorCode, json, type ObjectStore, openStore, type VersionedDocument } from '../../src/index.ts'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'
import { countingStore, faultyStore } from '../../src/testing/index.ts'
import { Random } from './random.ts'
import { failure, HEAD } from './workbench.ts'

/** What may be wrong with a place, each told apart, and never taken for "there is nothing here". */

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keelstate-refusals-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const keyNumber = (n: number) =>
  new StaticKeyProvider({ address: `env:KEY_${n}`, key: async () => new Random(n).bytes(32) })

/** A bucket with a store and one document in it, sealed with key 1. */
async function lived(): Promise<MemoryBucket> {
  const bucket = new MemoryBucket()
  const store = await openStore({ store: memoryStore({ bucket }), keys: keyNumber(1), memory: false })
  await store.init()
  await store.document('doc', json<string>()).commit('there', { parent: 'none' })
  await store.document('other', json<string>()).commit('other', { parent: 'none' })
  return bucket
}

const denying = (bucket: MemoryBucket, status: number, code: string): ObjectStore => {
  const store = faultyStore(memoryStore({ bucket }))
  store.faults.add({ times: Number.POSITIVE_INFINITY }, { do: 'status', status, code })
  return store
}
const withHead = async (change: (head: Uint8Array, bucket: MemoryBucket) => Uint8Array) => {
  const bucket = await lived()
  bucket.overwrite(HEAD, change(Uint8Array.from(bucket.peek(HEAD)!.bytes), bucket))
  return memoryStore({ bucket })
}

interface Wrong {
  code: ErrorCode
  /** What the error says about itself. */
  says: RegExp
  details?: object
  place: () => Promise<ObjectStore>
  key?: number | 'plaintext'
}

const WRONG: Record<string, Wrong> = {
  'the bucket does not exist': {
    code: 'BucketMissing',
    says: /./,
    place: async () => denying(await lived(), 404, 'NoSuchBucket'),
  },
  'the folder does not exist': {
    code: 'BucketMissing',
    says: /folder|does not exist/i,
    place: async () => fileStore({ root: join(folder, 'missing') }),
  },
  'nobody made a store there': {
    code: 'NotFound',
    says: /no keelstate store/,
    details: { subject: 'store' },
    place: async () => {
      const store = fileStore({ root: join(folder, 'empty') })
      await store.prepare()
      return store
    },
  },
  'there is no permission': {
    code: 'AccessDenied',
    says: /./,
    place: async () => denying(await lived(), 403, 'AccessDenied'),
  },
  'the credentials are not known': {
    code: 'Unauthenticated',
    says: /./,
    place: async () => denying(await lived(), 401, 'InvalidToken'),
  },
  'the head is empty': {
    code: 'Corrupt',
    says: /is empty/,
    details: { differs: 'length' },
    place: () => withHead(() => new Uint8Array(0)),
  },
  'the head is something else': {
    code: 'Corrupt',
    says: /not written by keelstate/,
    details: { differs: 'magic' },
    place: () => withHead(() => Buffer.from('{"version":4,"terraform_version":"1.9.0"}')),
  },
  'the head is that of another document': {
    code: 'Corrupt',
    says: /another document/,
    details: { differs: 'name' },
    place: () => withHead((_, bucket) => bucket.peek('heads/state/other/~')!.bytes),
  },
  'the head is that of another store': {
    code: 'Corrupt',
    says: /another store/,
    details: { differs: 'storeId' },
    place: async () => {
      const foreign = (await lived()).peek(HEAD)!.bytes
      return await withHead(() => foreign)
    },
  },
  'the head is of a newer format': {
    code: 'Unsupported',
    says: /format version 2.*version 1/,
    place: () =>
      withHead((head) => {
        head[4] = 2
        return head
      }),
  },
  'the head was cut short': {
    code: 'Corrupt',
    says: /cut short|ends/,
    place: () => withHead((head) => head.subarray(0, -1)),
  },
  'the key is another one': {
    code: 'DecryptFailed',
    says: /cannot be opened/,
    details: { differs: 'recipients' },
    place: async () => memoryStore({ bucket: await lived() }),
    key: 2,
  },
  'no key is configured for what is encrypted': {
    code: 'DecryptFailed',
    says: /is encrypted/,
    details: { differs: 'suite' },
    place: async () => memoryStore({ bucket: await lived() }),
    key: 'plaintext',
  },
  'keys are configured for what is not encrypted': {
    code: 'Corrupt',
    says: /not encrypted although keys are configured/,
    details: { differs: 'suite' },
    place: async () => {
      const bucket = await lived()
      const open = await openStore({ store: memoryStore({ bucket }), keys: 'plaintext', memory: false })
      bucket.remove(HEAD)
      await open.document('doc', json()).commit('clear', { parent: 'none' })
      return memoryStore({ bucket })
    },
  },
  'the marker is empty': {
    code: 'Corrupt',
    says: /store is empty/,
    place: async () => {
      const bucket = await lived()
      bucket.overwrite('store', new Uint8Array(0))
      return memoryStore({ bucket })
    },
  },
  'the marker is of a newer format': {
    code: 'Unsupported',
    says: /keelstate-store\/2/,
    place: async () => {
      const bucket = await lived()
      bucket.overwrite('store', Buffer.from('{"format":"keelstate-store/2"}'))
      return memoryStore({ bucket })
    },
  },
}

const CALLS: Record<string, (doc: VersionedDocument<string>) => Promise<unknown>> = {
  read: (doc) => doc.read(),
  revision: (doc) => doc.revision('current'),
  history: (doc) => doc.history().next(),
  status: (doc) => doc.status(),
  'commit on nothing': (doc) => doc.commit('x', { parent: 'none' }),
  'commit on anything': (doc) => doc.commit('x'.repeat(20_000), { parent: 'any' }),
  update: (doc) => doc.update((now) => `${now}x`),
  add: (doc) => doc.add('x'),
  label: (doc) => doc.label('v1', 'current'),
  unlabel: (doc) => doc.unlabel('v1'),
  rollback: (doc) => doc.rollback('@1'),
  setCurrent: (doc) => doc.setCurrent('@1'),
  delete: (doc) => doc.delete(),
  prune: (doc) => doc.prune({ keepLast: 1 }),
  drop: (doc) => doc.drop(['x']),
  outcome: (doc) => doc.outcome(`${'00'.repeat(16)}@1`),
}

describe.each(Object.entries(WRONG))('where %s', (_, { code, says, details, place, key }) => {
  it(`every call ends in ${code}, and nothing is written`, async () => {
    const inner = await place()
    for (const [name, call] of Object.entries(CALLS)) {
      const counted = countingStore(inner)
      const keys = key === 'plaintext' ? 'plaintext' : keyNumber(key ?? 1)
      // A memory store makes itself; one that is damaged or denied must not be made anew either.
      const store = await openStore({ store: counted, keys, memory: false })
      const error = await failure(call(store.document('doc', json<string>())))
      expect({ name, code: error.code, message: error.message }).toMatchObject({
        name,
        code,
        message: expect.stringMatching(says),
      })
      if (details !== undefined) expect(error.details).toMatchObject(details)
      const stored = counted.requests.filter(({ call, outcome }) => call === 'put' && outcome === 'stored')
      expect(stored, name).toEqual([])
      expect(counted.requests.filter(({ call }) => call === 'delete')).toEqual([])
    }
  })
})

describe('a listing', () => {
  it('says which heads it could not read, and lists the others', async () => {
    const bucket = await lived()
    bucket.overwrite(HEAD, new Uint8Array(0))
    bucket.overwrite('heads/state/newer/~', Buffer.from('KEEL\u0002\u0001\u0002\u0012'))
    bucket.overwrite('heads/state/stray', Buffer.from('not a head at all'))
    const store = await openStore({ store: memoryStore({ bucket }), keys: keyNumber(2), memory: false })
    const seen: unknown[] = []
    for await (const one of store.list()) seen.push(one)
    expect(seen).toMatchObject([
      { name: 'doc', problem: { code: 'Corrupt' } },
      { name: 'newer', problem: { code: 'Unsupported' } },
      { name: 'other', hasCurrent: true, recipients: [{ provider: 'static' }] },
    ])
  })

  it('of a place that is not there or not allowed is an error, not an empty list', async () => {
    for (const [status, serviceCode, code] of [
      [404, 'NoSuchBucket', 'BucketMissing'],
      [403, 'AccessDenied', 'AccessDenied'],
    ] as const) {
      const store = await openStore({
        store: denying(new MemoryBucket(), status, serviceCode),
        keys: 'plaintext',
        storeId: '00'.repeat(16),
        memory: false,
      })
      expect(await failure(store.list().next())).toMatchObject({ code })
    }
  })
})
