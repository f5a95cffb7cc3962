import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type GcpKmsKey, type GcpKmsServer, startGcpKmsServer } from '../../src/testing/index.ts'
import { Workspace } from './workspace.ts'

let server: GcpKmsServer
let key: GcpKmsKey
let at: Workspace

beforeAll(async () => {
  server = await startGcpKmsServer({ anonymous: true })
})
afterAll(() => server.close())
beforeEach(async () => {
  at = new Workspace()
  key = server.createKey(`state-${at.folder.slice(-6)}`)
  await at.ok(['init', '--store', 'file:./state', '--key', address()])
  server.takeRequests()
})
afterEach(() => at.remove())

const address = (one = key) => `gcp-kms:${one.name}?endpoint=${server.endpoint}`
const asked = () => server.takeRequests().map(({ operation }) => operation)

describe('the commands with a key of Cloud KMS', () => {
  it('ask it once a command, and show it by its name', async () => {
    await at.ok(['push', 'shop/prod'], { input: '{"a":1}' })
    expect(asked()).toEqual(['Encrypt'])
    expect((await at.ok(['pull', 'shop/prod'])).stdout).toBe('{"a":1}')
    expect(asked()).toEqual(['Decrypt'])
    const { json } = await at.ok(['status', 'shop/prod', '--json'])
    expect(JSON.stringify(json)).toContain(`"${key.name}"`)
    expect((await at.ok(['config'])).stdout).toContain(address())
  })

  it('end with 1 when the key may not be used, with 6 when it is another, with 2 when it is none', async () => {
    await at.ok(['push', 'shop/prod'], { input: '{"a":1}' })
    key.primary.state = 'DISABLED'
    const disabled = await at.run(['pull', 'shop/prod', '--json'])
    expect([disabled.code, disabled.json.error.code]).toEqual([1, 'AccessDenied'])
    key.primary.state = 'ENABLED'
    const other = server.createKey(`other-${at.folder.slice(-6)}`)
    const foreign = await at.run(['pull', 'shop/prod', '--json', '--key', address(other)])
    expect([foreign.code, foreign.json.error.code]).toEqual([6, 'DecryptFailed'])
    const none = await at.run(['pull', 'shop/prod', '--json', '--key', `gcp-kms:${server.keyRing}`])
    expect([none.code, none.json.error.code]).toEqual([2, 'InvalidOptions'])
  })
})
