import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import {
  type Backend,
  type BackendType,
  backendTypes,
  createBackendTypes,
  deployment,
  envKey,
  newSnapshot,
  openBackend,
  registerBackendType,
} from '../../src/deployments/index.ts'
import { openStore } from '../../src/index.ts'
import { startS3Server } from '../../src/testing/index.ts'

const PROD = { factory: 'shop', stack: 'prod' }
const snapshot = newSnapshot({ name: 'shop', version: '1.4.0', contentRevision: 'dd1b0010' }, PROD.stack)

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keelstate-types-'))
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(folder, { recursive: true, force: true })
})

/** A backend that works: what one handle commits, another one that was opened by the same configuration reads. */
async function works(type: string, configuration: object): Promise<void> {
  const written = await (await openBackend(type, configuration, PROD)).commit(snapshot)
  const other = await openBackend(type, configuration, PROD)
  expect(await other.currentRev()).toBe(written)
  expect(await other.current()).toEqual(snapshot)
}

describe('a backend type', () => {
  it('has a name, a description and the schema of its configuration', async () => {
    expect(backendTypes().map(({ name }) => name)).toEqual(['file', 'gcs', 'memory', 's3'])
    for (const type of backendTypes()) {
      expect(type.description).toMatch(/^[A-Z].*\.$/)
      expect((await type.configuration()).safeParse({ unheardOf: 1 }).success).toBe(false)
    }
  })

  it('memory makes a deployment that ends with the process', async () => {
    const backend = await openBackend('memory', {}, PROD)
    expect(backend.stack()).toBe('prod')
    await backend.commit(snapshot)
    expect(await backend.current()).toEqual(snapshot)
    await expect((await openBackend('memory', {}, PROD)).current()).rejects.toMatchObject({ code: 'NoCurrent' })
  })

  it('file keeps deployments in a folder', async () => {
    await (await openStore({ store: `file:${folder}/state`, keys: 'plaintext' })).init()
    await works('file', { path: join(folder, 'state'), keys: 'plaintext' })
    expect(readdirSync(folder)).toEqual(['state'])
  })

  it('s3 keeps deployments in a bucket, under a prefix', async () => {
    const server = await startS3Server()
    try {
      vi.stubEnv('AWS_ACCESS_KEY_ID', server.credential.accessKeyId)
      vi.stubEnv('AWS_SECRET_ACCESS_KEY', server.credential.secretAccessKey)
      server.createBucket('state')
      const { region, endpoint } = server
      const address = `s3://state/team?region=${region}&endpoint=${endpoint}`
      await (await openStore({ store: address, keys: 'plaintext' })).init()
      await works('s3', { bucket: 'state', prefix: 'team', region, endpoint, keys: 'plaintext' })
      expect(
        server
          .bucket('state')
          .keys()
          .every((key) => key.startsWith('team/')),
      ).toBe(true)
    } finally {
      await server.close()
    }
  })

  it('takes the encrypter of the contract along', async () => {
    await (await openStore({ store: `file:${folder}/state`, keys: 'plaintext' })).init()
    const configuration = { path: join(folder, 'state'), keys: 'plaintext' }
    const variables = { KEY: Buffer.alloc(32, 1).toString('base64') }
    const encrypter = envKey('KEY', { variables })
    await (await openBackend('file', configuration, { ...PROD, encrypter })).commit(snapshot)
    await expect((await openBackend('file', configuration, PROD)).current()).rejects.toMatchObject({
      code: 'InvalidInput',
    })
    expect(await (await openBackend('file', configuration, { ...PROD, encrypter })).current()).toEqual(snapshot)
  })

  it('is refused by name when there is none of it, and its configuration where it is wrong', async () => {
    await expect(openBackend('consul', {}, PROD)).rejects.toMatchObject({
      code: 'InvalidOptions',
      message: 'There is no backend type "consul".',
      hint: 'Registered are: file, gcs, memory, s3.',
    })
    for (const [type, configuration, option] of [
      ['file', { keys: 'plaintext' }, 'path'],
      ['s3', { keys: 'plaintext' }, 'bucket'],
      ['gcs', { keys: 'plaintext' }, 'bucket'],
    ] as const)
      await expect(openBackend(type, configuration, PROD)).rejects.toMatchObject({
        code: 'InvalidOptions',
        details: { option },
      })
    await expect(openBackend('file', { path: 'x', keys: 'plaintext', bukcet: 'y' }, PROD)).rejects.toThrow(/bukcet/)
  })
})

describe('a registry of backend types', () => {
  const ofOnesOwn = (name: string): BackendType => ({
    name,
    description: 'One of our own.',
    configuration: async () => z.strictObject({ room: z.string() }),
    create: async (configuration, options): Promise<Backend> => {
      const { room } = configuration as { room: string }
      return deployment(await openStore({ store: 'memory:', keys: 'plaintext' }), { ...options, stack: room })
    },
  })

  it('takes a type of one’s own, and gives it the configuration that was checked', async () => {
    const types = createBackendTypes()
    types.register(ofOnesOwn('ours'))
    expect(types.list().map(({ name }) => name)).toEqual(['file', 'gcs', 'memory', 'ours', 's3'])
    expect((await types.open('ours', { room: 'attic' }, PROD)).stack()).toBe('attic')
    await expect(types.open('ours', { room: 7 }, PROD)).rejects.toMatchObject({ details: { option: 'room' } })
    expect(backendTypes().some(({ name }) => name === 'ours')).toBe(false)
  })

  it('refuses a type without a name, and a name that is taken', () => {
    const types = createBackendTypes()
    for (const name of ['', 's3'])
      expect(() => types.register(ofOnesOwn(name))).toThrow(expect.objectContaining({ code: 'InvalidInput' }))
  })

  it('is one for all where it is not said which: the contract’s free functions act on it', async () => {
    registerBackendType(ofOnesOwn('ours-for-all')) // for the rest of this process: nothing takes a type out again
    expect((await openBackend('ours-for-all', { room: 'cellar' }, PROD)).stack()).toBe('cellar')
    expect(() => registerBackendType(ofOnesOwn('ours-for-all'))).toThrow('registered already')
    expect(backendTypes().map(({ name }) => name)).toContain('ours-for-all')
  })
})
