import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { PROVE } from '../counts.ts'

const script = fileURLToPath(new URL('../../scripts/quickstart.mjs', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'keelstate-quickstart-test-'))
const env = { PATH: process.env.PATH, HOME: folder, TMPDIR: folder }

afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('npm run quickstart', () => {
  it('imports and pushes real states, goes back, locks, keeps a zombie out, verifies, and leaves nothing behind', () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [script], { env, encoding: 'utf8' })
    expect([status, stderr], stdout).toEqual([0, ''])
    for (const command of [
      'init',
      'push',
      'list',
      'status',
      'history',
      'diff',
      'label',
      'rollback',
      'pull',
      'verify',
      'import unobin',
      'export unobin',
      'entries list',
      'lock',
      'unlock',
      'locks',
    ]) {
      expect(stdout).toContain(`$ keelstate ${command} `.trimEnd())
    }
    expect(stdout).toContain('byte for byte')
    expect(stdout).toMatch(/the deployment wakes up.*\n.*The lock on network\/terraform is lost/)
    expect(readdirSync(folder)).toEqual([])
  })

  // A run takes long; clouds.slow.test.ts always has it on buckets.
  it.runIf(PROVE)(
    'runs against another store by changing the address only, below a prefix of its own that it removes',
    () => {
      const base = join(folder, 'elsewhere')
      const options = { env: { ...env, KEELSTATE_STORE: `file:${base}` }, encoding: 'utf8' } as const
      const { status, stdout } = spawnSync(process.execPath, [script], options)
      expect(status, stdout).toBe(0)
      expect(stdout).toContain(`keelstate init --store file:${base}/quickstart-`)
      expect(existsSync(base) ? readdirSync(base) : []).toEqual([])
    },
  )

  it('fails when a command does not end as it should', () => {
    const options = { env: { ...env, KEELSTATE_STORE: 'ftp://nowhere' }, encoding: 'utf8' } as const
    const { status, stderr } = spawnSync(process.execPath, [script], options)
    expect([status, stderr]).toEqual([1, expect.stringContaining('exit code 0, and ended with 2')])
  })
})
