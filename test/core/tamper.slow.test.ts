import { randomBytes } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { decodeHeader } from '../../src/core/header.ts'
import { StaticKeyProvider } from '../../src/encrypt/index.ts'
import {
  bytes,
  KeelstateError,
  type ObjectStore,
  openStore,
  type Store,
  type VersionedDocument,
} from '../../src/index.ts'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'
import { clouds, PREFIX } from '../clouds.ts'
import { count, reportCounts } from '../counts.ts'
import { Random } from './random.ts'

/** What is stored, changed in every way that somebody with access to the bucket can think of, and read by a process that has the key. */

const COUNT = count(10_000, 1_000)
const ON_CLOUDS = count(500, 40)
reportCounts(
  import.meta.filename,
  { 'changes of stored bytes': COUNT, 'in a bucket of each cloud': ON_CLOUDS },
  '3, 5, 4711, 4712',
)
const REVISIONS = 290 // enough for an index of segments
const key = randomBytes(32)
const keys = () => [new StaticKeyProvider({ address: 'env:KEY', key: async () => key })]
const content = (name: string, n: number) => {
  const large = n % (name === 'shop/test' ? 1 : 29) === 0
  return Buffer.from(`${name} ${n} `.repeat(3 + (n % 7)) + (large ? randomBytes(9_000).toString('base64') : ''))
}

type Doc = VersionedDocument<Uint8Array>
type Stored = Map<string, Uint8Array>

/** A store with two documents of some history, one of another kind, and what each revision holds. */
interface World {
  stored: Stored
  /** Heads as they were before, oldest first. */
  past: Map<string, Uint8Array[]>
  values: Map<string, Map<number, Buffer>>
}

const DOCUMENTS = ['shop/prod', 'shop/test', 'ledger:main'] as const
const headOf: Record<string, string> = {
  'shop/prod': 'heads/state/shop/prod/~',
  'shop/test': 'heads/state/shop/test/~',
  'ledger:main': 'heads/ledger/main/~',
}

function open(bucket: MemoryBucket): Promise<Store> {
  return openOn(memoryStore({ bucket }))
}

async function openOn(store: ObjectStore): Promise<Store> {
  return await openStore({ store, keys: keys(), memory: false, cache: false, by: 'me' })
}

async function makeWorld(): Promise<World> {
  const bucket = new MemoryBucket()
  const store = await open(bucket)
  await store.init()
  const past: World['past'] = new Map()
  const values: World['values'] = new Map()
  for (const name of DOCUMENTS) {
    const doc = store.document(name, bytes())
    const heads: Uint8Array[] = []
    const own = new Map<number, Buffer>()
    for (let n = 1; n <= (name === 'shop/prod' ? REVISIONS : 60); n++) {
      own.set(n, content(name, n))
      await doc.commit(own.get(n)!, { parent: 'any', message: `revision ${n}` })
      if (n % 10 === 0) heads.push(Uint8Array.from(bucket.peek(headOf[name]!)!.bytes))
    }
    await doc.label('first', '@29')
    if (name === 'shop/test') {
      await doc.prune({ keepLast: 3 }) // so many contents are condemned that their list is an object of its own
    }
    past.set(name, heads)
    values.set(name, own)
  }
  const stored: Stored = new Map(bucket.keys().map((at) => [at, Uint8Array.from(bucket.peek(at)!.bytes)]))
  return { stored, past, values }
}

function bucketOf(stored: Stored): MemoryBucket {
  const bucket = new MemoryBucket()
  for (const [at, body] of stored) bucket.overwrite(at, body)
  return bucket
}

const SAYS = ['Corrupt', 'DecryptFailed', 'RolledBack', 'Unsupported', 'NotFound'] as const

let world: World
let foreign: World
/** Key of an object → a call that needs it. */
const needs = new Map<string, { name: string; read: (doc: Doc) => Promise<void> }>()

