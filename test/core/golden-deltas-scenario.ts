import { openStore } from '../../src/index.ts'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'
import { roleOf } from './golden-scenario.ts'
import { VirtualTime } from './virtual-time.ts'

/** How the golden store with deltas was written: with a clock and chance that are always the same, in the clear. */
export const NAME = 'shop/resources'
export const HEAD = 'heads/state/shop/resources/~'

const resource = (n: number, text = 'x') => ({ id: `r-${n}`, text: text.repeat(200) })

/** Stored bytes by the name of their golden file. */
export async function writeGoldenDeltas(): Promise<Map<string, Uint8Array>> {
  const bucket = new MemoryBucket()
  const files = new Map<string, Uint8Array>()
  const environment = new VirtualTime({ seed: 20_261_121 })
  const store = await openStore({
    store: memoryStore({ bucket }),
    keys: 'plaintext',
    memory: false,
    by: 'me@here',
    environment,
  })
  await store.init()
  const doc = store.keyed<{ id: string; text: string }>(NAME)
  const keep = (name: string, key = HEAD) => files.set(name, Uint8Array.from(bucket.peek(key)!.bytes))
  const objects = () => bucket.keys().filter((key) => key.startsWith('objects/'))
  const keepMade = async (name: string, role: number, work: () => Promise<unknown>) => {
    const before = objects()
    await work()
    const made = objects().filter((key) => !before.includes(key) && roleOf(bucket.peek(key)!.bytes) === role)
    keep(name, made.at(-1)!)
  }

  keep('store', 'store')
  const all = new Map(Array.from({ length: 50 }, (_, n) => [`key ${n}`, resource(n)]))
  await keepMade('whole.bin', 1, () => doc.commit({ put: all }, { parent: 'none' }))
  await doc.commit({ put: { 'key 7': resource(7, 'y'), grün: resource(99) }, delete: ['key 1'] }, { parent: 'any' })
  keep('head-delta.bin')
  await keepMade('delta.bin', 1, () => doc.commit({ put: { large: resource(1, 'z'.repeat(50)) } }, { parent: 'any' }))
  await doc.rollback('@2')
  keep('head-deltas.bin')
  await keepMade('full.bin', 1, () => doc.compact())
  await doc.commit({ delete: ['key 2'] }, { parent: 'any' })
  keep('head-full.bin')
  await doc.drop([(await doc.info('@2')).id])
  keep('head-dropped.bin')
  return files
}
