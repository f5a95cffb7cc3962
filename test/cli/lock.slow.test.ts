import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { PROVE } from '../counts.ts'
import { ProcessWorkspace } from './processes.ts'
import { zombieCases } from './zombies.ts'

let at: ProcessWorkspace

beforeEach(() => {
  at = new ProcessWorkspace()
  at.ok(['init', '--store', 'file:./state', '--new-key', 'state.key'])
})
afterEach(() => at.remove())

describe('two command lines on one folder', () => {
  zombieCases(() => at)
})

describe('a lock without a heartbeat', () => {
  it('ends by itself after its time: another takes it over', async () => {
    at.ok(['lock', 'shop/prod', '--for', '1s'])
    const { code, stderr } = at.run(['push', 'shop/prod', '--wait', '20s'], '1')
    expect([code, stderr]).toEqual([0, expect.stringContaining('waiting for the lock')])
  })

  it('is begun anew by each command that works under it', async () => {
    const owner = at.ok(['lock', 'shop/prod', '--for', '3s']).trim()
    for (let n = 0; n < 4; n++) {
      at.ok(['push', 'shop/prod', '--owner', owner], `${n}`)
      await new Promise((resolve) => setTimeout(resolve, 1_000))
    }
    expect(at.run(['push', 'shop/prod', '--wait', '0'], '9').code).toBe(4)
  })
})

describe('a holder that is killed', () => {
  // The lease that commands take when none is named, and the margin on it, are 35 s.
  const named = PROVE ? [] : ['--for', '2s']

  it(`leaves a lock ${named.join(' ')} that the next command takes over without a person, by its default wait`, {
    timeout: 240_000,
  }, async () => {
    const holder = at.start([
      'lock',
      'shop/prod',
      ...named,
      '--',
      at.script('wait.sh', 'echo started > log; while [ ! -e go ]; do sleep 0.1; done'),
    ])
    await at.says('log', 'started')
    holder.child.kill('SIGKILL')
    expect(at.run(['push', 'shop/prod'], '1').code).toBe(0)
    at.write('go', '') // what it ran is still there
    await holder.ended
  })

  it('that gets SIGTERM passes it on, and gives the lock up before it ends', async () => {
    const script = at.script(
      'trap.sh',
      'trap "echo stopped > log; exit 9" TERM; echo started > log; while :; do sleep 0.1; done',
    )
    const holder = at.start(['lock', 'shop/prod', '--', script])
    await at.says('log', 'started')
    holder.child.kill('SIGTERM')
    expect((await holder.ended).code).toBe(9)
    expect(at.read('log')).toBe('stopped\n')
    expect(at.run(['unlock', 'shop/prod']).stderr).toBe('shop/prod is not locked\n')
  })
})