/** Finds out which call needs which object, by taking each away. */
async function learn(): Promise<void> {
  for (const [at] of world.stored) {
    if (at === 'store') continue
    const name = DOCUMENTS.find((one) => at.includes(`/${one.replace('ledger:', '')}/`))!
    const values = world.values.get(name)!
    if (at.startsWith('heads/')) {
      needs.set(at, {
        name,
        read: async (doc) => expectValue((await doc.read())!.value, values.get(Math.max(...values.keys()))!),
      })
      continue
    }
    const bucket = bucketOf(world.stored)
    bucket.remove(at)
    const doc = (await open(bucket)).document(name, bytes())
    for (const number of values.keys()) {
      const failed = await doc.revision(`@${number}`).then(
        () => false,
        (error: unknown) => KeelstateError.is(error, 'Corrupt'),
      )
      if (!failed) continue
      needs.set(at, {
        name,
        read: async (one) => expectValue((await one.revision(`@${number}`)).value, values.get(number)!),
      })
      break
    }
    // A list of what is condemned is needed by nobody but the collector.
    if (
      !needs.has(at) &&
      (await doc.collect({ dryRun: true }).then(
        () => false,
        () => true,
      ))
    ) {
      needs.set(at, { name, read: async (one) => void (await one.collect({ dryRun: true })) })
    }
  }
}

function roleOf(stored: Uint8Array): string {
  const { header } = decodeHeader(stored, 'a test')
  return header.type === 'head' ? 'head' : header.role
}

function expectValue(actual: Uint8Array, expected: Uint8Array): void {
  expect(Buffer.compare(actual, expected), 'a read that succeeds gives the right bytes').toBe(0)
}

beforeAll(async () => {
  world = await makeWorld()
  foreign = await makeWorld()
  await learn()
})

const CHANGES: Record<string, (body: Uint8Array, random: Random, at: string) => Uint8Array> = {
  'a flipped bit': (body, random) => {
    const out = Uint8Array.from(body)
    out[random.below(out.length)]! ^= 1 << random.below(8)
    return out
  },
  'a changed byte in its header': (body, random) => {
    const out = Uint8Array.from(body)
    out[random.below(Math.min(out.length, 100))] = random.below(256)
    return out
  },
  'a cut end': (body, random) => body.subarray(0, random.below(body.length)),
  'nothing left': () => new Uint8Array(0),
  'more at its end': (body, random) => Buffer.concat([body, random.bytes(1 + random.below(40))]),
  'a piece left out': (body, random) => {
    const from = random.below(body.length)
    return Buffer.concat([body.subarray(0, from), body.subarray(from + 1 + random.below(64))])
  },
  'a piece written twice': (body, random) => {
    const from = random.below(body.length)
    const piece = body.subarray(from, from + 1 + random.below(64))
    return Buffer.concat([body.subarray(0, from), piece, body.subarray(from)])
  },
  'another object of the store in its place': (_, random) => random.pick([...world.stored.values()]),
  'the same object of another store': (_, random, at) => {
    const kind = at.split('/')[0]!
    return random.pick([...foreign.stored].filter(([other]) => other.startsWith(kind)))[1]
  },
  'noise of the same length': (body, random) => random.bytes(body.length),
  'something else altogether': (_, random) =>
    Buffer.from(random.pick(['{}', '<html></html>', 'KEEL', 'KEEL\u0001', 'KEEL\u0002\u0001\u0002\u0012', '\u0000'])),
}

