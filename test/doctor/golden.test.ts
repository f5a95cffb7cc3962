import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { encodeProof, proofKey, readProof } from '../../src/core/proof.ts'
import { doctor, openStore } from '../../src/index.ts'
import type { LockKey, LockRecord } from '../../src/locking/index.ts'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'
import { MemoryLockTable, memoryLockStore } from '../../src/testing/index.ts'

// Golden files are never made anew: they are what released versions wrote.
const golden = (name: string) => readFileSync(new URL(`golden/${name}`, import.meta.url))

describe('what doctor leaves in a store', () => {
  it('is a proof of these bytes, at this key', async () => {
    const proof = { address: 'memory:', at: '2026-11-21T16:00:00.000Z', writers: 8, rounds: 25 }
    expect(Buffer.from(encodeProof(proof))).toEqual(golden('proof.json'))
    expect(proofKey('s3://acme/prod?endpoint=https://minio.example')).toBe(
      'objects/~doctor/proofs/7a8877f9cced3a953a3aaa3e2d81883e',
    )
    const store = memoryStore()
    await store.put(proofKey('memory:'), golden('proof.json'), { ifAbsent: true })
    expect(await readProof(store)).toEqual(proof)
  })

  it.each([
    ['of another address', golden('proof.json').toString().replace('memory:', 's3://elsewhere')],
    ['of another format', golden('proof.json').toString().replace('proof/1', 'proof/2')],
    ['that is cut', golden('proof.json').toString().slice(0, 40)],
    ['without what was done', '{"format":"keelstate-proof/1","address":"memory:"}'],
    ['that is empty', ''],
  ])('is no proof when it is one %s', async (_, text) => {
    const store = memoryStore()
    await store.put(proofKey('memory:'), Buffer.from(text), { ifAbsent: true })
    expect(await readProof(store)).toBeUndefined()
  })

  it.each([
    ['its token', 'ffeeddccbbaa99887766554433221100', 'ok'],
    ['the token before, after a run that was interrupted', '00112233445566778899aabbccddeeff', 'ok'],
    ['any other', '11111111111111111111111111111111', 'unsafe'],
  ])('and a pairing that is read from these bytes: with %s in the table it is %s', async (_, token, verdict) => {
    const bucket = new MemoryBucket()
    const store = memoryStore({ bucket })
    const { storeId } = await (await openStore({ store: memoryStore({ bucket }), keys: 'plaintext' })).init()
    await store.put('doctor/pairing', golden('pairing.json'), { ifAbsent: true })
    const table = new MemoryLockTable()
    const key: LockKey = { storeId, name: { kind: 'doctor', segments: ['pairing'] }, identity: '~doctor/pairing' }
    table.overwrite(key, { ...RECORD, token })
    const { findings } = await doctor({ store, lock: memoryLockStore(table), rounds: 1 })
    expect(findings).toContainEqual(expect.objectContaining({ check: 'lock-pairing', verdict }))
  })
})

const RECORD: LockRecord = {
  held: false,
  owner: '0'.repeat(32),
  token: '0'.repeat(32),
  fence: 1n,
  leaseMs: 30_000,
  clean: false,
  prevClean: false,
  uncertain: false,
  reset: false,
  lastSeq: 0,
  lastId: '',
  birth: '',
  since: '2026-11-21T16:00:00.000Z',
  who: 'keelstate doctor',
  host: '',
  operation: 'doctor',
  reason: 's3://elsewhere',
}
