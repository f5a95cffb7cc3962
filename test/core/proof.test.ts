import { describe, expect, it } from 'vitest'
import { encodeProof, ProofGate, proofKey } from '../../src/core/proof.ts'
import { memoryStore } from '../../src/memory/index.ts'
import { faultyStore } from '../../src/testing/index.ts'
import { storeWith } from '../store-with.ts'

/** A store that has to be proven, and what is asked of it. */
function unproven() {
  const store = faultyStore(memoryStore())
  const needing = storeWith(store, { capabilities: { ...store.capabilities, proofNeeded: true } })
  const prove = async () => {
    const proof = encodeProof({ address: store.address, at: '2026-01-01T00:00:00Z', writers: 4, rounds: 100 })
    await store.put(proofKey(store.address), proof, { ifAbsent: true })
  }
  return { gate: new ProofGate(needing), faults: store.faults, prove }
}

describe('a store that has to prove itself', () => {
  it('lets a call through beside one that gives up while the proof is read', async () => {
    const { gate, faults, prove } = unproven()
    await prove()
    const abort = new AbortController()
    const hold = faults.hold({ method: 'get', times: 2 })
    const impatient = gate.pass({ signal: abort.signal })
    const patient = gate.pass({})
    await hold.arrived()
    abort.abort()
    await expect(impatient).rejects.toMatchObject({ code: 'Aborted' })
    await hold.releaseAll()
    await expect(patient).resolves.toBeUndefined()
  })

  it('is asked again after it was refused, and never again once it was let through', async () => {
    const { gate, faults, prove } = unproven()
    await expect(gate.pass({})).rejects.toMatchObject({ code: 'Unsupported' })
    await prove()
    await gate.pass({})
    faults.add({ method: 'get', times: Number.POSITIVE_INFINITY }, { do: 'drop-request' })
    await gate.pass({})
  })
})