describe(`${COUNT} changes of stored bytes`, () => {
  it('each end in an error that says what it is about; never in wrong bytes, and never in "there is nothing"', async () => {
    const random = new Random(4_711)
    const targets = [...needs]
    const roles = new Set(targets.map(([at]) => roleOf(world.stored.get(at)!)))
    expect(roles).toEqual(new Set(['head', 'content', 'segment', 'index', 'condemned']))
    const told = new Map<string, number>()
    for (let n = 0; n < COUNT; n++) {
      const [at, { name, read }] =
        random.below(3) === 0 ? random.pick(targets.filter(([key]) => key.startsWith('heads/'))) : random.pick(targets)
      const change = random.pick(Object.keys(CHANGES))
      const before = world.stored.get(at)!
      const after = CHANGES[change]!(before, random, at)
      if (Buffer.compare(before, after) === 0) continue
      const bucket = bucketOf(new Map([...world.stored, [at, after]]))
      const doc = (await open(bucket)).document(name, bytes())
      const what = `change ${n}: ${change} of ${at}`
      const error = await read(doc).then(
        () => expect.unreachable(`${what} went unnoticed`),
        (reason: unknown) => reason,
      )
      if (!KeelstateError.is(error)) throw new Error(what, { cause: error })
      expect(SAYS, what).toContain(error.code)
      expect(error.code, what).not.toBe('NotFound')
      const { differs } = error.details as { differs?: string }
      if (error.code !== 'Unsupported') expect(differs, `${what}: ${error.message}`).toBeTruthy()
      expect(`${error.message} ${error.key}`, what).toContain(at.startsWith('heads/') ? at : at.slice(-32))
      told.set(`${error.code} ${differs ?? ''}`, (told.get(`${error.code} ${differs ?? ''}`) ?? 0) + 1)
      if (n % 10 === 0 && at.startsWith('heads/')) {
        // Nobody writes on it, and verify lists it.
        await expect(doc.commit(Buffer.from('on top'), { parent: 'any' }), what).rejects.toMatchObject({
          code: error.code,
        })
        expect(Buffer.compare(bucket.peek(at)!.bytes, after)).toBe(0)
      }
      if (n % 10 === 0) {
        const { ok, problems } = await doc.verify()
        expect(ok, what).toBe(false)
        for (const problem of problems) expect(`${problem.key} ${problem.message}`, what).toContain(at.slice(-32))
      }
    }
    for (const differs of [
      'magic',
      'length',
      'storeId',
      'name',
      'objectId',
      'sha256',
      'commitment',
      'keyTable',
      'type',
    ]) {
      expect(
        [...told.keys()].some((one) => one.endsWith(` ${differs}`)),
        `${differs} in ${[...told.keys()]}`,
      ).toBe(true)
    }
  }, 1_200_000)

  it('of heads that were right once are RolledBack to whoever has seen a later one', async () => {
    const random = new Random(3)
    for (let n = 0; n < COUNT / 20; n++) {
      const name = random.pick(DOCUMENTS)
      const bucket = bucketOf(world.stored)
      const doc = (await open(bucket)).document(name, bytes())
      await doc.status()
      bucket.overwrite(headOf[name]!, random.pick(world.past.get(name)!))
      const error = await doc.read().catch((reason: unknown) => reason)
      expect(error).toMatchObject({ code: 'RolledBack' })
      expect((error as KeelstateError<'RolledBack'>).details.seenSeq).toBeGreaterThan(0)
    }
  }, 600_000)

  it('of the marker are errors, or change nothing that matters', async () => {
    const random = new Random(5)
    const marker = world.stored.get('store')!
    const ends = new Map<string, number>()
    for (let n = 0; n < COUNT / 4; n++) {
      const change = random.pick(Object.keys(CHANGES))
      const after = CHANGES[change]!(marker, random, 'store')
      const bucket = bucketOf(new Map([...world.stored, ['store', after]]))
      const doc = (await open(bucket)).document('shop/prod', bytes())
      const end = await doc.read().then(
        (revision) => {
          expectValue(revision!.value, world.values.get('shop/prod')!.get(REVISIONS)!)
          return 'right'
        },
        (error: unknown) => (KeelstateError.is(error) ? error.code : String(error)),
      )
      expect(['right', 'Corrupt', 'Unsupported'], `${change}: ${end}`).toContain(end)
      if (end === 'right') {
        // Only the salt (which wraps repeat) or blanks can have changed.
        const [was, is] = [marker, after].map(
          (text) => (JSON.parse(Buffer.from(text).toString()) as { storeId: string }).storeId,
        )
        expect(is).toBe(was)
      }
      ends.set(end, (ends.get(end) ?? 0) + 1)
    }
    expect(ends.get('Corrupt')).toBeGreaterThan(COUNT / 8)
  }, 600_000)
})

