import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type KmsServer, startKmsServer } from '../../src/testing/index.ts'
import { elsewhere, repository, runBundled } from '../bundled.ts'

let server: KmsServer
let nowhere: Awaited<ReturnType<typeof elsewhere>>
beforeAll(async () => {
  server = await startKmsServer()
  server.setAlias('alias/state', server.createKey())
  nowhere = await elsewhere()
})
afterAll(async () => {
  await server.close()
  await nowhere.remove()
})

/** Runs `code` in a process of its own that finds neither credentials nor a region, with the SDK left to be found from `folder`. */
async function run(code: string, folder: string, more: Record<string, string> = {}) {
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: nowhere.folder,
    AWS_EC2_METADATA_DISABLED: 'true',
    ENDPOINT: server.endpoint,
    ...more,
  }
  const source = `import { AwsKmsProvider } from './src/encrypt/index.ts'
    const scope = { storeId: new Uint8Array(16), kind: 'state', path: 'shop/prod' }
    const report = ({ code, hint, details }) => console.log(JSON.stringify({ code, hint, details }))
    ${code}`
  return runBundled(source, { external: ['@aws-sdk/client-kms'], folder, env })
}

const GENERATE = 'await new AwsKmsProvider({ key: process.env.KEY }).generate(scope).then(report, report)'
const KEY_PAIR = { AWS_ACCESS_KEY_ID: 'fixture-key', AWS_SECRET_ACCESS_KEY: 'fixture-secret' }

describe('the SDK of AWS KMS', () => {
  it('that is not installed makes every call Unsupported with the command that installs it', async () => {
    const { stdout } = await run(GENERATE, nowhere.folder, { KEY: 'alias/state?region=us-east-1' })
    expect(JSON.parse(stdout)).toEqual({
      code: 'Unsupported',
      hint: expect.stringContaining('npm install @aws-sdk/client-kms'),
      details: { notExecuted: true },
    })
  })

  it('is not loaded before the first call', async () => {
    const { stdout } = await run("console.log(new AwsKmsProvider({ key: 'alias/state' }).describe())", nowhere.folder)
    expect(stdout).toBe('aws-kms:alias/state\n')
  })

  it('that finds no region, or no credentials, is an error of its own, and nothing is sent', async () => {
    const unplaced = await run(GENERATE, repository, { ...KEY_PAIR, KEY: `alias/state?endpoint=${server.endpoint}` })
    expect(JSON.parse(unplaced.stdout)).toMatchObject({
      code: 'InvalidOptions',
      hint: expect.stringContaining('?region='),
    })
    const KEY = `alias/state?region=us-east-1&endpoint=${server.endpoint}`
    const nobody = await run(GENERATE, repository, { KEY })
    expect(JSON.parse(nobody.stdout)).toMatchObject({
      code: 'Unauthenticated',
      hint: expect.stringContaining('AWS_PROFILE'),
    })
    expect(server.requests).toEqual([])
  })

  it('prints nothing, leaves the environment as it was, and lets the process end', async () => {
    const { stdout, stderr } = await run(
      `const before = JSON.stringify(process.env)
       const provider = new AwsKmsProvider({ key: process.env.KEY })
       const { dataKey, wrapped } = await provider.generate(scope)
       console.log(Buffer.compare(await provider.unwrap(wrapped, scope), dataKey), JSON.stringify(process.env) === before)`,
      repository,
      { ...KEY_PAIR, AWS_REGION: 'us-east-1', KEY: `alias/state?endpoint=${server.endpoint}` },
    )
    expect([stdout, stderr]).toEqual(['0 true\n', ''])
  })
})
