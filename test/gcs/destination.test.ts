import { afterEach, describe, expect, it, vi } from 'vitest'
import type { ObjectStore } from '../../src/core/store.ts'
import { gcsStore } from '../../src/gcs/index.ts'

afterEach(() => vi.unstubAllEnvs())

/** Where a store lies, and whether its service has to prove itself and can. */
function told({ address, capabilities }: ObjectStore): [string, boolean | undefined, boolean | undefined] {
  return [address, capabilities.proofNeeded, capabilities.provable]
}

describe('an emulator that STORAGE_EMULATOR_HOST names', () => {
  it('stands in the address, so that what is proven there counts nowhere else', () => {
    for (const [host, endpoint] of [
      ['localhost:4443', 'http://localhost:4443'],
      ['https://gcs.example', 'https://gcs.example'],
    ]) {
      vi.stubEnv('STORAGE_EMULATOR_HOST', host)
      expect(told(gcsStore({ bucket: 'state' }))).toEqual([`gs://state?endpoint=${endpoint}`, true, true])
    }
    const given = gcsStore({ bucket: 'state', endpoint: 'https://storage.googleapis.com' })
    expect(told(given)).toEqual(['gs://state?endpoint=https://storage.googleapis.com', false, true])
    vi.stubEnv('STORAGE_EMULATOR_HOST', '')
    expect(told(gcsStore({ bucket: 'state' }))).toEqual(['gs://state', false, true])
  })

  it('is refused when it holds a secret, which is not repeated', () => {
    vi.stubEnv('STORAGE_EMULATOR_HOST', 'http://ada:hush@gcs.example')
    const open = () => gcsStore({ bucket: 'state' })
    expect(open).toThrow(expect.objectContaining({ code: 'InvalidOptions' }))
    expect(open).not.toThrow(/hush/)
  })
})

describe('a client that was passed in', () => {
  it('has to be trusted when it has an endpoint of its own: no address says which', () => {
    vi.stubEnv('STORAGE_EMULATOR_HOST', 'localhost:4443')
    const bucket = () => ({})
    expect(told(gcsStore({ bucket: 'state', client: { bucket } }))).toEqual(['gs://state', false, true])
    const client = { bucket, customEndpoint: true }
    expect(told(gcsStore({ bucket: 'state', client }))).toEqual(['gs://state', true, false])
    const trusted = gcsStore({ bucket: 'state', client, conditionalWrites: 'trusted' })
    expect(told(trusted)).toEqual(['gs://state', false, false])
  })
})
