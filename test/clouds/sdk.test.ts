import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type GcsServer, type S3Server, startGcsServer, startS3Server } from '../../src/testing/index.ts'
import { elsewhere, repository, runBundled } from '../bundled.ts'

const { AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: _, ...environment } = process.env

interface Driver {
  readonly name: string
  readonly sdk: string
  readonly scheme: string
  readonly imports: string
  start(): Promise<S3Server | GcsServer>
  /** Of a store on the server, as JSON. */
  options(server: S3Server | GcsServer): object
}

const DRIVERS: readonly Driver[] = [
  {
    name: 'the SDK for S3',
    sdk: '@aws-sdk/client-s3',
    scheme: 's3',
    imports: `import { s3Store as open } from './src/s3/index.ts'`,
    start: () => startS3Server(),
    options: ({ clientConfig }) => clientConfig,
  },
  {
    name: 'the client library of Google Cloud Storage',
    sdk: '@google-cloud/storage',
    scheme: 'gs',
    imports: `import { gcsStore as open } from './src/gcs/index.ts'`,
    start: () => startGcsServer({ anonymous: true }),
    options: ({ endpoint }) => ({ endpoint }),
  },
]

describe.each(DRIVERS)('$name', ({ sdk, scheme, imports, start, options }) => {
  let server: S3Server | GcsServer
  let nowhere: Awaited<ReturnType<typeof elsewhere>>
  beforeAll(async () => {
    server = await start()
    server.createBucket('state')
    nowhere = await elsewhere()
  })
  afterAll(async () => {
    await server.close()
    await nowhere.remove()
  })

  /** Runs `code` in a process of its own, with the driver bundled in and the SDK left to be found from `folder`. */
  function runDriver(code: string, folder: string): Promise<{ stdout: string; stderr: string }> {
    const env = { ...environment, OPTIONS: JSON.stringify({ ...options(server), bucket: 'state' }) }
    const source = `${imports}\nconst options = JSON.parse(process.env.OPTIONS)\n${code}`
    return runBundled(source, { external: [sdk], folder, env })
  }

  it('that is not installed makes every call Unsupported with the command that installs it', async () => {
    const { stdout } = await runDriver(
      `const store = open(options)
       const error = await store.get('heads/a').catch((error) => error)
       console.log(JSON.stringify([error.code, error.hint, error.details]))
       await store.close()`,
      nowhere.folder,
    )
    expect(JSON.parse(stdout)).toEqual([
      'Unsupported',
      expect.stringContaining(`npm install ${sdk}`),
      { notExecuted: true },
    ])
    expect(server.requests).toEqual([])
  })

  it('prints nothing, leaves the environment as it was, and lets the process end after close', async () => {
    const { stdout, stderr } = await runDriver(
      `const before = JSON.stringify(process.env)
       const store = open(options)
       await store.put('heads/a', Buffer.from('1'), { ifAbsent: true })
       await store.close()
       console.log(JSON.stringify(process.env) === before)`,
      repository,
    )
    expect([stdout, stderr]).toEqual(['true\n', ''])
  })

  it('is not loaded before the first call', async () => {
    const { stdout } = await runDriver(
      `const store = open(options); await store.delete([]); await store.close(); console.log(store.address)`,
      nowhere.folder,
    )
    expect(stdout).toBe(`${scheme}://state?endpoint=${server.endpoint}\n`)
  })
})
