import { bytes, openStore, type VersionedDocument } from '../../src/index.ts'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'
import { VirtualTime } from './virtual-time.ts'

/** How the golden store was written: with a clock and chance that are always the same, in the clear. */
export const KIND = 'state'
export const SEGMENTS: readonly string[] = ['shop', 'größe ~']
export const NAME = 'shop/größe ~'
export const HEAD = 'heads/state/shop/gr%C3%B6%C3%9Fe%20%7E/~'
export const LARGE: string = 'large '.repeat(2_000)

const body = (text: string) => Buffer.from(text)

/** Stored bytes by the name of their golden file. */
export async function writeGoldenStore(): Promise<Map<string, Uint8Array>> {
  const bucket = new MemoryBucket()
  const files = new Map<string, Uint8Array>()
  const environment = new VirtualTime({ seed: 20_260_102 })
  const store = await openStore({
    store: memoryStore({ bucket }),
    keys: 'plaintext',
    memory: false,
    by: 'me@here',
    environment,
  })
  await store.init()
  const doc = store.document(NAME, bytes('text/plain'))
  const keep = (name: string, key = HEAD) => files.set(name, Uint8Array.from(bucket.peek(key)!.bytes))
  const objects = () => bucket.keys().filter((key) => key.startsWith('objects/'))
  /** Does something and keeps the newest object that it made. */
  const keepMade = async (name: string, role: number, work: () => Promise<unknown>) => {
    const before = objects()
    await work()
    const made = objects().filter((key) => !before.includes(key) && roleOf(bucket.peek(key)!.bytes) === role)
    keep(name, made.at(-1)!)
  }
  const commits = async (count: number) => {
    for (let n = 0; n < count; n++) {
      environment.wall += 1_000
      await doc.commit(body(`revision ${(await doc.status()).lastNumber + 1}`), { parent: 'any', message: 'next' })
    }
  }

  keep('store', 'store')
  await doc.commit(body('{"replicas":1}'), { parent: 'none', message: 'first', type: 'json', label: 'v1' })
  keep('head-first.bin')
  await keepMade('content.bin', 1, () =>
    doc.commit(body(LARGE), { parent: 'any', by: 'somebody@else', label: 'größe' }),
  )
  await doc.rollback('v1', { message: 'back' })
  await doc.add(body('beside'), {})
  keep('head-tail.bin')
  await doc.withLock({ operation: 'deploy' }, (held) => held.commit(body('under a lock')))
  keep('head-epoch.bin')
  await keepMade('segment.bin', 2, () => commits(15))
  keep('head-segment.bin')
  await doc.setCurrent('@3')
  keep('head-stored.bin')
  await commits(1)
  keep('head-untils.bin')
  await keepMade('segment-untils.bin', 2, () => commits(17))
  await keepMade('index.bin', 3, () => commits(14 * 17))
  keep('head-index.bin')
  await doc.drop([(await doc.add(body(`${LARGE}not for long`))).id])
  keep('head-condemned.bin')
  await commitLarge(doc, 40)
  await keepMade('condemned.bin', 4, () => doc.prune({ keepLast: 2 }))
  keep('head-list.bin')
  await doc.collect()
  keep('head-barrier.bin')
  await doc.delete({ message: 'not needed any more' })
  keep('head-tombstone.bin')
  return files
}

async function commitLarge(doc: VersionedDocument<Uint8Array>, count: number): Promise<void> {
  for (let n = 0; n < count; n++) await doc.commit(body(`${n} ${LARGE}`), { parent: 'any' })
}

/** The role of an object, 0 of a head. docs/format.md "Messages". */
export function roleOf(stored: Uint8Array): number {
  const all = Buffer.from(stored)
  if ((all[6]! & 2) !== 0) return 0
  let at = 24
  for (let text = 0; text < 2; text++) at += 2 + all.readUInt16BE(at)
  return all[at]!
}
