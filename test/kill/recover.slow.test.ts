import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { bytes, openStore, type SpooledSave, type Store, type VersionedDocument } from '../../src/index.ts'
import { faultyStore } from '../../src/testing/index.ts'
import { clouds } from '../clouds.ts'
import { PROVE, reportCounts } from '../counts.ts'
import { bundle } from './bundle.ts'
import { cloudPlace, filePlace, type Place } from './places.ts'
import { contentOf, type Doom } from './script.ts'

const recoverer = await bundle(new URL('programs/recoverer.ts', import.meta.url))
const DOCUMENT = 'shop/prod'
const HEAD = 'heads/*'
const REFUSED = { do: 'status', status: 403, code: 'AccessDenied' } as const
const ALWAYS = { times: Number.POSITIVE_INFINITY }

/** What became of the commit whose value is kept. */
const ATTEMPTS = {
  'was refused': { put: REFUSED },
  'landed without an answer': { put: { do: 'drop-answer' }, get: REFUSED },
  'never arrived, as nobody knows': { put: { do: 'drop-request' }, get: REFUSED },
} as const
const SIZES = { small: 300, large: 12_000 }

/** Where the document lies. */
const PLACES: readonly { where: string; make: () => Promise<Place> }[] = [
  { where: 'in a folder', make: filePlace },
  ...clouds.map((cloud) => ({ where: `in a bucket of ${cloud.name}`, make: () => cloudPlace(cloud) })),
]

async function spooling(place: Place): Promise<Store> {
  return await openStore({
    store: place.objects(),
    keys: place.keys,
    memory: place.memory,
    spool: join(place.memory, 'spool'),
    cache: false,
  })
}

async function kept(store: Store): Promise<SpooledSave[]> {
  const saves: SpooledSave[] = []
  for await (const save of store.spooled({ name: DOCUMENT })) if (!('problem' in save)) saves.push(save)
  return saves
}

async function messages(document: VersionedDocument<Uint8Array>): Promise<string[]> {
  const newestFirst: string[] = []
  for await (const { message } of document.history()) newestFirst.push(message)
  return newestFirst.reverse()
}

/** One commit fails and is kept, one process recovers it and dies, and another comes after it. Resolves to whether the first one had finished. */
async function trial(place: Place, attempt: keyof typeof ATTEMPTS, size: number, dieAt: Doom): Promise<boolean> {
  const context = `${attempt}, dies ${JSON.stringify(dieAt)}`
  const spool = join(place.memory, 'spool')
  {
    const faulty = faultyStore(place.objects())
    await using store = await openStore({ store: faulty, keys: place.keys, memory: place.memory, spool, cache: false })
    await store.init()
    const document = store.document(DOCUMENT, bytes())
    const first = await document.commit(contentOf('first', SIZES.small), { parent: 'none', message: 'first' })
    const { put, ...more } = ATTEMPTS[attempt]
    faulty.faults.add({ operation: 'PutObject', key: HEAD }, put)
    if ('get' in more) faulty.faults.add({ operation: 'GetObject', key: HEAD, ...ALWAYS }, more.get)
    const saving = document.commit(contentOf('kept', size), { parent: first, message: 'kept' })
    await expect(saving, context).rejects.toMatchObject({ details: { spooled: expect.any(String) } })
  }
  const task = { store: place.store, keys: place.keys, memory: place.memory, spool, document: DOCUMENT, dieAt }
  const child = spawn(process.execPath, [recoverer, JSON.stringify(task)], {
    env: place.env,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
  expect([code, signal], context).toEqual(signal === null ? [0, null] : [null, 'SIGKILL'])
  await place.settled()

  await using store = await spooling(place)
  const document = store.document(DOCUMENT, bytes())
  const before = await messages(document)
  const saves = await kept(store)
  expect(before.includes('kept') || saves.length === 1, `${context}: it is there, or it is kept`).toBe(true)
  // As if nothing had happened: what it was to replace is current again.
  if (before.includes('kept')) await document.setCurrent('@1')
  for (const save of saves) {
    const { outcome } = await document.recover(save)
    expect(outcome, context).toBe(before.includes('kept') ? 'landed' : 'committed')
  }
  expect(await messages(document), context).toEqual(['first', 'kept'])
  expect(await kept(store), context).toEqual([])
  expect((await document.revision('@2')).value, context).toEqual(Uint8Array.from(contentOf('kept', size)))
  expect((await document.verify()).problems, context).toEqual([])
  return signal === null
}

const attempts = Object.keys(ATTEMPTS) as (keyof typeof ATTEMPTS)[]
const cases = PLACES.flatMap(({ where, make }) =>
  attempts.flatMap((attempt) =>
    Object.entries(SIZES)
      .filter(([size]) => PROVE || occurs(where, attempt, size))
      .map(([size, length]) => ({ where, make, attempt, size, length })),
  ),
)
reportCounts(import.meta.filename, { 'kinds of saves': cases.length })

/** Each kind in a folder, and one in each bucket; `npm run prove` has all everywhere. */
function occurs(where: string, attempt: keyof typeof ATTEMPTS, size: string): boolean {
  if ((size === 'large') !== (attempt === 'was refused')) return false
  return where === 'in a folder' || attempt === 'never arrived, as nobody knows'
}

describe('a process that recovers a commit', () => {
  for (const { where, make, attempt, size, length } of cases) {
    it(`that ${attempt}, of ${size} content ${where}, is killed right before and right after each of its requests, and the save is in the document once`, async () => {
      let died = 0
      for (let request = 1; ; request++) {
        const finished = await trial(await make(), attempt, length, { request, when: 'before' })
        if (finished) break
        died++
        expect(await trial(await make(), attempt, length, { request, when: 'after' })).toBe(false)
      }
      expect(died).toBeGreaterThanOrEqual(attempt === 'landed without an answer' ? 1 : 2)
    })
  }
})
