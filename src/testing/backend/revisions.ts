import assert from 'node:assert/strict'
import { systemEnvironment } from '../../core/environment.ts'
import { KeelstateError } from '../../core/errors.ts'
import { encodeSnapshot, envKey, newSnapshot, type Snapshot, sortRevisions } from '../../deployments/index.ts'
import type { BackendContext } from '../backend.ts'
import type { SuiteCase } from '../suite.ts'

const PROD = { factory: 'shop', stack: 'prod' }

/** A snapshot that tells itself apart by `mark`. */
export function snapshotOf(mark: string, stack = 'prod'): Snapshot {
  const snapshot = newSnapshot({ name: 'shop', version: '1.4.0', contentRevision: 'dd1b0010' }, stack)
  snapshot.entries = [{ address: 'vpc', type: 'leaf', kind: 'aws.vpc', outputs: { id: mark } }]
  return snapshot
}

export function markOf(snapshot: Snapshot): unknown {
  return snapshot.entries?.[0]?.outputs?.id
}

/** Rejects with this code, and a message that holds this text. */
export async function rejects(work: Promise<unknown>, code: string, says = ''): Promise<void> {
  await assert.rejects(work, (error: unknown) => {
    assert.ok(KeelstateError.is(error), `not one of ours: ${String(error)}`)
    assert.equal(error.code, code, error.message)
    assert.ok(error.message.includes(says), `${JSON.stringify(error.message)} does not say ${JSON.stringify(says)}`)
    return true
  })
}

/** A snapshot as its file has it. */
function textOf(snapshot: Snapshot): string {
  return Buffer.from(encodeSnapshot(snapshot)).toString()
}

