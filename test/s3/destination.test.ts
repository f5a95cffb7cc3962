import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { S3Client } from '@aws-sdk/client-s3'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { encodeProof, proofKey } from '../../src/core/proof.ts'
import { doctor, json, type ObjectStore, openStore } from '../../src/index.ts'
import { connectS3, type S3ClientSlice } from '../../src/s3/client.ts'
import { s3Store } from '../../src/s3/index.ts'
import { parseS3StoreOptions } from '../../src/s3/options.ts'
import { type S3Server, startS3Server } from '../../src/testing/index.ts'

let server: S3Server
let folder: string

beforeEach(async () => {
  for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) vi.stubEnv(name, undefined)
  server = await startS3Server()
  server.createBucket('state')
  folder = await mkdtemp(join(tmpdir(), 'keelstate-aws-'))
  vi.stubEnv('AWS_ACCESS_KEY_ID', server.credential.accessKeyId)
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', server.credential.secretAccessKey)
  vi.stubEnv('AWS_REGION', server.region)
  vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', join(folder, 'none'))
  vi.stubEnv('AWS_CONFIG_FILE', join(folder, 'none'))
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await server.close()
  await rm(folder, { recursive: true })
})

async function lock(store: ObjectStore): Promise<void> {
  const opened = await openStore({ store, keys: 'plaintext', memory: false, cache: false })
  await opened.init()
  await opened.document('shop/prod', json<number>()).withLock({ operation: 'deploy' }, (held) => held.commit(1))
}

/** Where a store lies, and whether its service has to prove itself and can. */
function told({ address, capabilities }: ObjectStore): [string, boolean | undefined, boolean | undefined] {
  return [address, capabilities.proofNeeded, capabilities.provable]
}

describe('an endpoint that the environment names', () => {
  it('stands in the address as one that is given, so that what is proven there counts nowhere else', async () => {
    vi.stubEnv('AWS_ENDPOINT_URL', 'https://all.example')
    expect(told(s3Store({ bucket: 'state' }))).toEqual(['s3://state?endpoint=https://all.example', true, true])
    vi.stubEnv('AWS_ENDPOINT_URL_S3', server.endpoint)
    expect(s3Store({ bucket: 'state' }).address).toBe(`s3://state?endpoint=${server.endpoint}`)
    const given = s3Store({ bucket: 'state', endpoint: 'https://given.example' })
    expect(given.address).toBe('s3://state?endpoint=https://given.example')

    const open = () => s3Store({ bucket: 'state', forcePathStyle: true })
    await expect(lock(open())).rejects.toMatchObject({ code: 'Unsupported' })
    expect(await doctor({ store: open(), rounds: 10 })).toMatchObject({ verdict: 'safe', remembered: true })
    await lock(open())
    vi.stubEnv('AWS_ENDPOINT_URL_S3', server.endpoint.replace('127.0.0.1', 'localhost'))
    await expect(lock(open())).rejects.toMatchObject({ code: 'Unsupported' })
  })

  it('is none when it is empty, or the SDK is told to ignore it, and needs no proof when it is one of AWS', () => {
    vi.stubEnv('AWS_ENDPOINT_URL_S3', '')
    expect(told(s3Store({ bucket: 'state' }))).toEqual(['s3://state', false, true])
    vi.stubEnv('AWS_ENDPOINT_URL_S3', 'https://s3.eu-west-1.amazonaws.com')
    expect(s3Store({ bucket: 'state' }).capabilities.proofNeeded).toBe(false)
    vi.stubEnv('AWS_ENDPOINT_URL_S3', server.endpoint)
    vi.stubEnv('AWS_IGNORE_CONFIGURED_ENDPOINT_URLS', 'true')
    expect(told(s3Store({ bucket: 'state' }))).toEqual(['s3://state', false, true])
  })

  it('is refused when it holds a secret, which is not repeated', () => {
    vi.stubEnv('AWS_ENDPOINT_URL_S3', 'https://ada:hush@minio.example')
    const open = () => s3Store({ bucket: 'state' })
    expect(open).toThrow(
      expect.objectContaining({
        code: 'InvalidOptions',
        details: { option: 'AWS_ENDPOINT_URL_S3', notExecuted: true },
      }),
    )
    expect(open).not.toThrow(/hush/)
  })

  it('counts for a client that was passed in as well, unless it ignores it', async () => {
    vi.stubEnv('AWS_ENDPOINT_URL_S3', server.endpoint)
    const client = new S3Client({ forcePathStyle: true, maxAttempts: 1 })
    const store = s3Store({ bucket: 'state', client })
    expect(told(store)).toEqual([`s3://state?endpoint=${server.endpoint}`, true, true])
    await expect(lock(store)).rejects.toMatchObject({ code: 'Unsupported' })
    const deaf = { send: client.send.bind(client) as never, config: { ignoreConfiguredEndpointUrls: true } }
    expect(told(s3Store({ bucket: 'state', client: deaf }))).toEqual(['s3://state', false, true])
    client.destroy()
  })
})

