import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  decodeSnapshot,
  deployment,
  type Encrypter,
  encodeSnapshot,
  envKey,
  exportStack,
  findOriginalStacks,
  type ImportOptions,
  type ImportPlan,
  importStack,
  newSnapshot,
  planImport,
  readOriginalStack,
  sortRevisions,
  stateDocument,
} from '../../src/deployments/index.ts'
import { revisionFile } from '../../src/deployments/original-tree.ts'
import { openStore, type RevisionInfo, type Store, type VersionedDocument } from '../../src/index.ts'
import { LAYOUT, type LayoutCase, layoutEncrypter, layoutFiles, Trees } from '../layout.ts'

let trees: Trees
let store: Store

beforeEach(async () => {
  trees = new Trees()
  store = await openStore({ store: 'memory:', keys: 'plaintext', by: 'importer@here' })
})
afterEach(async () => {
  await store.close()
  trees.remove()
})

const [plain, sealed] = [LAYOUT.find(({ id }) => id === 'noop')!, LAYOUT.find(({ id }) => id === 'env-key')!]
const nameOf = ({ factory, stack }: LayoutCase) => `${factory}/${stack}`
const deploymentOf = ({ factory, stack }: LayoutCase) => deployment(store, { factory, stack })
const documentOf = (one: LayoutCase) => stateDocument(store, nameOf(one))

async function bring(one: LayoutCase, options: ImportOptions = {}): Promise<ImportPlan> {
  const tree = await readOriginalStack(trees.original(one), one)
  return await again(one, tree, options)
}

async function again(
  one: LayoutCase,
  tree: Awaited<ReturnType<typeof readOriginalStack>>,
  options: ImportOptions = {},
): Promise<ImportPlan> {
  const document = documentOf(one)
  return await document.withLock({ operation: 'import' }, (held) =>
    importStack(tree, document, held, { encrypter: layoutEncrypter(one), force: true, ...options }),
  )
}

async function history(document: VersionedDocument<unknown>): Promise<RevisionInfo[]> {
  const found: RevisionInfo[] = []
  for await (const info of document.history()) found.push(info)
  return found.reverse()
}

