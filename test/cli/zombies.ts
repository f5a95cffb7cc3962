import { expect, it } from 'vitest'
import type { ProcessWorkspace } from './processes.ts'

// A deployment that pushes what it did, again after it was told to go on, and once more without the owner id that it was given.
const DEPLOY = `
echo '{"by":"zombie","step":1}' | keelstate push shop/prod 2>> said; echo "first $?" >> log
while [ ! -e go ]; do sleep 0.05; done
echo '{"by":"zombie","step":2}' | keelstate push shop/prod 2>> said; echo "second $?" >> log
`

/**
 * What every kind of store and lock owes to two command lines: register inside a `describe`.
 *
 * @param lease How long the zombie holds its lock unrenewed: in some places a lease cannot be as short as elsewhere.
 * @param pushes So many come at once.
 */
export function zombieCases(open: () => ProcessWorkspace, lease = '4s', pushes = 8): void {
  const bodies = (at: ProcessWorkspace): string[] => {
    const { revisions } = JSON.parse(at.ok(['history', 'shop/prod', '--json'])) as { revisions: { number: number }[] }
    return revisions.map(({ number }) => at.ok(['pull', 'shop/prod', '--rev', `@${number}`]).trim()).reverse()
  }

  it('a deployment that is paused over its lease commits nothing after its successor started', async () => {
    const at = open()
    const script = at.script('deploy.sh', DEPLOY)
    const zombie = at.start(['lock', 'shop/prod', '--for', lease, '--', script])
    await at.says('log', 'first 0')
    zombie.child.kill('SIGSTOP')
    const successor = at.start(['push', 'shop/prod', '--wait', '60s'], '{"by":"successor"}')
    expect(await successor.ended).toMatchObject({ code: 0 })
    at.write('go', '') // what the zombie started is still at work, under the owner id that it was given
    await at.says('log', 'second 4')
    zombie.child.kill('SIGCONT')
    const { code, stderr } = await zombie.ended
    expect([code, stderr]).toEqual([4, expect.stringContaining('lock')])
    expect(at.read('said')).toContain('Nothing was written')
    expect(bodies(at)).toEqual(['{"by":"zombie","step":1}', '{"by":"successor"}'])
  })

  it('nor does one whose lock was broken', async () => {
    const at = open()
    const zombie = at.start(['lock', 'shop/prod', '--for', lease, '--', at.script('deploy.sh', DEPLOY)])
    await at.says('log', 'first 0')
    const { lock } = JSON.parse(at.ok(['status', 'shop/prod', '--json'])) as { lock: { owner: string } }
    zombie.child.kill('SIGSTOP') // so that it does not stop its deployment as soon as it notices
    at.ok(['unlock', 'shop/prod', '--owner', lock.owner])
    const successor = at.run(['push', 'shop/prod', '--wait', '0'], '{"by":"successor"}')
    expect(successor).toMatchObject({ code: 0 })
    at.write('go', '')
    await at.says('log', 'second 4')
    zombie.child.kill('SIGCONT')
    expect(await zombie.ended).toMatchObject({ code: 4 })
    expect(bodies(at)).toEqual(['{"by":"zombie","step":1}', '{"by":"successor"}'])
  })

  it(`${pushes} pushes at once all land, one after another, each on the one before it`, async () => {
    const at = open()
    const started = Array.from({ length: pushes }, (_, n) =>
      at.start(['push', 'shop/prod', '--wait', '2m', '--json'], `{"n":${n}}`),
    )
    const ended = await Promise.all(started.map((push) => push.ended))
    expect(ended.map(({ code, stderr }) => [code, stderr.replace(/^waiting .*\n/gm, '')])).toEqual(
      ended.map(() => [0, '']),
    )
    const found = ended.map(
      ({ stdout }) =>
        JSON.parse(stdout) as { revision: { number: number; id: string }; replaced: { id: string } | null },
    )
    const inOrder = found.sort((a, b) => a.revision.number - b.revision.number)
    expect(inOrder.map(({ revision }) => revision.number)).toEqual(found.map((_, n) => n + 1))
    expect(inOrder.slice(1).map(({ replaced }) => replaced?.id)).toEqual(
      inOrder.slice(0, -1).map(({ revision }) => revision.id),
    )
    expect(new Set(bodies(at)).size).toBe(pushes)
  })
}
