// Tries every kind of change on a document where the file system refuses to write, and prints what came of it as JSON.
// `create` makes the document, `full` fills the disk that it lies on and frees it again, `read-only` finds it as it is.
import { createHash } from 'node:crypto'
import { appendFileSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { bytes, KeelstateError, openStore, type Store } from '../../../src/index.ts'

const [place = '', task = ''] = process.argv.slice(2)
const root = join(place, 'store')
const filler = join(place, 'filler')
const small = Buffer.from('small')
const large = Buffer.alloc(20_000, createHash('sha512').update('large').digest())
const any = { parent: 'any' } as const
const parts = { keys: 'env:STATE_KEY', memory: false, by: 'tester' } as const

const open = (folder = root): Promise<Store> => openStore({ store: `file:${folder}`, ...parts })

if (task === 'create') {
  await using store = await open()
  await store.init()
  const document = store.document('shop/prod', bytes())
  await document.commit(large, { parent: 'none' })
  await document.commit(small, any)
} else {
  if (task === 'full') fill()
  const before = snapshot()
  const refusals = await tryAll()
  const reading = await readAll()
  const unchanged = JSON.stringify(snapshot()) === JSON.stringify(before)
  if (task === 'full') rmSync(filler)
  const afterwards = task === 'full' ? await goOn() : undefined
  process.stdout.write(JSON.stringify({ refusals, reading, unchanged, afterwards }))
}

async function tryAll(): Promise<Record<string, unknown>> {
  await using store = await open()
  await using elsewhere = await open(join(place, 'another'))
  const document = store.document('shop/prod', bytes())
  return {
    'commit small': await outcomeOf(document.commit(small, any)),
    'commit large': await outcomeOf(document.commit(large, any)),
    update: await outcomeOf(document.update(() => small)),
    rollback: await outcomeOf(document.rollback('@1')),
    label: await outcomeOf(document.label('first', '@1')),
    prune: await outcomeOf(document.prune({ keepLast: 1 })),
    collect: await outcomeOf(document.collect()),
    delete: await outcomeOf(document.delete()),
    'first commit': await outcomeOf(store.document('shop/new', bytes()).commit(small, { parent: 'none' })),
    init: await outcomeOf(elsewhere.init()),
  }
}

/** What another process reads. */
async function readAll(): Promise<unknown> {
  await using store = await open()
  const document = store.document('shop/prod', bytes())
  const numbers = []
  for await (const { number } of document.history()) numbers.push(number)
  const { ok, revisions, unreachable } = await document.verify()
  const current = Buffer.from((await document.read())!.value).toString()
  return {
    current,
    numbers,
    ok,
    revisions,
    unreachable,
    absent: (await store.document('shop/new', bytes()).read()) ?? null,
  }
}

async function goOn(): Promise<unknown> {
  await using store = await open()
  const document = store.document('shop/prod', bytes())
  const { number } = await document.commit(large, any)
  await using elsewhere = await open(join(place, 'another'))
  return { number, ok: (await document.verify()).ok, created: (await elsewhere.init()).created }
}

/** Leaves no room for a single byte. */
function fill(): void {
  for (const chunk of [65_536, 4_096, 1]) {
    try {
      for (;;) appendFileSync(filler, Buffer.alloc(chunk))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
    }
  }
}

/** Every file and folder of the store, and what is in it. */
function snapshot(): [string, string][] {
  const entries = readdirSync(root, { recursive: true, withFileTypes: true })
  return entries
    .map((entry): [string, string] => {
      const path = join(entry.parentPath, entry.name)
      return [path, entry.isFile() ? createHash('sha256').update(readFileSync(path)).digest('hex') : 'folder']
    })
    .sort(([a], [b]) => (a < b ? -1 : 1))
}

async function outcomeOf(work: Promise<unknown>): Promise<unknown> {
  try {
    await work
    return 'done'
  } catch (error) {
    if (!KeelstateError.is(error)) throw error
    const { code, message, details } = error
    return { code, message, status: details.status }
  }
}