describe('state that the original wrote', () => {
  it.each(LAYOUT.map((one) => [one.id, one] as const))(
    'comes in with its names, order, times, bodies and what is current: %s',
    async (_id, one) => {
      const ordered = sortRevisions(one.written)
      expect(await bring(one)).toEqual({ missing: ordered, present: 0, current: one.current })
      const revisions = await history(documentOf(one))
      expect(revisions.map(({ id, number }) => [id, number])).toEqual(ordered.map((id, i) => [id, i + 1]))
      expect(revisions.map(({ at }) => at)).toEqual(ordered.map((id) => id.replace(/_.*/, '')))
      expect(revisions.find(({ current }) => current)?.id).toBe(one.current)
      expect(
        revisions.every(({ by, type, message }) => `${by} ${type} ${message}` === 'importer@here snapshot imported'),
      ).toBe(true)
      for (const { rev, plain: body } of one.plain)
        expect(Buffer.from((await documentOf(one).revision(rev)).value).toString()).toBe(body)
      // The contract's own backend goes on from there.
      const backend = deploymentOf(one)
      expect(await backend.currentRev()).toBe(one.current)
      expect(await backend.list()).toEqual(ordered)
      const next = await backend.commit(await backend.current())
      expect(sortRevisions([...ordered, next]).at(-1)).toBe(next)
    },
  )

  it.each(LAYOUT.map((one) => [one.id, one] as const))(
    'goes out again as the same files with the same modes: %s',
    async (_id, one) => {
      await bring(one)
      const root = join(trees.folder, 'exported')
      const report = await exportStack(documentOf(one), root, one, { encrypter: layoutEncrypter(one) })
      expect(report).toMatchObject({ written: sortRevisions(one.written), present: 0, current: one.current })
      expect(trees.read(root)).toEqual(layoutFiles(one))
      const folder = join(root, one.factory, one.stack)
      for (const file of ['current', `snapshots/${one.current}.json.enc`])
        expect(statSync(join(folder, file)).mode & 0o777).toBe(0o600)
      expect(statSync(join(folder, 'snapshots')).mode & 0o777).toBe(0o755 & ~process.umask())
    },
  )

  it('has each revision follow the one before it, so that history and diffs can go back', async () => {
    await bring(sealed)
    const [first, second, third] = await history(documentOf(sealed))
    expect([first?.parent, second?.parent, third?.parent]).toEqual([undefined, first?.id, second?.id])
    expect((await documentOf(sealed).info('current~1')).id).toBe(first?.id)
    expect(first?.until).toBe(second?.at)
  })

  it('comes in once: a second import changes nothing, one that was cut off goes on, and later revisions follow', async () => {
    const tree = await readOriginalStack(trees.original(plain), plain)
    const [first, second, third] = tree.revisions as [string, string, string]
    const early = { ...tree, revisions: [first, second], current: second }
    expect((await again(plain, early)).missing).toEqual([first, second])
    expect(await again(plain, tree)).toEqual({ missing: [third], present: 2, current: third })
    const before = await documentOf(plain).status()
    expect(await again(plain, tree)).toEqual({ missing: [], present: 3, current: third })
    expect((await documentOf(plain).status()).seq).toBe(before.seq)
  })

  it('that was imported and went on here stays as it is when the import is repeated, and is a conflict when both went on', async () => {
    const tree = await readOriginalStack(trees.original(plain), plain)
    const early = { ...tree, revisions: tree.revisions.slice(0, 2), current: tree.revisions[1]! }
    await again(plain, early)
    const backend = deploymentOf(plain)
    const here = await backend.commit(await backend.current())
    expect(await again(plain, early)).toMatchObject({ missing: [], current: here })
    expect(await backend.currentRev()).toBe(here)
    await expect(again(plain, tree)).rejects.toMatchObject({ code: 'Conflict', details: { current: here } })
    expect(await backend.currentRev()).toBe(here)
  })

  it('is refused when another content stands under one of its names, and nothing is written', async () => {
    await bring(plain)
    const tree = await readOriginalStack(trees.original(plain), plain)
    const file = join(tree.folder, 'snapshots', `${plain.current}.json.enc`)
    const changed = { ...decodeSnapshot(readFileSync(file)), outputs: { changed: true } }
    writeFileSync(file, encodeSnapshot(changed))
    const before = await documentOf(plain).status()
    await expect(again(plain, tree)).rejects.toMatchObject({
      code: 'Conflict',
      message: expect.stringContaining(plain.current),
    })
    expect((await documentOf(plain).status()).current).toEqual(before.current)
  })

  it('is refused while somebody holds its lock, unless forced', async () => {
    const tree = await readOriginalStack(trees.original(sealed), sealed)
    const encrypter = layoutEncrypter(sealed)
    await expect(planImport(tree, documentOf(sealed), undefined, { encrypter })).rejects.toMatchObject({
      code: 'Locked',
      details: { holder: 'process 4242' },
      hint: expect.stringContaining('--force'),
    })
    expect((await planImport(tree, documentOf(sealed), undefined, { encrypter, force: true })).missing).toHaveLength(3)
  })

  it('that is encrypted says so when no key is given, and that the key is wrong when it is', async () => {
    await expect(bring(sealed, { encrypter: layoutEncrypter(plain) })).rejects.toMatchObject({
      code: 'InvalidInput',
      message: expect.stringContaining('.json.enc cannot be read'),
      hint: expect.stringContaining('--env-key'),
    })
    const other = envKey('K', { variables: { K: Buffer.alloc(32, 1).toString('base64') } })
    await expect(bring(sealed, { encrypter: other })).rejects.toMatchObject({ code: 'DecryptFailed' })
    await expect(documentOf(sealed).info('current')).rejects.toMatchObject({ code: 'NotFound' })
  })

  it('whose current names no snapshot is not taken for state that has no current', async () => {
    const tree = await readOriginalStack(trees.original(plain), plain)
    rmSync(join(tree.folder, 'snapshots', `${plain.current}.json.enc`))
    const broken = await readOriginalStack(join(trees.folder, plain.root), plain)
    await expect(again(plain, broken)).rejects.toMatchObject({ code: 'Corrupt' })
    writeFileSync(join(tree.folder, 'current'), '  \n')
    const none = await readOriginalStack(join(trees.folder, plain.root), plain)
    expect(await again(plain, none)).toEqual({ missing: none.revisions, present: 0 })
    await expect(deploymentOf(plain).current()).rejects.toMatchObject({ code: 'NoCurrent' })
  })

  it('is found below a root; a name that leads out of it, and a file that is no revision, are refused', async () => {
    const root = trees.original(plain)
    expect(await findOriginalStacks(root)).toEqual([{ factory: 'shop', stack: 'prod' }])
    await expect(findOriginalStacks(join(root, 'shop'))).rejects.toMatchObject({ code: 'InvalidInput' })
    await expect(findOriginalStacks(join(root, 'nowhere'))).rejects.toMatchObject({
      message: expect.stringContaining('it does not exist'),
    })
    await expect(readOriginalStack(root, { factory: '..', stack: 'x' })).rejects.toMatchObject({ code: 'InvalidName' })
    await expect(readOriginalStack(root, { factory: 'shop', stack: '..' })).rejects.toMatchObject({
      code: 'InvalidName',
    })
    const folder = join(root, 'shop', 'prod', 'snapshots')
    writeFileSync(join(folder, 'notes.txt'), 'ignored')
    expect((await readOriginalStack(root, plain)).revisions).toHaveLength(3)
    writeFileSync(join(folder, 'draft.json.enc'), '{}')
    const tree = await readOriginalStack(root, plain)
    await expect(planImport(tree, documentOf(plain), undefined)).rejects.toMatchObject({
      code: 'InvalidInput',
      message: expect.stringContaining('draft.json.enc'),
    })
  })
})

