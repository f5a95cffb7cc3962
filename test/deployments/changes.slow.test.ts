import { describe, expect, it } from 'vitest'
import {
  type Deployment,
  decodeSnapshot,
  deployment,
  type Entry,
  encodeSnapshot,
  envKey,
  newSnapshot,
  type Snapshot,
  stateDocument,
} from '../../src/deployments/index.ts'
import { StaticKeyProvider } from '../../src/encrypt/index.ts'
import { openStore, type VersionedDocument } from '../../src/index.ts'
import { MemoryBucket, memoryStore } from '../../src/memory/index.ts'
import { countingStore } from '../../src/testing/index.ts'
import { Random } from '../core/random.ts'

const STORE_ID = '00112233445566778899aabbccddeeff'
const KEY = new StaticKeyProvider({ key: Buffer.alloc(32, 7) })
const RUNS = process.env.KEELSTATE_PROVE === undefined ? 4 : 200
const NAME = { factory: 'shop', stack: 'prod' }

async function open(bucket = new MemoryBucket()) {
  const counted = countingStore(memoryStore({ bucket }))
  const sent = { bytes: 0 }
  const put = counted.put.bind(counted)
  counted.put = async (key, body, ...rest) => {
    sent.bytes += body.length
    return await put(key, body, ...rest)
  }
  const store = await openStore({ store: counted, keys: KEY, storeId: STORE_ID, memory: false })
  return { bucket, counted, sent, store, prod: deployment(store, NAME), raw: stateDocument(store, 'shop/prod') }
}

function resource(n: number, round = 0): Entry {
  const id = `i-${((n * 2_654_435_761 + round * 97) >>> 0).toString(16).padStart(17, '0')}`
  return {
    address: `module.app-${n % 40}/aws_instance.node-${n}`,
    type: 'leaf',
    kind: 'aws.instance',
    schemaVersion: 1,
    inputs: {
      ami: `ami-${n % 17}`,
      subnet: `subnet-${n % 9}`,
      tags: { Name: `node-${n}`, team: `t-${n % 13}`, env: 'prod' },
      userData: `#!/bin/bash\necho ${n}\n`.repeat(6),
    },
    outputs: {
      id,
      arn: `arn:aws:ec2:eu-west-1:123456789012:instance/${id}`,
      privateIp: `10.${n % 200}.${(n >> 3) % 250}.${(n + round) % 250}`,
      state: 'running',
    },
    dependsOn: [`module.net/subnet-${n % 9}`, 'module.net/vpc'],
  }
}

function snapshotOf(entries: Entry[]): Snapshot {
  const snapshot = newSnapshot({ name: 'shop', version: '1.4.0', contentRevision: 'dd1b0010' }, 'prod', new Date(0))
  return { ...snapshot, entries }
}

const many = (count: number) => snapshotOf(Array.from({ length: count }, (_, n) => resource(n)))
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString()
const baseOf = async (raw: VersionedDocument<Uint8Array>, reference = 'current') => (await raw.info(reference)).base

