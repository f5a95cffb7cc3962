import { beforeEach, describe, expect, it } from 'vitest'
import { type Access, accessTo, deadlineFor } from '../../src/core/access.ts'
import { mayReferTo } from '../../src/core/contents.ts'
import { addRevision, moveCurrent } from '../../src/core/draft.ts'
import { systemEnvironment } from '../../src/core/environment.ts'
import { HeadWriter } from '../../src/core/head-writer.ts'
import { fromHex } from '../../src/core/header.ts'
import { ProcessMemory } from '../../src/core/memory.ts'
import { objectsPrefix, parseName } from '../../src/core/names.ts'
import { uploadObject } from '../../src/core/objects.ts'
import { DEFAULT_LIMITS } from '../../src/core/retry.ts'
import type { ObjectStore } from '../../src/core/store.ts'
import { makeSealer } from '../../src/encrypt/index.ts'
import { json, openStore } from '../../src/index.ts'
import { memoryStore } from '../../src/memory/index.ts'
import { HEAD, STORE_ID, type Workbench, workbench } from './workbench.ts'

/**
 * Why the rules of collecting are what they are: each one, left out in a writer or collector made for the purpose, loses a live object in a
 * schedule that the real ones survive.
 */

const BODY = Buffer.from('x'.repeat(20_000))
const HOUR = 3_600_000

let bench: Workbench

beforeEach(async () => {
  bench = await workbench()
  await (await bench.elsewhere()).commit('small', { parent: 'none' })
})

interface WriterRules {
  /** When the head was known whose seq counts as "known before the upload". */
  knownSeq: 'before the upload' | 'after the upload'
  /** Whether an upload from before a barrier is uploaded again. */
  barrierTest: boolean
}

const RIGHT: WriterRules = { knownSeq: 'before the upload', barrierTest: true }

/** A commit of a large content in slow motion, by a writer that keeps these rules. */
async function slowCommit(rules: WriterRules, meanwhile: (writer: HeadWriter) => Promise<unknown>): Promise<void> {
  const store: ObjectStore = memoryStore({ bucket: bench.bucket })
  const sealer = makeSealer(['plaintext'], { salt: async () => new Uint8Array(16) })
  const parts = { store, sealer, environment: systemEnvironment, limits: DEFAULT_LIMITS, memory: new ProcessMemory() }
  const access: Access = accessTo(parseName('doc'), fromHex(STORE_ID), parts)
  const writer = new HeadWriter(access)
  const deadline = deadlineFor(access, undefined)
  const head = (await writer.refresh(deadline))!
  const upload = async (seq: number) => {
    const uploaded = await uploadObject(access, 'content', BODY, head.keys, seq, deadline)
    return { upload: uploaded, body: BODY }
  }
  let prepared = await upload(head.header.seq)
  await meanwhile(writer)
  if (rules.knownSeq === 'after the upload') {
    prepared = { ...prepared, upload: { ...prepared.upload, knownSeq: writer.known!.head!.header.seq } }
  }
  await writer.submit({
    weight: 0,
    apply: async ({ base, body, keys, seq }) => {
      if (rules.barrierTest && !mayReferTo(prepared, base!.body.barrier, keys))
        prepared = await upload(base!.header.seq)
      const { record, body: added } = addRevision(body, seq, {
        id: '01ARZ3NDEKTSV4RRFFQ69G5FAV',
        at: new Date().toISOString(),
        by: 'slow',
        message: '',
        type: 'json',
        bytes: BODY.length,
        digest: '',
        content: { reference: prepared.upload.reference },
        epoch: 0n,
      })
      return { body: moveCurrent(added, seq, record, false, record.at), result: undefined }
    },
  })
}

/** Whether everything that the head refers to is there. */
async function isWhole(): Promise<boolean> {
  const report = await (await bench.elsewhere()).verify()
  return !report.problems.some(({ message }) => message.includes('missing'))
}

const collect = async () => void (await (await bench.elsewhere()).collect({ graceMs: 0 }))

/** A collector whose barrier is never written: the store only says so. */
async function collectWithoutBarrier(): Promise<void> {
  const inner = memoryStore({ bucket: bench.bucket })
  const store: ObjectStore = {
    address: inner.address,
    capabilities: inner.capabilities,
    get: (...args) => inner.get(...args),
    put: async (key, ...args) => (key === HEAD ? 'not written' : await inner.put(key, ...args)),
    delete: (...args) => inner.delete(...args),
    list: (...args) => inner.list(...args),
    close: () => inner.close(),
  }
  const opened = await openStore({ store, keys: 'plaintext', storeId: STORE_ID, memory: false })
  await opened.document('doc', json()).collect({ graceMs: 0 })
}

/** A collector that deletes what nothing refers to and is older than an hour, by its clock. */
async function collectByAge(uploadedAt: number, clock: number): Promise<void> {
  const store = memoryStore({ bucket: bench.bucket })
  const { objects } = await store.list(objectsPrefix(parseName('doc')))
  if (clock - uploadedAt > HOUR) await store.delete(objects.map(({ key }) => key)) // the head refers to none of them yet
}

const MUTATIONS: Record<string, () => Promise<void>> = {
  'no barrier': () => slowCommit(RIGHT, collectWithoutBarrier),
  'uploads used again without the barrier test': () => slowCommit({ ...RIGHT, barrierTest: false }, collect),
  'the base read after the upload': () =>
    slowCommit({ ...RIGHT, knownSeq: 'after the upload' }, async (writer) => {
      await collect()
      await writer.refresh(deadlineFor(writer.access, undefined)) // somebody in the same process reads
    }),
  'deletion by age, the clock an hour ahead': () =>
    slowCommit(RIGHT, () => collectByAge(Date.now(), Date.now() + HOUR + 1)),
}

const RIGHTLY: Record<string, () => Promise<void>> = {
  'while a collector runs': () => slowCommit(RIGHT, collect),
  'while a collector runs, and the head is read after it': () =>
    slowCommit(RIGHT, async (writer) => {
      await collect()
      await writer.refresh(deadlineFor(writer.access, undefined))
    }),
  'while two collectors run': () =>
    slowCommit(RIGHT, async () => {
      await collect()
      await collect()
    }),
}

describe('collecting', () => {
  it.each(Object.entries(RIGHTLY))('by the rules loses nothing %s', async (_, schedule) => {
    await schedule()
    expect(await isWhole()).toBe(true)
    expect((await (await bench.elsewhere()).status()).current?.by).toBe('slow')
  })

  it.each(Object.entries(MUTATIONS))('with %s loses a live object', async (_, schedule) => {
    await schedule()
    expect((await (await bench.elsewhere()).status()).current?.by).toBe('slow')
    expect(await isWhole()).toBe(false)
  })
})
