import { randomBytes } from 'node:crypto'
import { expect } from 'vitest'
import { json, type Store } from '../../src/index.ts'

type Doc = { n: number; pad: string }

/** Everything that a writer does. */
export async function write(store: Store, name = 'shop/prod'): Promise<void> {
  const shop = store.document(name, json<Doc>())
  const pad = randomBytes(12_000).toString('base64')
  await shop.withLock({ operation: 'deploy' }, async (held) => void (await held.commit({ n: 1, pad })))
  for (let n = 2; n <= 20; n += 1) await shop.commit({ n, pad: n % 9 === 0 ? pad : 'x'.repeat(300) }, { parent: 'any' })
  await shop.label('stable', '@3')
  await shop.rollback('stable')
  await shop.unlabel('stable')
  const held = await shop.lock({ operation: 'stuck' })
  await shop.forceUnlock(held.owner)
  await held.release().catch(() => {})
  await shop.prune({ keepLast: 2 })
  const gone = store.document(`${name}-old`, json<Doc>())
  await gone.commit({ n: 0, pad: '' }, { parent: 'none' })
  await gone.delete()
}

/** Everything that a reader does. */
export async function read(store: Store): Promise<void> {
  const shop = store.document('shop/prod', json<Doc>())
  await shop.read()
  for await (const { id } of shop.history()) await shop.revision(id)
  await shop.status()
  await shop.verify()
  await shop.holder()
  expect(await store.document('shop/absent', json()).read()).toBeUndefined()
  for await (const { name } of store.list()) expect(name).toMatch(/^shop/)
}

/** What a maintainer does besides making the store. */
export async function collect(store: Store): Promise<void> {
  const report = await store.document('shop/prod', json<Doc>()).collect({ graceMs: 0 })
  expect(report.deleted.length).toBeGreaterThan(0)
}
