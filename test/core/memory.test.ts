import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ProcessMemory, type RememberedHead } from '../../src/core/memory.ts'
import { defaultMemoryFolder, FileMemory } from '../../src/core/memory-file.ts'
import { fileStore } from '../../src/file/index.ts'
import { json, type ObjectStore, openStore } from '../../src/index.ts'
import { failure, HEAD, STORE_ID } from './workbench.ts'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keelstate-memory-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const ADDRESS = 's3://bucket/prefix'
const head = (seq: number, birth = 'b0', id = `id${seq}`): RememberedHead => ({ birth, seq, id })
const open = (address = ADDRESS, storeId = STORE_ID) => FileMemory.open(join(folder, 'state'), address, storeId)

describe('what a process remembers', () => {
  it('is the highest head of each document', () => {
    const memory = new ProcessMemory()
    expect(memory.recall('a')).toBeUndefined()
    memory.remember('a', head(5))
    memory.remember('a', head(3))
    memory.remember('b', head(1))
    expect(memory.recall('a')).toEqual(head(5))
    memory.remember('a', head(6))
    expect(memory.recall('a')).toEqual(head(6))
    expect(memory.recall('b')).toEqual(head(1))
  })

  it('is bounded: the document that was seen longest ago is forgotten first', () => {
    const memory = new ProcessMemory(3)
    for (const name of ['a', 'b', 'c']) memory.remember(name, head(1))
    memory.remember('a', head(1)) // seen again, unchanged
    memory.remember('d', head(1))
    expect(memory.recall('b')).toBeUndefined()
    for (const name of ['a', 'c', 'd']) expect(memory.recall(name)).toEqual(head(1))
  })
})

