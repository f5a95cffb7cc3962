import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type GcpKmsServer, startGcpKmsServer } from '../../src/testing/index.ts'
import { elsewhere, repository, runBundled } from '../bundled.ts'

const NAME = 'projects/acme-state/locations/europe-west1/keyRings/keelstate/cryptoKeys/state'

let server: GcpKmsServer
let nowhere: Awaited<ReturnType<typeof elsewhere>>
beforeAll(async () => {
  server = await startGcpKmsServer()
  server.createKey('state')
  nowhere = await elsewhere()
})
afterAll(async () => {
  await server.close()
  await nowhere.remove()
})

/** Runs `code` in a process of its own that finds no credentials, with the library left to be found from `folder`. */
async function run(code: string, folder: string) {
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: nowhere.folder,
    METADATA_SERVER_DETECTION: 'none',
    KEY: NAME,
    ENDPOINT: server.endpoint,
  }
  const source = `import { GcpKmsProvider } from './src/encrypt/index.ts'
    const scope = { storeId: new Uint8Array(16), kind: 'state', path: 'shop/prod' }
    const report = ({ code, hint, details }) => console.log(JSON.stringify({ code, hint, details }))
    ${code}`
  return runBundled(source, { external: ['google-auth-library', '@aws-sdk/client-kms'], folder, env })
}

const WRAP = 'await new GcpKmsProvider({ key: process.env.KEY }).wrap(new Uint8Array(32), scope).then(report, report)'

describe('the library that signs in to Google Cloud', () => {
  it('that is not installed makes every call Unsupported with the command that installs it', async () => {
    const { stdout } = await run(WRAP, nowhere.folder)
    expect(JSON.parse(stdout)).toEqual({
      code: 'Unsupported',
      hint: expect.stringContaining('npm install google-auth-library'),
      details: { notExecuted: true },
    })
  })

  it('is not loaded before the first call', async () => {
    const { stdout } = await run('console.log(new GcpKmsProvider({ key: process.env.KEY }).describe())', nowhere.folder)
    expect(stdout).toBe(`gcp-kms:${NAME}\n`)
  })

  it('that finds no credentials is an error of its own that says how to sign in', async () => {
    const { stdout } = await run(WRAP, repository)
    expect(JSON.parse(stdout)).toMatchObject({
      code: 'Unauthenticated',
      hint: expect.stringContaining('gcloud auth application-default login'),
      details: { notExecuted: true },
    })
  })

  it('prints nothing, leaves the environment as it was, and lets the process end', async () => {
    const { stdout, stderr } = await run(
      `const before = JSON.stringify(process.env)
       const key = process.env.KEY + '?endpoint=' + process.env.ENDPOINT
       const provider = new GcpKmsProvider({ key, credentials: async () => 'fixture-token' })
       const dataKey = new Uint8Array(32).fill(7)
       const wrapped = await provider.wrap(dataKey, scope)
       console.log(Buffer.compare(await provider.unwrap(wrapped, scope), dataKey), JSON.stringify(process.env) === before)`,
      repository,
    )
    expect([stdout, stderr]).toEqual(['0 true\n', ''])
  })
})
