import { expect, it } from 'vitest'
import { accessTo } from '../../src/core/access.ts'
import { systemEnvironment } from '../../src/core/environment.ts'
import { HeadWriter } from '../../src/core/head-writer.ts'
import { fromHex } from '../../src/core/header.ts'
import { ProcessMemory } from '../../src/core/memory.ts'
import { documentName } from '../../src/core/names.ts'
import { DEFAULT_LIMITS, Deadline } from '../../src/core/retry.ts'
import { makeSealer, StaticKeyProvider } from '../../src/encrypt/index.ts'
import { memoryStore } from '../../src/memory/index.ts'
import { Unheard } from '../unheard.ts'

const unheard = new Unheard()

it('a data key that cannot be made when whoever asked for it has given up fails unheard of', async () => {
  let asked = 0
  const key = async () => {
    asked++
    throw new Error('no such key')
  }
  const environment = systemEnvironment
  const sealer = makeSealer([new StaticKeyProvider({ address: 'env:GONE', key })], {
    salt: async () => new Uint8Array(16),
    environment,
  })
  const parts = { store: memoryStore(), sealer, environment, limits: DEFAULT_LIMITS, memory: new ProcessMemory() }
  const writer = new HeadWriter(accessTo(documentName(['shop', 'prod']), fromHex('5d'.repeat(16)), parts))
  const deadline = new Deadline(environment, DEFAULT_LIMITS, AbortSignal.abort())
  await expect(writer.keysFor(undefined, deadline)).rejects.toMatchObject({ code: 'Aborted' })
  await unheard.expectNone()
  expect(asked).toBe(1)
})
