import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fileStore } from '../../src/file/index.ts'
import { Workspace } from './workspace.ts'

let at: Workspace

beforeEach(async () => {
  at = await Workspace.initialised()
})
afterEach(() => at.remove())

const HEAD = 'heads/state/shop/prod/~'

/** The document as it was after its first revision, restored over the second. */
async function restored(): Promise<void> {
  const store = fileStore({ root: at.path('state') })
  const stored = async () => {
    const found = await store.get(HEAD)
    if (typeof found !== 'object') throw new Error('there is no head')
    return found
  }
  await at.ok(['push', 'shop/prod', '-m', 'first'], { input: '1' })
  const { bytes } = await stored()
  await at.ok(['push', 'shop/prod', '-m', 'second'], { input: '2' })
  await store.put(HEAD, bytes, { ifMatch: (await stored()).token })
}

describe('accept', () => {
  it('is the command that a rolled-back document names, after which everything works again', async () => {
    await restored()
    const refused = await at.run(['push', 'shop/prod', '--json'], { input: '3' })
    expect([refused.code, refused.json.error.code]).toEqual([6, 'RolledBack'])
    const [, command] = /keelstate (accept shop\/prod@\d+)$/.exec(refused.json.error.hint)!
    const typed = command!.split(' ')

    const tried = await at.ok([...typed, '--dry-run'])
    expect(tried.stderr).toMatch(/^would accept the head of shop\/prod at 2; current: @1 .*\n {2}this machine had seen/)
    expect((await at.run(['pull', 'shop/prod'])).code).toBe(6)

    const { json } = await at.ok([...typed, '--json'])
    expect(json).toMatchObject({ name: 'shop/prod', dryRun: false, seq: 2, remembered: 3, lock: true })
    expect((await at.ok(['pull', 'shop/prod'])).stdout).toBe('1')
    await at.ok(['push', 'shop/prod'], { input: '3' })
  })

  it('accepts nothing but the head that is there', async () => {
    await restored()
    const other = await at.run(['accept', 'shop/prod@3', '--json'])
    expect([other.code, other.json.error.code]).toEqual([3, 'Conflict'])
    expect((await at.run(['pull', 'shop/prod'])).code).toBe(6)
  })

  it.each(['shop/prod', 'shop/prod@', '@3', 'shop/prod@x', 'shop/prod@-1'])(
    'tells how it is typed after %j',
    async (name) => {
      const { code, json } = await at.run(['accept', name, '--json'])
      expect([code, json.error.message]).toEqual([2, expect.stringContaining('NAME@SEQ')])
    },
  )
})
