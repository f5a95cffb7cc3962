import assert from 'node:assert/strict'
import { Trial, type VerdictCase } from './context.ts'
import { commitLarge, HEAD_WRITES, type HeadWrite, update } from './head-writes.ts'

/** Requests and answers that are lost, late or doubled, while the service is there. Each write lands once, and its caller learns so. */

interface Fate {
  readonly name: string
  readonly needs: VerdictCase['needs']
  run(trial: Trial): Promise<void>
}

const fates: readonly Fate[] = [
  {
    name: 'its answer is lost after the service did it',
    needs: ['drop-answer'],
    async run(trial) {
      trial.plan(trial.headWrites, { do: 'drop-answer' })
      const { ended } = await trial.begin()
      await trial.expect(await ended, 'ok', { landed: true })
    },
  },
  {
    name: 'its request is lost',
    needs: ['drop-request'],
    async run(trial) {
      trial.plan(trial.headWrites, { do: 'drop-request' })
      const { ended } = await trial.begin()
      await trial.expect(await ended, 'ok', { landed: true })
    },
  },
  {
    name: 'it times out after the service did it',
    needs: ['stall'],
    async run(trial) {
      trial.plan(trial.headWrites, { do: 'stall', when: 'after' })
      const { ended } = await trial.begin(trial.hasty)
      await trial.expect(await ended, 'ok', { landed: true })
    },
  },
  {
    name: 'its request arrives late, while it is being sent again',
    needs: ['delay-before'],
    async run(trial) {
      trial.plan(trial.headWrites, { do: 'delay-before', ms: trial.context.attemptMs + 20 })
      const { ended } = await trial.begin(trial.hasty)
      await trial.expect(await ended, 'ok', { landed: true })
    },
  },
  {
    name: 'its request arrives late, after it was sent again with success',
    needs: ['hold'],
    async run(trial) {
      const { hold, ended } = await trial.beginHeld('before', trial.hasty)
      const end = await ended
      await hold.release()
      await trial.expect(end, 'ok', { landed: true })
    },
  },
  {
    name: 'its request is doubled',
    needs: ['double'],
    async run(trial) {
      trial.plan(trial.headWrites, { do: 'double', ms: 20 })
      const { ended } = await trial.begin()
      await trial.expect(await ended, 'ok', { landed: true })
    },
  },
  {
    name: 'its request is doubled and the second is answered',
    needs: ['double'],
    async run(trial) {
      trial.plan(trial.headWrites, { do: 'double', answer: 'second' })
      const { ended } = await trial.begin()
      await trial.expect(await ended, 'ok', { landed: true })
    },
  },
  {
    name: 'the service answers 500 although it did it',
    needs: ['status'],
    async run(trial) {
      trial.plan(trial.headWrites, { do: 'status', status: 500, code: 'InternalError', when: 'after' })
      const { ended } = await trial.begin()
      await trial.expect(await ended, 'ok', { landed: true })
    },
  },
  {
    name: 'the service is busy: 409, 429, 503',
    needs: ['status'],
    async run(trial) {
      trial.plan(trial.headWrites, { do: 'status', status: 429, code: 'TooManyRequests' })
      trial.plan(trial.headWrites, { do: 'status', status: 503, code: 'SlowDown' })
      trial.plan(trial.headWrites, { do: 'status', status: 409, code: 'ConditionalRequestConflict' })
      trial.plan(trial.headWrites, { do: 'status', status: 503, code: 'ServiceUnavailable' })
      const { ended } = await trial.begin()
      await trial.expect(await ended, 'ok', { landed: true })
    },
  },
  {
    name: 'its answer is lost, and so is the first answer to the question what became of it',
    needs: ['hold', 'drop-answer'],
    async run(trial) {
      const { hold, ended } = await trial.beginHeld('after')
      trial.plan(trial.headReads, { do: 'drop-answer' })
      await hold.drop()
      await trial.expect(await ended, 'ok', { landed: true })
    },
  },
]

const uploadFates: readonly Fate[] = [
  {
    name: 'the answer to its upload is lost',
    needs: ['drop-answer'],
    async run(trial) {
      trial.plan(trial.uploads, { do: 'drop-answer' })
      const { ended } = await trial.begin()
      await trial.expect(await ended, 'ok', { landed: true })
    },
  },
  {
    name: 'its upload arrives late, after it was sent again with success',
    needs: ['hold'],
    async run(trial) {
      const hold = trial.hold(trial.uploads)
      const { ended } = await trial.begin(trial.hasty)
      await hold.arrived()
      const end = await ended
      await hold.release()
      await trial.expect(end, 'ok', { landed: true })
    },
  },
  {
    name: 'its upload is doubled and the second is answered',
    needs: ['double'],
    async run(trial) {
      trial.plan(trial.uploads, { do: 'double', answer: 'second' })
      const { ended } = await trial.begin()
      await trial.expect(await ended, 'ok', { landed: true })
    },
  },
  {
    name: 'its upload is refused by 403 after a time-out: nothing referred to it yet',
    needs: ['stall', 'status'],
    async run(trial) {
      trial.plan(trial.uploads, { do: 'stall', when: 'after' })
      trial.plan(trial.uploads, { do: 'status', status: 403, code: 'AccessDenied' })
      const { ended } = await trial.begin(trial.hasty)
      await trial.expect(await ended, 'AccessDenied', { landed: false })
    },
  },
]

function casesOf(kind: HeadWrite, table: readonly Fate[]): VerdictCase[] {
  return table.map(({ name, needs = [], run }) => ({
    name: `${kind.name}: ${name}`,
    needs,
    run: async (context) => run(await Trial.prepare(context, kind)),
  }))
}

const CALLERS = 20

const sharedWrite: VerdictCase = {
  name: 'update: callers that share a write whose answer is lost each take effect once',
  needs: ['drop-answer'],
  async run(context) {
    const trial = await Trial.prepare(context, update)
    const document = await trial.document(context.place.through)
    await document.read()
    trial.plan(trial.headWrites, { do: 'drop-answer' })
    const names = Array.from({ length: CALLERS }, (_, n) => `<${n}>`)
    await Promise.all(names.map((name) => document.update((now) => now + name)))
    await trial.checkFaults()
    const witness = await trial.document()
    const value = (await witness.read())?.value ?? ''
    assert.equal(value.length, 'three'.length + names.join('').length)
    for (const name of names) assert.ok(value.includes(name), `${name} is in effect`)
    assert.equal((await witness.status()).lastNumber, 3 + CALLERS)
  },
}

export const lostCases: readonly VerdictCase[] = [
  ...HEAD_WRITES.flatMap((kind) => casesOf(kind, fates)),
  ...casesOf(commitLarge, uploadFates),
  sharedWrite,
]
