import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { WARNINGS } from '../../src/cli/warnings.ts'
import { type CloudPlace, cloudOf } from '../clouds.ts'
import { readSources } from '../project/source-files.ts'
import { Workspace } from './workspace.ts'

const s3 = cloudOf('s3')
const UPLOADS = { operation: 'PutObject', key: '*objects/*', times: Number.POSITIVE_INFINITY }

/** A snapshot too large for a head, with a third of its entries changed since the version before: a change that is not. */
function snapshot(version: number): string {
  const entries = Array.from({ length: 100 }, (_, n) => ({
    address: `node-${n}`,
    type: 'leaf',
    kind: `${n % 3 < version ? 'new' : 'old'} ${'k'.repeat(60)}`,
  }))
  const stack = { name: 'shop', version: '', 'content-revision': '' }
  const generated = { 'deployment-id': '', 'generated-at': '2026-01-01T00:00:00Z' }
  return `${JSON.stringify({ 'format-version': 1, stack, ...generated, entries }, null, 2)}\n`
}

describe('what the library tells nobody in particular', () => {
  let place: CloudPlace
  let at: Workspace

  beforeEach(async () => {
    place = await s3.start()
    for (const [name, value] of Object.entries(place.env)) vi.stubEnv(name, value)
    at = new Workspace()
    at.write('keelstate.json', JSON.stringify({ store: place.address, keys: 'plaintext' }))
    await at.ok(['init'])
  })
  afterEach(async () => {
    vi.unstubAllEnvs()
    at.remove()
    await place.close()
  })

  it('is told on stderr when it is that a long chain of changes could not be stored whole, and the push succeeds', async () => {
    for (const version of [0, 1]) await at.ok(['push', 'shop/prod'], { input: snapshot(version) })
    const refused = place.server.faults.add(UPLOADS, { do: 'status', ...s3.denied })
    const { stderr } = await at.ok(['push', 'shop/prod'], { input: snapshot(2) })
    expect(stderr).toMatch(
      /^warning: what is current in shop\/prod stands on many changes .* keelstate compact .*AccessDenied/m,
    )
    expect(refused.fired).toBeGreaterThan(0)
    expect((await at.ok(['locks', '--json'])).json.locks).toEqual([])

    place.server.faults.clear()
    expect((await at.ok(['compact', 'shop/prod', '--json'])).json).toMatchObject({ stored: [expect.any(String)] })
    expect((await at.ok(['pull', 'shop/prod'])).stdout).toBe(snapshot(2))
  })

  it('has words for each of its channels', () => {
    const published = readSources().flatMap(({ text }) =>
      [...text.matchAll(/\bchannel\('(keelstate:[a-z-]+)'\)/g)].map((match) => match[1]),
    )
    expect(published.sort()).toEqual(Object.keys(WARNINGS).sort())
  })
})
