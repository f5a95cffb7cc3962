import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { json, openStore } from '../../src/index.ts'
import { count, reportCounts } from '../counts.ts'
import type { Answer, Request } from './programs/holder.ts'

const ROUNDS = count(10, 1)
reportCounts(import.meta.filename, { 'rounds of each way to fail': ROUNDS })
const LEASE_MS = 3_000 // longer than a process is kept waiting on a busy machine
const MARGIN_MS = 5_000

let folder: string
let bundle: string
const children: Holder[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keelstate-lock-processes-'))
  bundle = join(folder, 'holder.mjs')
  await build({
    entryPoints: [fileURLToPath(new URL('programs/holder.ts', import.meta.url))],
    outfile: bundle,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    external: ['@aws-sdk/*'],
    logLevel: 'error',
  })
})
afterAll(async () => {
  for (const child of children) child.end()
  await rm(folder, { recursive: true, force: true })
})

/** Makes a store of its own, for one test. */
async function newStore(): Promise<string> {
  const root = await mkdtemp(join(folder, 'store-'))
  await using store = await openStore({ store: `file:${root}`, keys: 'plaintext', memory: false, by: 'test' })
  await store.init()
  return root
}

/** A process of its own. */
class Holder {
  readonly #process: ChildProcess

  private constructor(child: ChildProcess) {
    this.#process = child
  }

  static async start(root: string, by: string): Promise<Holder> {
    const child = fork(bundle, [root, by], { stdio: 'inherit' })
    await once(child, 'message')
    const holder = new Holder(child)
    children.push(holder)
    return holder
  }

  async ask(request: Request): Promise<Answer> {
    const answered = once(this.#process, 'message')
    this.#process.send(request)
    return (await answered)[0] as Answer
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal)
  }

  end(): void {
    this.#process.kill('SIGKILL')
  }
}

/** Who wrote what became current, oldest first. */
async function authors(root: string): Promise<string[]> {
  await using store = await openStore({ store: `file:${root}`, keys: 'plaintext', memory: false })
  const all: string[] = []
  for await (const { by } of store.document('shop/prod', json()).history()) all.unshift(by)
  expect((await store.document('shop/prod', json()).verify()).problems).toEqual([])
  return all
}

/** Resolves once a commit of this author is current. */
async function hasCommitted(root: string, author: string): Promise<void> {
  await using store = await openStore({ store: `file:${root}`, keys: 'plaintext', memory: false })
  const document = store.document('shop/prod', json())
  while ((await document.read())?.by !== author) await new Promise((resolve) => setTimeout(resolve, 20))
}

const lock: Request = { do: 'lock', leaseMs: LEASE_MS, waitMs: 60_000 }

// They wait for leases most of the time.
it.concurrent('a process that was stopped and goes on commits nothing after its successor started', async () => {
  const root = await newStore()
  const [a, b] = [await Holder.start(root, 'zombie'), await Holder.start(root, 'successor')]
  await a.ask(lock)
  expect(await a.ask({ do: 'commit', value: 'second' })).toEqual({})
  a.signal('SIGSTOP')
  const began = Date.now()
  expect(await b.ask(lock)).toMatchObject({ current: 'second' })
  expect(Date.now() - began).toBeGreaterThanOrEqual(LEASE_MS + MARGIN_MS - 100)
  a.signal('SIGCONT')
  expect(await a.ask({ do: 'commit', value: 'undead' })).toEqual({ code: 'LeaseLost', lost: true })
  expect(await b.ask({ do: 'commit', value: 'third' })).toEqual({})
  expect(await a.ask({ do: 'release' })).toEqual({})
  expect(await b.ask({ do: 'commit', value: 'fourth' })).toEqual({})
  expect(await b.ask({ do: 'release' })).toEqual({})
  expect(await authors(root)).toEqual(['zombie', 'successor', 'successor'])
})

it.concurrent.each(['SIGSTOP', 'SIGKILL', 'break'] as const)(
  `in the middle of its commits, by %s, ${ROUNDS} times over: nothing of the former holder follows its successor’s first`,
  async (how) => {
    const root = await newStore()
    for (let round = 0; round < ROUNDS; round++) {
      const [a, b] = [await Holder.start(root, `a${round}`), await Holder.start(root, `b${round}`)]
      const { owner } = await a.ask(lock)
      const committing = a.ask({ do: 'commit without end' })
      await hasCommitted(root, `a${round}`)
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 200))
      if (how === 'break') expect(await b.ask({ do: 'break', owner: owner! })).toEqual({})
      else a.signal(how)
      expect((await b.ask(lock)).owner).toBeDefined()
      if (how === 'SIGSTOP') a.signal('SIGCONT')
      for (let n = 0; n < 20; n++) expect(await b.ask({ do: 'commit', value: `b ${n}` })).toEqual({})
      const ended = how === 'SIGKILL' ? undefined : await committing
      if (ended !== undefined) expect(ended).toMatchObject({ code: 'LeaseLost' })
      expect(await b.ask({ do: 'release' })).toEqual({})
      const all = await authors(root)
      const first = all.indexOf(`b${round}`)
      expect(all.slice(first).filter((by) => by === `a${round}`)).toEqual([])
      const byFormer = all.filter((by) => by === `a${round}`).length
      if (ended !== undefined) expect(byFormer).toBe(ended.committed)
      expect(byFormer).toBeGreaterThan(0)
      a.end()
      b.end()
    }
  },
)