describe('changes of a deployment', () => {
  it(`hand out the bytes of the whole, whatever is done in turn (${RUNS} runs of 60 steps)`, async () => {
    let deltas = 0
    for (let seed = 1; seed <= RUNS; seed++) {
      const random = new Random(seed)
      const bucket = new MemoryBucket()
      const processes = [await open(bucket), await open(bucket)]
      let whole: Snapshot = { ...many(10), entries: undefined }
      const kept = new Map<string, string>()
      for (let step = 0; step < 60; step++) {
        const { prod, raw } = random.pick(processes)
        const entries = [...(whole.entries ?? [])]
        const put = Array.from({ length: random.below(3) }, () => resource(random.below(40), step))
        const gone = entries.filter(() => random.below(30) === 0).map(({ address }) => address)
        const outputs =
          random.below(4) > 0 ? undefined : random.below(3) === 0 ? {} : { url: `https://${step}`, n: step }
        const generatedAt = random.below(2) === 0 ? undefined : new Date(step * 1_000).toISOString()
        const next: Snapshot = { ...whole }
        const left = entries.filter(({ address }) => !gone.includes(address))
        for (const entry of new Map(put.map((one) => [one.address, one])).values()) {
          const at = left.findIndex(({ address }) => address === entry.address)
          if (at >= 0) left[at] = entry
          else left.push(entry)
        }
        if (whole.entries !== undefined || put.length > 0) next.entries = left
        if (outputs !== undefined) next.outputs = outputs
        if (generatedAt !== undefined) next.generatedAt = generatedAt
        const dice = random.below(10)
        let id: string
        if (step === 0 || dice < 2) {
          id = await prod.commit(next)
        } else if (dice < 7) {
          const unique = [...new Map(put.map((one) => [one.address, one])).values()]
          id = await prod.commit({ put: unique, delete: gone, outputs, generatedAt })
        } else if (dice < 8) {
          const body = encodeSnapshot(next)
          id = (await raw.commit(body, { parent: 'any', type: 'snapshot' })).id
        } else if (dice < 9) {
          if (next.entries !== undefined && random.below(3) === 0) next.entries = next.entries.toReversed()
          const middle = resource(100 + step)
          next.entries = [...(next.entries ?? []).slice(0, 3), middle, ...(next.entries ?? []).slice(3)]
          id = await prod.write(next)
          await prod.setCurrent(id)
        } else {
          const back = random.pick([...kept.keys()])
          id = (await prod.document.rollback(back)).id
          Object.assign(next, decodeSnapshot(Buffer.from(kept.get(back)!)))
          if (decodeSnapshot(Buffer.from(kept.get(back)!)).entries === undefined) delete next.entries
          if (decodeSnapshot(Buffer.from(kept.get(back)!)).outputs === undefined) delete next.outputs
        }
        whole = next
        kept.set(id, text(encodeSnapshot(whole)))
        expect(text((await raw.read())!.value), `run ${seed}, step ${step}`).toBe(kept.get(id))
        if ((await baseOf(raw)) !== undefined) deltas++
        if (random.below(15) === 0) await raw.compact()
      }
      const { prod, raw } = processes[1]!
      for (const [id, body] of kept) {
        expect(text((await raw.revision(id)).value)).toBe(body)
        expect(text(encodeSnapshot(await prod.get(id)))).toBe(body)
      }
      expect(await raw.verify()).toMatchObject({ ok: true, revisions: kept.size })
    }
    expect(deltas).toBeGreaterThan(RUNS * 15)
  }, 1_200_000)

  it('stand on what an earlier build wrote whole, and on what somebody pushed otherwise than the contract writes it', async () => {
    const { raw, prod } = await open()
    const whole = many(30)
    await raw.commit(encodeSnapshot(whole), { parent: 'none', type: 'snapshot' }) // as builds before deltas stored it
    await prod.commit({ put: [resource(3, 1)] })
    expect(await baseOf(raw)).toBe(1)
    whole.entries![3] = resource(3, 1)
    expect(text((await raw.read())!.value)).toBe(text(encodeSnapshot(whole)))

    const foreign = Buffer.from(JSON.stringify(JSON.parse(text(encodeSnapshot(whole))), null, 4))
    await raw.commit(foreign, { parent: 'any', type: 'snapshot' })
    expect([await baseOf(raw), text((await raw.read())!.value)]).toEqual([undefined, foreign.toString()])
    await prod.commit({ put: [resource(4, 1)] })
    whole.entries![4] = resource(4, 1)
    expect([await baseOf(raw), text((await raw.read())!.value)]).toEqual([undefined, text(encodeSnapshot(whole))])

    const odd = Buffer.from(
      text(encodeSnapshot(whole)).replace('"kind": "aws.instance"', '"kind": "aws\\u002einstance"'),
    )
    await raw.commit(odd, { parent: 'any', type: 'snapshot' }) // one entry, and not as the contract writes it
    expect([await baseOf(raw), text((await raw.read())!.value)]).toEqual([undefined, odd.toString()])
    await raw.commit(Buffer.from('no snapshot at all'), { parent: 'any', type: 'snapshot' })
    await expect(prod.commit({ delete: ['x'] })).rejects.toMatchObject({ code: 'InvalidInput' })
    await raw.commit(encodeSnapshot(whole), { parent: 'any', type: 'snapshot' })
    expect(await raw.verify()).toMatchObject({ ok: true, revisions: 7 })
  })

  it('are made of what was given when it was given, and of entries that the contract accepts', async () => {
    const { prod } = await open()
    await expect(prod.commit({ put: [resource(1)] })).rejects.toMatchObject({
      code: 'InvalidInput',
      hint: expect.stringContaining('whole'),
    })
    await prod.commit(many(30))
    const entry = resource(2, 9)
    const committing = prod.commit({ put: [entry] })
    entry.outputs = { id: 'too late' }
    await committing
    expect((await prod.current()).entries![2]).toEqual(resource(2, 9))
    const refused: [object, RegExp][] = [
      [{ put: [{ address: 'a', type: 'leaf' }] }, /missing kind/],
      [{ put: [resource(1), resource(1)] }, /duplicate address/],
      [{ put: { a: 1 } }, /put must be a list/],
      [{ delete: 'a' }, /delete must be a list/],
      [{ generatedAt: 'yesterday' }, /generated-?[aA]t/],
      [{ outputs: { f: () => 1 } }, /outputs/],
      [{ entries: [] }, /format-version/],
    ]
    for (const [change, message] of refused)
      await expect(prod.commit(change as never), String(message)).rejects.toMatchObject({
        code: 'InvalidInput',
        message: expect.stringMatching(message),
      })
    await prod.commit({ factory: { name: 'shop', version: '2', contentRevision: 'e' }, outputs: { n: 1 } })
    await prod.commit({ outputs: {} })
    const now = await prod.current()
    expect([now.factory.version, now.outputs, now.entries!.length]).toEqual(['2', undefined, 30])
    expect(await prod.list()).toHaveLength(4)
  })

  it('are made under the lock, and by an encrypter on the whole', async () => {
    const { prod, store } = await open()
    const sealed = deployment(store, {
      ...NAME,
      stack: 'sealed',
      encrypter: envKey('K', { variables: { K: Buffer.alloc(32, 1).toString('base64') } }),
    })
    for (const one of [prod, sealed] as Deployment[]) {
      await expect(one.commit({ delete: [] })).rejects.toMatchObject({ name: 'KeelstateError' })
      await one.commit(many(30))
      {
        await using _ = await one.lock()
        await one.commit({ put: [resource(1, 5)] })
        await one.commit({ put: [resource(99)], delete: [resource(7).address], outputs: { done: true } })
      }
      const whole = many(30)
      whole.entries![1] = resource(1, 5)
      whole.entries!.push(resource(99))
      whole.entries = whole.entries!.filter(({ address }) => address !== resource(7).address)
      expect(await one.current()).toEqual({ ...whole, outputs: { done: true } })
      await one.commit({ generatedAt: '2026-01-02T03:04:05Z' })
      expect((await one.current()).generatedAt).toBe('2026-01-02T03:04:05Z')
    }
    expect((await sealed.document.info('current')).base).toBeUndefined()
    expect((await prod.document.info('current')).base).toBeDefined()
  })
})

