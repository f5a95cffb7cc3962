import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { doctor } from '../../src/index.ts'
import { s3Store } from '../../src/s3/index.ts'
import { type S3Server, startS3Server } from '../../src/testing/index.ts'
import { Workspace } from './workspace.ts'

let server: S3Server
let at: Workspace

beforeAll(async () => {
  server = await startS3Server()
  server.createBucket('state')
})
afterAll(() => server.close())

beforeEach(async () => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', server.credential.accessKeyId)
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', server.credential.secretAccessKey)
  at = new Workspace()
  const store = `s3://state?region=${server.region}&endpoint=${server.endpoint}&conditionalWrites=trusted`
  at.write('keelstate.json', JSON.stringify({ store, keys: 'plaintext' }))
  await at.ok(['init'])
})
afterEach(() => {
  vi.unstubAllEnvs()
  at.remove()
})

const MINUTE = 60_000
const ending = (minutes: number): void =>
  void vi.stubEnv('AWS_CREDENTIAL_EXPIRATION', new Date(Date.now() + minutes * MINUTE + 5_000).toISOString())

describe('credentials that end', () => {
  it('before the lock does are warned about when it is taken, and it is taken', async () => {
    ending(10)
    const { stdout, stderr } = await at.ok(['lock', 'shop/one', '--for', '30m'])
    expect(stderr).toMatch(
      /^warning: the credentials end in \d+ (min|s)[^(]* \(\d{4}-.*Z\), before the lock does; .*sign in again/,
    )
    expect(stdout).toMatch(/^[0-9a-f]{32}\n$/)
  })

  it('after it does are no matter', async () => {
    ending(40)
    expect((await at.ok(['lock', 'shop/two', '--for', '30m'])).stderr).not.toContain('warning')
  })

  it('and do not say when are no matter either', async () => {
    vi.stubEnv('AWS_CREDENTIAL_EXPIRATION', undefined)
    expect((await at.ok(['lock', 'shop/three', '--for', '12h'])).stderr).not.toContain('warning')
  })

  it('within an hour are warned about before a command is run under the lock', async () => {
    ending(20)
    const run = await at.ok(['lock', 'shop/four', '--', process.execPath, '-e', ''])
    expect(run.stderr).toMatch(/^warning: the credentials end in .*before a command of an hour would/)
  })

  it('are told of by doctor', async () => {
    const examine = async (minutes: number) => {
      const credentials = { ...server.credential, expiration: new Date(Date.now() + minutes * MINUTE) }
      const store = s3Store({ ...server.clientConfig, bucket: 'state', prefix: 'doctor', credentials })
      return (await doctor({ store, rounds: 1 })).findings.find(({ check }) => check === 'credentials')?.verdict
    }
    expect([await examine(5), await examine(600)]).toEqual(['warning', 'ok'])
  })
})
