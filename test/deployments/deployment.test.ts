import { expect, it } from 'vitest'
import { deployment, newSnapshot } from '../../src/deployments/index.ts'
import { openStore } from '../../src/index.ts'

it('keeps a deployment under its lock: write, set current, commit, list, delete', async () => {
  const store = await openStore({ store: 'memory:', keys: 'plaintext' })
  const prod = deployment(store, { factory: 'shop', stack: 'prod' })
  await expect(prod.current()).rejects.toMatchObject({ code: 'NoCurrent' })
  const snapshot = newSnapshot({ name: 'shop', version: '1.4.0', contentRevision: 'dd1b0010' }, prod.stack())
  snapshot.entries = [{ address: 'vpc', type: 'leaf', kind: 'aws.vpc', outputs: { id: 'vpc-1' } }]
  {
    await using lock = await prod.lock()
    expect(lock.signal.aborted).toBe(false)
    const rev = await prod.write(snapshot)
    await expect(prod.currentRev()).rejects.toMatchObject({ code: 'NoCurrent' })
    await prod.setCurrent(rev)
    expect(await prod.currentRev()).toBe(rev)
    const second = await prod.commit(snapshot)
    expect(await prod.list()).toEqual([rev, second])
    await prod.delete(rev)
    await prod.delete(rev)
    await expect(prod.get(rev)).rejects.toMatchObject({ code: 'NotFound' })
    await expect(prod.delete(second)).rejects.toMatchObject({ code: 'Conflict' })
    await expect(prod.lock({ waitMs: 10 })).rejects.toMatchObject({ code: 'Locked' })
    await lock.unlock()
  }
  expect((await prod.current()).entries?.[0]).toMatchObject({ address: 'vpc' })
})