describe('one changed entry in a deployment of 10 MB', () => {
  it('is one request and at most 1 % of the bytes, as a change and as a snapshot; 15 of them take 60 kB at most', async () => {
    const at = await open()
    const whole = many(10_000)
    expect(encodeSnapshot(whole).length).toBeGreaterThan(8_000_000)
    await at.prod.commit(whole)
    const full = at.sent.bytes
    const other = await open(at.bucket)
    await other.prod.current()
    const { requests } = await other.counted.count(() => other.prod.commit({ put: [resource(5, 1)] }))
    expect(requests.map(({ call }) => call)).toEqual(['put'])
    expect(other.sent.bytes).toBeLessThan(full / 100)
    other.sent.bytes = 0
    whole.entries![5] = resource(5, 1)
    whole.entries![9] = resource(9, 2)
    const again = await other.counted.count(() => other.prod.commit(whole))
    expect(again.requests.map(({ call }) => call)).toEqual(['put'])
    expect(other.sent.bytes).toBeLessThan(full / 100)
    other.sent.bytes = 0
    const changes = 16 * 4
    for (let n = 0; n < changes; n++)
      await other.prod.commit({ put: [resource(n * 31, n + 2)], generatedAt: new Date(n).toISOString() })
    expect((other.sent.bytes / changes) * 15).toBeLessThan(60_000)
  })

  it('1,000 resources created one by one take 1.15 × 1,000 round trips at most, and bytes that grow with their number', async () => {
    const at = await open()
    await at.prod.commit(snapshotOf([]))
    const lock = await at.prod.lock()
    const halves: number[] = []
    const { sequential, total } = await at.counted.count(async () => {
      for (const half of [0, 1]) {
        at.sent.bytes = 0
        for (let n = 0; n < 500; n++) await at.prod.commit({ put: [resource(half * 500 + n)] })
        halves.push(at.sent.bytes)
      }
    })
    expect(Math.max(sequential, total)).toBeLessThanOrEqual(1_150)
    expect(halves[1]! / halves[0]!).toBeLessThan(1.1)
    await lock.unlock()
    const reader = await open(at.bucket)
    const read = await reader.counted.count(async () => {
      expect((await reader.prod.current()).entries).toHaveLength(1_000)
    })
    expect(read.total).toBe(2)
  })
})