export const backendRevisionCases: readonly SuiteCase<BackendContext>[] = [
  {
    name: 'a factory and a stack are needed',
    async run({ open }) {
      const place = await open()
      await rejects((async () => place.backend({ factory: '', stack: 'prod' }))(), 'InvalidName')
      await rejects((async () => place.backend({ factory: 'shop', stack: '' }))(), 'InvalidName')
    },
  },
  {
    name: 'it tells the name of its stack',
    async run({ open }) {
      assert.equal((await (await open()).backend(PROD)).stack(), 'prod')
    },
  },
  {
    name: 'an empty deployment has no current snapshot, and says so by code',
    async run({ open }) {
      const backend = await (await open()).backend(PROD)
      await rejects(backend.current(), 'NoCurrent', 'no current snapshot')
      await rejects(backend.currentRev(), 'NoCurrent', 'no current snapshot')
      assert.deepEqual(await backend.list(), [])
    },
  },
  {
    name: 'what was written is read back, by another handle too',
    async run({ open }) {
      const place = await open()
      const written = snapshotOf('a')
      const rev = await (await place.backend(PROD)).write(written)
      assert.deepEqual(await (await place.backend(PROD)).get(rev), await (await place.backend(PROD)).get(rev))
      const read = await (await place.backend(PROD)).get(rev)
      assert.equal(markOf(read), 'a')
      assert.equal(read.generatedAt, written.generatedAt)
      assert.equal(read.stack, 'prod')
    },
  },
  {
    name: 'writing does not move current, setting it does',
    async run({ open }) {
      const backend = await (await open()).backend(PROD)
      const first = await backend.write(snapshotOf('a'))
      await rejects(backend.currentRev(), 'NoCurrent')
      await backend.setCurrent(first)
      assert.equal(await backend.currentRev(), first)
      assert.equal(markOf(await backend.current()), 'a')
      const second = await backend.write(snapshotOf('b'))
      assert.equal(await backend.currentRev(), first)
      await backend.setCurrent(second)
      assert.equal(markOf(await backend.current()), 'b')
      await backend.setCurrent(first)
      assert.equal(markOf(await backend.current()), 'a')
      assert.equal(markOf(await backend.get(second)), 'b')
    },
  },
  {
    name: 'a revision that is not there cannot be made current',
    async run({ open }) {
      const backend = await (await open()).backend(PROD)
      await rejects(backend.setCurrent('2026-05-30T12:00:00Z'), 'NotFound', 'set-current 2026-05-30T12:00:00Z')
      await backend.commit(snapshotOf('a'))
      await rejects(backend.setCurrent('2026-05-30T12:00:00Z'), 'NotFound', 'set-current')
      assert.equal(markOf(await backend.current()), 'a')
    },
  },
  {
    name: 'a commit writes and moves current at once',
    async run({ open }) {
      const backend = await (await open()).backend(PROD)
      const first = await backend.commit(snapshotOf('a'))
      assert.equal(await backend.currentRev(), first)
      const second = await backend.commit(snapshotOf('b'))
      assert.equal(await backend.currentRev(), second)
      assert.deepEqual(await backend.list(), [first, second])
    },
  },
  {
    name: 'a change is committed as the whole that it makes, and needs a snapshot to change',
    async run({ open }) {
      const backend = await (await open()).backend(PROD)
      const entry = (n: number, mark: string) =>
        ({ address: `node-${n}`, type: 'leaf', kind: 'k', outputs: { mark: mark.repeat(100) } }) as const
      await assert.rejects(backend.commit({ put: [entry(1, 'a')] }))
      const whole = snapshotOf('a')
      whole.entries = Array.from({ length: 60 }, (_, n) => entry(n, 'a'))
      const first = await backend.commit(whole)
      const second = await backend.commit({ put: [entry(7, 'b'), entry(60, 'c')], delete: ['node-3', 'none'] })
      await backend.commit({ outputs: { done: true } })
      const isWhole = (found: Snapshot, expected: Snapshot) => assert.equal(textOf(found), textOf(expected))
      isWhole(await backend.get(first), whole)
      const entries = whole.entries.with(7, entry(7, 'b')).concat(entry(60, 'c'))
      const next = { ...whole, entries: entries.filter(({ address }) => address !== 'node-3') }
      isWhole(await backend.get(second), next)
      isWhole(await backend.current(), { ...next, outputs: { done: true } })
    },
  },
  {
    name: 'a deleted revision is gone, and deleting it again is fine',
    async run({ open }) {
      const backend = await (await open()).backend(PROD)
      const first = await backend.write(snapshotOf('a'))
      const second = await backend.write(snapshotOf('b'))
      await backend.delete(first)
      await backend.delete(first)
      await rejects(backend.get(first), 'NotFound')
      assert.deepEqual(await backend.list(), [second])
      assert.equal(markOf(await backend.get(second)), 'b')
    },
  },
  {
    name: 'the current revision is not deleted: current never dangles',
    async run({ open }) {
      const backend = await (await open()).backend(PROD)
      const rev = await backend.commit(snapshotOf('a'))
      await rejects(backend.delete(rev), 'Conflict')
      assert.equal(markOf(await backend.current()), 'a')
    },
  },
  {
    name: 'equal snapshots are revisions of their own',
    async run({ open }) {
      const backend = await (await open()).backend(PROD)
      const snapshot = snapshotOf('a')
      assert.notEqual(await backend.write(snapshot), await backend.write(snapshot))
      assert.equal((await backend.list()).length, 2)
    },
  },
  {
    name: 'revisions are named by time and listed in the order in which they were written',
    async run({ open }) {
      const backend = await (await open()).backend(PROD)
      const written: string[] = []
      for (let n = 0; n < 25; n++) written.push(await backend.write(snapshotOf(String(n))))
      assert.deepEqual(await backend.list(), written)
      assert.deepEqual(sortRevisions(written), written)
      for (const rev of written) assert.match(rev, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/)
      for (const [n, rev] of written.entries()) assert.equal(markOf(await backend.get(rev)), String(n))
    },
  },
  {
    name: 'revisions differ and stay in order while the clock stands still, and when it goes back',
    needs: ['clock'],
    async run({ open }) {
      let now = Date.parse('2026-05-30T12:00:00Z')
      const backend = await (await open({ ...systemEnvironment, now: () => now })).backend(PROD)
      const written: string[] = []
      for (let n = 0; n < 5; n++) written.push(await backend.write(snapshotOf(String(n))))
      now -= 3_600_000
      for (let n = 0; n < 3; n++) written.push(await backend.write(snapshotOf(String(n))))
      assert.equal(new Set(written).size, written.length)
      assert.deepEqual(await backend.list(), written)
      assert.deepEqual(sortRevisions(written), written)
    },
  },
  {
    name: 'two deployments know nothing of each other',
    async run({ open }) {
      const place = await open()
      const [prod, staging, other] = await Promise.all([
        place.backend(PROD),
        place.backend({ factory: 'shop', stack: 'staging' }),
        place.backend({ factory: 'shop/prod', stack: 'prod' }),
      ])
      await prod.commit(snapshotOf('a'))
      await rejects(staging.currentRev(), 'NoCurrent')
      await rejects(other.currentRev(), 'NoCurrent')
      assert.deepEqual(await staging.list(), [])
    },
  },
  {
    name: 'with an encrypter of the contract, its bytes are what is stored and another key does not open them',
    async run({ open }) {
      const place = await open()
      const keyOf = (fill: number) => envKey('K', { variables: { K: Buffer.alloc(32, fill).toString('base64') } })
      const rev = await (await place.backend(PROD, keyOf(1))).commit(snapshotOf('a'))
      assert.equal(markOf(await (await place.backend(PROD, keyOf(1))).get(rev)), 'a')
      await rejects((await place.backend(PROD, keyOf(2))).get(rev), 'DecryptFailed', 'decrypt')
    },
  },
  {
    name: 'nothing of a snapshot is stored in the clear',
    needs: ['stored'],
    async run({ open }) {
      const place = await open()
      const mark = 'f81d4fae7dec11d0a76500a0c91e6bf6'
      await (await place.backend(PROD)).commit(snapshotOf(mark))
      const stored = await place.stored!()
      assert.ok(stored.length > 0)
      for (const bytes of stored)
        assert.ok(!Buffer.from(bytes).includes(mark.slice(0, 8)), 'a stored object holds plaintext')
    },
  },
  {
    name: 'a call that was aborted before it began does nothing',
    async run({ open }) {
      const backend = await (await open()).backend(PROD)
      await rejects(backend.commit(snapshotOf('a'), { signal: AbortSignal.abort() }), 'Aborted')
      assert.deepEqual(await backend.list(), [])
    },
  },
]