describe('a client that was passed in with an endpoint of its own', () => {
  it('is let in by no proof that lies there, and only when it is said to be trusted', async () => {
    const client = new S3Client({ ...server.clientConfig, maxAttempts: 1 })
    vi.stubEnv('AWS_ENDPOINT_URL_S3', 'https://elsewhere.example')
    const store = s3Store({ bucket: 'state', client })
    expect(told(store)).toEqual(['s3://state', true, false])
    const proof = encodeProof({ address: store.address, at: '2026-01-01T00:00:00Z', writers: 8, rounds: 25 })
    await store.put(proofKey(store.address), proof, { ifAbsent: true })
    await expect(lock(store)).rejects.toMatchObject({
      code: 'Unsupported',
      message: expect.stringContaining('an endpoint of its own'),
    })
    await lock(s3Store({ bucket: 'state', client, conditionalWrites: 'trusted' }))
    client.destroy()
  })
})

describe('an endpoint that the AWS profile names', () => {
  const useProfile = async (endpoint: string) => {
    const path = join(folder, 'config')
    await writeFile(path, `[profile minio]\nregion = ${server.region}\nendpoint_url = ${endpoint}\n`)
    vi.stubEnv('AWS_CONFIG_FILE', path)
    vi.stubEnv('AWS_PROFILE', 'minio')
  }

  it('is refused before anything is sent, with what to add to the address', async () => {
    await useProfile(server.endpoint)
    const store = s3Store({ bucket: 'state', forcePathStyle: true, credentials: server.credential })
    const refused = { code: 'InvalidOptions', hint: expect.stringContaining('endpoint=') }
    await expect(store.get('store')).rejects.toMatchObject(refused)
    await expect(doctor({ store })).rejects.toMatchObject(refused)
    expect(server.takeRequests()).toEqual([])
    const trusted = {
      bucket: 'state',
      forcePathStyle: true,
      credentials: server.credential,
      conditionalWrites: 'trusted',
    } as const
    await lock(s3Store(trusted))
  })

  const prepared = async (found: string | undefined, options: { endpoint?: string } = {}) => {
    const config = { serviceConfiguredEndpoint: async () => found }
    const client: S3ClientSlice = { send: async () => ({}), config }
    const { prepare } = await connectS3({ ...parseS3StoreOptions({ bucket: 'state', client }), ...options })
    return await prepare()
  }

  it('is fine when it is one of AWS, or the one that the address says', async () => {
    await prepared(undefined)
    await prepared('https://bucket.vpce-1a2b.s3.eu-west-1.vpce.amazonaws.com')
    const refused = await prepared('https://ada:hush@minio.example').catch((error: Error) => error)
    expect(refused).toMatchObject({
      code: 'InvalidOptions',
      message: expect.stringContaining('https://minio.example,'),
    })
    vi.stubEnv('AWS_ENDPOINT_URL_S3', 'https://minio.example')
    await prepared('https://minio.example')
    await expect(prepared('https://other.example')).rejects.toMatchObject({ code: 'InvalidOptions' })
    await expect(prepared(undefined)).rejects.toMatchObject({ code: 'InvalidOptions' })
  })
})