describe('what processes remember in a file', () => {
  it('is there for the next one, private, and apart for each address and store', async () => {
    const first = await open()
    first.remember('state/a', head(5))
    await first.flush()
    expect((await open()).recall('state/a')).toEqual(head(5))
    expect((await open('s3://other')).recall('state/a')).toBeUndefined()
    expect((await open(ADDRESS, 'ff'.repeat(16))).recall('state/a')).toBeUndefined()
    expect((await stat(first.file)).mode & 0o777).toBe(0o600)
    expect((await stat(join(first.file, '..'))).mode & 0o777).toBe(0o700)
    expect((await stat(join(folder, 'state'))).mode & 0o777).toBe(0o700)
    expect(await readdir(join(first.file, '..'))).toHaveLength(1)
  })

  it('is written by itself soon after', async () => {
    const first = await open()
    first.remember('state/a', head(5))
    for (let waited = 0; waited < 100 && (await open()).recall('state/a') === undefined; waited++) {
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    expect((await open()).recall('state/a')).toEqual(head(5))
  })

  it('is merged by maximum with what others wrote meanwhile', async () => {
    const [first, second] = [await open(), await open()]
    first.remember('state/a', head(5))
    first.remember('state/b', head(9))
    second.remember('state/a', head(7))
    second.remember('state/b', head(8))
    second.remember('state/c', head(1))
    await second.flush()
    await first.flush()
    const third = await open()
    expect([third.recall('state/a'), third.recall('state/b'), third.recall('state/c')]).toEqual([
      head(7),
      head(9),
      head(1),
    ])
  })

  it('survives many processes that write at once', async () => {
    const memories = await Promise.all(Array.from({ length: 12 }, () => open()))
    await Promise.all(
      memories.map(async (memory, n) => {
        for (let seq = 1; seq <= 10; seq++) {
          memory.remember('state/shared', head(seq * 100 + n))
          memory.remember(`state/own-${n}`, head(seq))
          await memory.flush()
        }
      }),
    )
    for (const memory of memories) await memory.flush()
    JSON.parse(await readFile(memories[0]!.file, 'utf8'))
    // One may overwrite what another wrote in the same instant; what it says itself is there when it wrote last.
    const last = memories.at(-1)!
    last.remember('state/shared', head(2_000))
    await last.flush()
    expect((await open()).recall('state/shared')).toEqual(head(2_000))
    expect(await readdir(join(last.file, '..'))).toHaveLength(1)
  })

  it('is at most 10,000 documents: those that were seen longest ago are forgotten', async () => {
    const first = await open()
    for (let n = 0; n < 10_000; n++) first.remember(`state/${n}`, head(1))
    await first.flush()
    const second = await open()
    second.remember('state/0', head(1)) // seen again, unchanged
    second.remember('state/new', head(1))
    await second.flush()
    const third = await open()
    expect(third.recall('state/0')).toEqual(head(1))
    expect(third.recall('state/new')).toEqual(head(1))
    expect(third.recall('state/1')).toBeUndefined()
    expect(third.recall('state/2')).toEqual(head(1))
    expect((await stat(first.file)).size).toBeLessThan(2 << 20)
  })

  it.each(['', '{', '[]', 'null', '{"heads":7}', '{"heads":{"state/a":{"seq":"5"}}}', '\u0000'.repeat(100)])(
    'is nothing when the file holds %j, and is written anew',
    async (text) => {
      const first = await open()
      await mkdir(join(first.file, '..'), { recursive: true })
      await writeFile(first.file, text)
      const second = await open()
      expect(second.recall('state/a')).toBeUndefined()
      second.remember('state/a', head(1))
      await second.flush()
      expect((await open()).recall('state/a')).toEqual(head(1))
    },
  )

  it('is lost without a word when it cannot be written: work must go on', async () => {
    await writeFile(join(folder, 'state'), 'a file where the folder should be')
    const memory = await open()
    memory.remember('state/a', head(1))
    await memory.flush()
    expect(memory.recall('state/a')).toEqual(head(1))
  })

  it('lies in the state folder of the user', () => {
    expect(defaultMemoryFolder({ XDG_STATE_HOME: '/x/state' })).toBe('/x/state/keelstate')
    expect(defaultMemoryFolder({ XDG_STATE_HOME: '' })).toMatch(/\/\.local\/state\/keelstate$/)
  })
})

describe('an older or forked head', () => {
  const root = () => join(folder, 'store')
  const raw = (): ObjectStore => fileStore({ root: root() })
  /** A process of its own. */
  const process = async (memory: string | false) => {
    const store = await openStore({ store: fileStore({ root: root() }), keys: 'plaintext', memory })
    await store.init()
    return { store, doc: store.document('doc', json<string>()) }
  }
  const stored = async () => {
    const found = await raw().get(HEAD)
    if (typeof found !== 'object') throw new Error('there is no head')
    return found
  }
  const replace = async (bytes: Uint8Array) => raw().put(HEAD, bytes, { ifMatch: (await stored()).token })
  /** Old bytes of the head, and the file of one process that has seen later ones. */
  const past = async () => {
    const memory = join(folder, 'state')
    const { store, doc } = await process(memory)
    const copies: Uint8Array[] = []
    for (let n = 0; n < 5; n++) {
      await doc.commit(`${n}`, { parent: 'any' })
      copies.push((await stored()).bytes)
    }
    await store.close()
    return { memory, copies }
  }
  const forgeOn = async (bytes: Uint8Array, writes: number) => {
    await replace(bytes)
    const forger = await process(false)
    for (let n = 0; n < writes; n++) await forger.doc.commit('forged', { parent: 'any' })
  }

  it.each([
    ['replayed', 1, 0],
    ['forked and as long as it was', 2, 2],
    ['forked and grown longer', 3, 10],
  ])('that is %s is RolledBack to every process that remembers more, also after a restart', async (_, back, writes) => {
    const { memory, copies } = await past()
    await forgeOn(copies.at(-1 - back)!, writes)
    const { doc } = await process(memory)
    const tries = [
      () => doc.read(),
      () => doc.commit('x', { parent: 'any' }),
      () => doc.status(),
      () => doc.prune({ keepLast: 1 }),
      () => doc.collect(),
      () => doc.history().next(),
      () => doc.outcome(`${'00'.repeat(16)}@1`),
    ]
    for (const work of tries) {
      expect(await failure(work())).toMatchObject({ code: 'RolledBack', details: { rememberedSeq: 5 } })
    }
    expect(await doc.verify()).toMatchObject({ ok: false, problems: [{ code: 'RolledBack' }] })
    // One that never saw more cannot know, and says so of nothing.
    expect((await (await process(false)).doc.verify()).ok).toBe(true)
  })

  it('is what it was again, when the right one is put back', async () => {
    const { memory, copies } = await past()
    await forgeOn(copies[1]!, 7)
    expect(await failure((await process(memory)).doc.read())).toMatchObject({ code: 'RolledBack' })
    await replace(copies.at(-1)!)
    const { doc } = await process(memory)
    expect((await doc.read())?.value).toBe('4')
    expect(await doc.commit('5', { parent: 'any' })).toMatchObject({ number: 6 })
  })

  it('is seen by a process that runs, without a file too', async () => {
    const { copies } = await past()
    const { doc } = await process(false)
    expect((await doc.read())?.value).toBe('4')
    await forgeOn(copies[2]!, 0)
    expect(await failure(doc.read())).toMatchObject({ code: 'RolledBack' })
    expect(await readdir(folder)).toEqual(expect.not.arrayContaining(['heads']))
  })

  it('leaves no trace in a file when that was turned off', async () => {
    const { store, doc } = await process(false)
    await doc.commit('1', { parent: 'none' })
    await store.close()
    expect((await readdir(folder)).sort()).toEqual(['store'])
  })
})