describe.each(clouds)('in a bucket of $name', ({ start }) => {
  it(`${ON_CLOUDS} such changes end the same way for who reads them with the real client`, async () => {
    await using place = await start()
    for (const [at, body] of world.stored) place.overwrite(`${PREFIX}/${at}`, body)
    const random = new Random(4_712)
    for (let n = 0; n < ON_CLOUDS; n++) {
      const [at, { name, read }] = random.pick([...needs])
      const before = world.stored.get(at)!
      const change = random.pick(Object.keys(CHANGES))
      const after = CHANGES[change]!(before, random, at)
      if (Buffer.compare(before, after) === 0) continue
      place.overwrite(`${PREFIX}/${at}`, after)
      const store = await openOn(place.open())
      const what = `change ${n}: ${change} of ${at}`
      const error: unknown = await read(store.document(name, bytes())).then(
        () => expect.unreachable(`${what} went unnoticed`),
        (reason: unknown) => reason,
      )
      if (!KeelstateError.is(error)) throw new Error(what, { cause: error })
      expect(['Corrupt', 'DecryptFailed', 'RolledBack', 'Unsupported'], what).toContain(error.code)
      await store.close()
      place.overwrite(`${PREFIX}/${at}`, before)
    }
    const store = await openOn(place.open())
    for (const { name, read } of needs.values()) await read(store.document(name, bytes()))
    await store.close()
  }, 600_000)
})

describe('what is stored', () => {
  it('holds no 8 bytes of what is secret, wherever they were put: contents, messages, authors, labels, types', async () => {
    const secret = randomBytes(32)
    const text = secret.toString('base64url')
    const forms = [
      secret,
      Buffer.from(text),
      Buffer.from(secret.toString('hex')),
      Buffer.from(secret.toString('base64')),
    ]
    const bucket = new MemoryBucket()
    const store = await open(bucket)
    await store.init()
    const doc = store.document('shop/prod', bytes())
    for (let n = 0; n < 40; n++) {
      const body = Buffer.concat(Array(n % 5 === 0 ? 400 : 1 + (n % 3)).fill(Buffer.concat(forms)))
      const said = { message: text, by: text, type: text, label: `v${n}-${text}` }
      await doc.commit(body, { parent: 'any', ...said })
    }
    await doc.prune({ keepLast: 5 })
    for (let n = 0; n < 39; n++) await doc.unlabel(`v${n}-${text}`)
    await doc.prune({ keepLast: 5 })
    await doc.delete({ message: text, by: text })
    await doc.commit(Buffer.concat(forms), { parent: 'none', message: text })
    expect(bucket.keys().length).toBeGreaterThan(12)
    for (const at of bucket.keys()) {
      const stored = Buffer.from(bucket.peek(at)!.bytes)
      for (const form of forms) {
        for (let from = 0; from + 8 <= form.length; from++) {
          expect(stored.includes(form.subarray(from, from + 8)), `${at} holds 8 bytes of it`).toBe(false)
        }
      }
    }
    // The same search finds it where nothing is sealed.
    const clear = new MemoryBucket()
    const open_ = await openStore({ store: memoryStore({ bucket: clear }), keys: 'plaintext', memory: false })
    await open_.document('shop/prod', bytes()).commit(secret, { parent: 'none' })
    expect(Buffer.from(clear.peek(headOf['shop/prod']!)!.bytes).includes(secret.subarray(9, 17))).toBe(true)
  })
})
