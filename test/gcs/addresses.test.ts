import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { deployment, newSnapshot, openBackend } from '../../src/deployments/index.ts'
import { bytes, openStore, type Store } from '../../src/index.ts'
import { type GcsServer, startGcsServer } from '../../src/testing/index.ts'

let server: GcsServer
let address: string
const stores: Store[] = []

/** A process that knows the store's id. */
async function open(storeId?: string): Promise<Store> {
  const store = await openStore({
    store: address,
    keys: 'plaintext',
    memory: false,
    ...(storeId === undefined ? {} : { storeId }),
  })
  stores.push(store)
  return store
}

beforeEach(async () => {
  server = await startGcsServer({ anonymous: true })
  server.createBucket('acme-state')
  address = `gs://acme-state/team%20a/prod?endpoint=${server.endpoint}&conditionalWrites=trusted`
})
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close()
  await server.close()
})

describe('a gs: address', () => {
  it('opens a store that costs what every store costs', async () => {
    const { storeId } = await (await open()).init()
    const requests = () => server.takeRequests().map(({ operation, status }) => `${operation} ${status}`)
    requests()
    const document = (await open(storeId)).document('shop/settings', bytes())
    expect(requests()).toEqual([])
    expect(await document.read()).toBeUndefined()
    expect(requests()).toEqual(['GetObject 404'])
    await document.commit(Buffer.from('small'), { parent: 'none' })
    expect(requests()).toEqual(['PutObject 200'])
    await document.read()
    expect(requests()).toEqual(['GetObject 304'])
    await document.commit(Buffer.alloc(20_000, 'large'), { parent: 'any' })
    expect(requests()).toEqual(['PutObject 200', 'PutObject 200'])
    const elsewhere = (await open(storeId)).document('shop/settings', bytes())
    expect((await elsewhere.read())?.value).toHaveLength(20_000)
    expect(requests()).toEqual(['GetObject 200', 'GetObject 200'])
    await elsewhere.withLock({ operation: 'apply' }, async (held) => void (await held.commit(Buffer.from('next'))))
    expect(requests().filter((request) => !/^(GetObject|PutObject) (200|304|404)$/.test(request))).toEqual([])
  })

  it('is what the backend type gcs makes of its configuration', async () => {
    await (await open()).init()
    const configuration = {
      bucket: 'acme-state',
      prefix: 'team a/prod',
      endpoint: server.endpoint,
      keys: 'plaintext',
    }
    const backend = await openBackend('gcs', configuration, { factory: 'shop', stack: 'prod' })
    expect(await backend.list()).toEqual([])
    const deployments = deployment(await open(), { factory: 'shop', stack: 'prod' })
    const revision = await deployments.commit(
      newSnapshot({ name: 'shop', version: '1.4.0', contentRevision: 'dd1b0010' }, 'prod'),
    )
    expect(await backend.list()).toEqual([revision])
    expect(server.requests.every(({ bucket }) => bucket === 'acme-state')).toBe(true)
    await expect(openBackend('gcs', { ...configuration, region: 'eu' }, { factory: 'a', stack: 'b' })).rejects.toThrow(
      'region',
    )
  })
})
