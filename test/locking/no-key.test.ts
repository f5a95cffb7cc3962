import { expect, it } from 'vitest'
import { json, openStore } from '../../src/index.ts'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'

it('a process that has no key at hand takes no lock', async () => {
  const bucket = new MemoryBucket()
  const open = async (keys: string) => openStore({ store: memoryStore({ bucket }), keys, memory: false })
  await (await open('plaintext')).init()
  const document = (await open('env:KEELSTATE_TEST_UNSET')).document('shop/prod', json<number>())
  await expect(document.lock({ operation: 'deploy' })).rejects.toMatchObject({ code: 'InvalidOptions' })
  expect(bucket.keys().filter((key) => key.startsWith('locks/'))).toEqual([])
})
