import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { fileStore } from '../../src/file/index.ts'
import { bytes, openStore, type SpooledSave, type Store, type VersionedDocument } from '../../src/index.ts'
import { faultyStore } from '../../src/testing/index.ts'
import { PROVE, reportCounts } from '../counts.ts'
import { bundle } from './bundle.ts'
import { filePlace, type Place } from './places.ts'
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

async function spooling(place: Place, root: string): Promise<Store> {
  return await openStore({
    store: fileStore({ root }),
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
async function trial(attempt: keyof typeof ATTEMPTS, size: number, dieAt: Doom): Promise<boolean> {
  const place = await filePlace()
  const root = place.store.slice('file:'.length)
  const context = `${attempt}, dies ${JSON.stringify(dieAt)}`
  const spool = join(place.memory, 'spool')
  {
    const faulty = faultyStore(fileStore({ root }))
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
  const child = spawn(process.execPath, [recoverer, JSON.stringify(task)], { stdio: ['ignore', 'ignore', 'inherit'] })
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
  expect([code, signal], context).toEqual(signal === null ? [0, null] : [null, 'SIGKILL'])

  await using store = await spooling(place, root)
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
const sizesOf = (attempt: string) =>
  Object.entries(SIZES).filter(([size]) => PROVE || (size === 'large') === (attempt === 'was refused'))
reportCounts(import.meta.filename, { 'kinds of saves': attempts.flatMap(sizesOf).length })

describe.each(attempts)('a recovery of a commit that %s', (attempt) => {
  it.each(sizesOf(attempt))(
    'is killed right before and right after each of its requests, and the save of %s content is in the document once',
    async (_, size) => {
      let died = 0
      for (let request = 1; ; request++) {
        const finished = await trial(attempt, size, { request, when: 'before' })
        if (finished) break
        died++
        expect(await trial(attempt, size, { request, when: 'after' })).toBe(false)
      }
      expect(died).toBeGreaterThanOrEqual(attempt === 'landed without an answer' ? 1 : 2)
    },
  )
})
