import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type GcsServer, startGcsServer } from '../../src/testing/index.ts'

const repository = join(import.meta.dirname, '../..')

let server: GcsServer
let elsewhere: string
beforeAll(async () => {
  server = await startGcsServer({ anonymous: true })
  server.createBucket('state')
  elsewhere = await mkdtemp(join(tmpdir(), 'keelstate-no-sdk-'))
})
afterAll(async () => {
  await server.close()
  await rm(elsewhere, { recursive: true })
})

/** Runs `code` in a process of its own, with the driver bundled in and the SDK left to be found from `folder`. */
async function runDriver(code: string, folder: string): Promise<{ stdout: string; stderr: string }> {
  const bundle = await build({
    stdin: {
      contents: `import { gcsStore } from './src/gcs/index.ts'\nconst options = JSON.parse(process.env.OPTIONS)\n${code}`,
      resolveDir: repository,
      loader: 'ts',
    },
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    external: ['@google-cloud/storage'],
  })
  const env = { ...process.env, OPTIONS: JSON.stringify({ endpoint: server.endpoint, bucket: 'state' }) }
  const running = promisify(execFile)(process.execPath, ['--input-type=module'], { cwd: folder, env })
  running.child.stdin?.end(bundle.outputFiles[0]!.text)
  return running
}

describe('the client library', () => {
  it('that is not installed makes every call Unsupported with the command that installs it', async () => {
    const { stdout } = await runDriver(
      `const store = gcsStore(options)
       const error = await store.get('heads/a').catch((error) => error)
       console.log(JSON.stringify([error.code, error.hint, error.details]))
       await store.close()`,
      elsewhere,
    )
    expect(JSON.parse(stdout)).toEqual([
      'Unsupported',
      expect.stringContaining('npm install @google-cloud/storage'),
      { notExecuted: true },
    ])
    expect(server.requests).toEqual([])
  })

  it('prints nothing, leaves the environment as it was, and lets the process end after close', async () => {
    const { stdout, stderr } = await runDriver(
      `const before = JSON.stringify(process.env)
       const store = gcsStore(options)
       await store.put('heads/a', Buffer.from('1'), { ifAbsent: true })
       await store.close()
       console.log(JSON.stringify(process.env) === before)`,
      repository,
    )
    expect([stdout, stderr]).toEqual(['true\n', ''])
  })

  it('is not loaded before the first call', async () => {
    const { stdout } = await runDriver(
      `const store = gcsStore(options); await store.delete([]); await store.close(); console.log(store.address)`,
      elsewhere,
    )
    expect(stdout).toBe(`gs://state?endpoint=${server.endpoint}\n`)
  })
})