describe('state that goes back to the original', () => {
  const root = () => join(trees.folder, 'exported')
  const go = (one: LayoutCase, encrypter?: Encrypter) =>
    exportStack(documentOf(one), root(), one, encrypter && { encrypter })

  it('is written once: what is there with the same content stays, although encryption never gives the same bytes twice', async () => {
    await bring(sealed)
    const key = () => envKey('K', { variables: { K: sealed.key_b64! } })
    await go(sealed, key())
    const before = trees.read(root())
    expect(await go(sealed, key())).toMatchObject({ written: [], present: 3, current: sealed.current })
    expect(trees.read(root())).toEqual(before)
  })

  it('holds the whole of what is stored as a change, also when it is compared with what is there', async () => {
    const prod = deploymentOf(plain)
    const snapshot = newSnapshot({ name: 'shop', version: '1', contentRevision: 'c' }, prod.stack(), new Date(0))
    const entry = (n: number, kind = 'k') => ({ address: `node-${n}`, type: 'leaf', kind }) as const
    snapshot.entries = Array.from({ length: 100 }, (_, n) => entry(n))
    await prod.commit(snapshot)
    const id = await prod.commit({ put: [entry(7, 'other')] })
    expect(await documentOf(plain).info(id)).toMatchObject({ base: 1 })
    await go(plain)
    expect(await go(plain)).toMatchObject({ written: [], present: 2, current: id })
    snapshot.entries[7] = entry(7, 'other')
    const tree = await readOriginalStack(root(), plain)
    const file = revisionFile(tree.folder, id)
    expect(readFileSync(file)).toEqual(Buffer.from(encodeSnapshot(snapshot)))
    expect(await planImport(tree, documentOf(plain), await documentOf(plain).info('current'))).toMatchObject({
      missing: [],
      present: 2,
    })
    writeFileSync(file, encodeSnapshot({ ...snapshot, entries: [] }))
    await expect(go(plain)).rejects.toMatchObject({ code: 'AlreadyExists' })
    await expect(planImport(tree, documentOf(plain), undefined)).rejects.toMatchObject({ code: 'Conflict' })
  })

  it('replaces no file: another snapshot, pointer or key there is refused before anything is written', async () => {
    await bring(plain)
    const folder = join(root(), plain.factory, plain.stack)
    await go(plain)
    const current = join(folder, 'current')
    writeFileSync(current, `${plain.written[0]}\n`)
    rmSync(join(folder, 'snapshots', `${plain.written[1]}.json.enc`))
    const before = trees.read(root())
    await expect(go(plain)).rejects.toMatchObject({ code: 'AlreadyExists', key: current })
    writeFileSync(current, `${plain.current}\n`)
    const other = envKey('K', { variables: { K: Buffer.alloc(32, 1).toString('base64') } })
    await expect(go(plain, other)).rejects.toMatchObject({ code: 'AlreadyExists' })
    const snapshot = join(folder, 'snapshots', `${plain.current}.json.enc`)
    writeFileSync(snapshot, `${readFileSync(snapshot)} `)
    await expect(go(plain)).rejects.toMatchObject({ code: 'AlreadyExists', key: snapshot })
    expect(Object.keys(trees.read(root()))).toEqual(Object.keys(before))
  })

  it('is not written under the feet of somebody who holds the lock there', async () => {
    await bring(plain)
    await go(plain)
    writeFileSync(join(root(), plain.factory, plain.stack, 'lock'), '77\n')
    await expect(go(plain)).rejects.toMatchObject({ code: 'Locked', details: { holder: 'process 77' } })
  })

  it('holds snapshots only, and names those by their time that have another name', async () => {
    const ulids = store.document('shop/prod', { ...stateDocumentCodec, type: 'snapshot' })
    const body = Buffer.from(plain.plain[0]!.plain)
    const first = await ulids.commit(body, { parent: 'none' })
    const second = await ulids.commit(Buffer.from(plain.plain[1]!.plain), { parent: first })
    const { written, current } = await go(plain)
    expect(written.every((rev) => /^\d{4}-.*Z$/.test(rev))).toBe(true)
    expect(Date.parse(written[0]!)).toBe(Date.parse(first.at))
    expect(sortRevisions(written)).toEqual(written)
    expect([written.length, current]).toEqual([2, written[1]])
    await ulids.commit(Buffer.from('{}'), { parent: second, type: 'json' })
    await expect(go(plain)).rejects.toMatchObject({ code: 'InvalidInput', message: expect.stringContaining('@3') })
    await expect(
      exportStack(stateDocument(store, 'no/such'), root(), { factory: 'no', stack: 'such' }),
    ).rejects.toMatchObject({
      code: 'NotFound',
    })
  })
})

const stateDocumentCodec = {
  encode: (value: Uint8Array) => Uint8Array.from(value),
  decode: (stored: Uint8Array) => Uint8Array.from(stored),
}
