import { chmodSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { startS3Server } from '../../src/testing/index.ts'
import { Workspace } from './workspace.ts'

let at: Workspace

beforeEach(async () => {
  at = await Workspace.initialised()
})
afterEach(() => {
  vi.unstubAllEnvs()
  at.remove()
})

describe('doctor', () => {
  it('gives one verdict for each check, what to do, and one for all', async () => {
    chmodSync(at.path('state'), 0o750)
    const { stdout, stderr } = await at.ok(['doctor', '--rounds', '10', '--writers', '8'])
    const lines = stdout.trimEnd().split('\n')
    expect(lines).toContainEqual(
      expect.stringMatching(/^ok +create-race +8 writers at once .* 10 times: one did, each time\.$/),
    )
    expect(lines).toContainEqual(expect.stringMatching(/^warning +folder-access/))
    expect(lines).toContainEqual(expect.stringMatching(/^ {2}folder-access: chmod 700 /))
    expect(lines.at(-1)).toMatch(/^file:.*: safe: state and locks can be kept here \(\d+ warnings?.*\)$/)
    expect(stderr).toBe('remembered in the store: locks are let in at this address\n')
  })

  it('exits with 1 when the store is unsafe, with the whole report in --json', async () => {
    chmodSync(at.path('state'), 0o777)
    const { code, json } = await at.run(['doctor', '--rounds', '1', '--json'])
    expect([code, json.error.code]).toEqual([1, 'Unsupported'])
    expect(json.error.message).toBe('The store is not safe: folder-access.')
    expect(json.report).toMatchObject({ schema: 'keelstate.doctor/1', verdict: 'unsafe', lock: null })
    expect(json.report.findings).toContainEqual(expect.objectContaining({ check: 'folder-access', verdict: 'unsafe' }))
  })

  it('needs no key, and a store that is there', async () => {
    const { json } = await at.ok(['doctor', '--store', 'file:./state', '--rounds', '10', '--json'])
    expect(json).toMatchObject({ verdict: 'safe', remembered: true, storeId: expect.stringMatching(/^[0-9a-f]{32}$/) })
    const gone = await at.run(['doctor', '--store', 'file:./elsewhere', '--json'])
    expect([gone.code, gone.json.error.code]).toEqual([1, 'BucketMissing'])
  })

  it.each([
    [['--rounds', 'many'], '--rounds'],
    [['--rounds', '0'], 'rounds must be'],
    [['--writers', '7'], 'writers must be a whole number from 8 to 64'],
    [['--writers', '65'], 'writers must be'],
  ])('refuses %j', async (options, says) => {
    const { code, json } = await at.run(['doctor', ...options, '--json'])
    expect([code, json.error.message]).toEqual([2, expect.stringContaining(says)])
  })

  it('names the permission that is missing when it cannot prove a store without, and what to do', async () => {
    await using server = await startS3Server()
    server.createBucket('state')
    vi.stubEnv('AWS_ACCESS_KEY_ID', server.credential.accessKeyId)
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', server.credential.secretAccessKey)
    server.deny(server.credential.accessKeyId, ['PutObject'])
    const store = `s3://state?region=${server.region}&endpoint=${server.endpoint}`
    const { code, json } = await at.run(['doctor', '--store', store, '--rounds', '1', '--json'])
    expect([code, json.error.code, json.report]).toEqual([
      1,
      'Unavailable',
      expect.objectContaining({ verdict: 'unproven' }),
    ])
    expect(json.error.message).toMatch(
      /^The store could not be proven: These credentials may not write: enough for .*\.$/,
    )
    expect(json.error.hint).toContain('credentials that may do everything')
  })

  it('can be interrupted', async () => {
    const stop = AbortSignal.timeout(200)
    const { code } = await at.run(['doctor', '--rounds', '10000'], { signal: stop })
    expect(code).toBe(130)
  })
})
