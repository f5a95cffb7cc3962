import assert from 'node:assert/strict'
import { KeelstateError } from '../../core/errors.ts'
import { type Ended, Trial, type VerdictCase } from './context.ts'
import { HEAD_WRITES, type HeadWrite } from './head-writes.ts'

/** Refusals, aborts and deadlines, before and after an attempt whose outcome is not known. Only before are they definite. */

interface Ending {
  readonly name: string
  readonly needs: VerdictCase['needs']
  run(trial: Trial): Promise<void>
}

const DENIED = { do: 'status', status: 403, code: 'AccessDenied' } as const
const ALWAYS = { times: Number.POSITIVE_INFINITY }

const endings: readonly Ending[] = [
  {
    name: 'refused by 403 at once',
    needs: ['status'],
    async run(trial) {
      trial.plan(trial.headWrites, DENIED)
      const { ended } = await trial.begin()
      await trial.expect(await ended, 'AccessDenied', { landed: false })
    },
  },
  {
    name: 'refused by 403 after a time-out, not executed',
    needs: ['stall', 'status'],
    async run(trial) {
      trial.plan(trial.headWrites, { do: 'stall' })
      trial.plan({ ...trial.headWrites, ...ALWAYS }, DENIED)
      const { ended } = await trial.begin(trial.hasty)
      const end = await ended
      await trial.expect(end, 'OutcomeUnknown', { landed: false })
      assertCause(end, 'AccessDenied')
    },
  },
  {
    name: 'refused by 403 after a time-out, and the first request arrives after that',
    needs: ['hold', 'status'],
    async run(trial) {
      trial.plan({ ...trial.headWrites, nth: 2, ...ALWAYS }, DENIED)
      const { hold, ended } = await trial.beginHeld('before', trial.hasty)
      const end = await ended
      await hold.release()
      await trial.expect(end, 'OutcomeUnknown', { landed: true })
    },
  },
  {
    name: 'refused by 403 after a time-out, and the first request was executed before the head was read again',
    needs: ['hold', 'status'],
    async run(trial) {
      const denied = trial.plan({ ...trial.headWrites, nth: 2, ...ALWAYS }, DENIED)
      const { hold, ended } = await trial.beginHeld('before', trial.hasty)
      let reading = trial.hold(trial.headReads)
      await reading.arrived()
      while (denied.fired === 0) {
        // It says that nothing has landed yet: the write is sent again.
        const next = trial.hold(trial.headReads)
        await reading.release()
        reading = next
        await reading.arrived()
      }
      await hold.release()
      await reading.release()
      await trial.expect(await ended, 'ok', { landed: true })
    },
  },
  {
    name: 'executed, timed out, and then no permission even to read',
    needs: ['hold', 'status'],
    async run(trial) {
      const { hold, ended } = await trial.beginHeld('after')
      trial.plan({ ...trial.headReads, ...ALWAYS }, DENIED)
      await hold.drop()
      const end = await ended
      await trial.endFaults()
      await trial.expect(end, 'OutcomeUnknown', { landed: true })
      assertCause(end, 'AccessDenied')
    },
  },
  {
    name: 'aborted before it was sent',
    needs: [],
    async run(trial) {
      const { ended } = await trial.begin(undefined, AbortSignal.abort())
      await trial.expect(await ended, 'Aborted', { landed: false })
    },
  },
  {
    name: 'aborted under way, executed',
    needs: ['hold'],
    async run(trial) {
      const controller = new AbortController()
      const { hold, ended } = await trial.beginHeld('after', trial.hasty, controller.signal)
      controller.abort()
      const end = await ended
      await hold.drop()
      await trial.expect(end, trial.kind.abortedButLanded ?? 'ok', { landed: true })
    },
  },
  {
    name: 'aborted under way, not executed: it is not sent again',
    needs: ['hold', 'status'],
    async run(trial) {
      const controller = new AbortController()
      const again = trial.faults.add({ ...trial.headWrites, nth: 2 }, DENIED)
      const { hold, ended } = await trial.beginHeld('before', trial.hasty, controller.signal)
      controller.abort()
      const end = await ended
      await hold.drop()
      assert.equal(again.fired, 0, 'it was sent again after the abort')
      await trial.expect(end, 'OutcomeUnknown', { landed: false })
    },
  },
  {
    name: 'aborted under way, executed after that',
    needs: ['hold'],
    async run(trial) {
      const controller = new AbortController()
      const { hold, ended } = await trial.beginHeld('before', trial.hasty, controller.signal)
      controller.abort()
      const end = await ended
      await hold.release()
      await trial.expect(end, 'OutcomeUnknown', { landed: true })
    },
  },
  {
    name: 'no answer until the time is up, not executed',
    needs: ['stall'],
    async run(trial) {
      trial.plan({ ...trial.headWrites, ...ALWAYS }, { do: 'stall' })
      const { ended } = await trial.begin(trial.doomed)
      const end = await ended
      await trial.endFaults()
      await trial.expect(end, 'OutcomeUnknown', { landed: false })
    },
  },
  {
    name: 'of unknown outcome, and then a write of another takes its place for good',
    needs: ['hold', 'status'],
    async run(trial) {
      trial.plan({ ...trial.headWrites, nth: 2, ...ALWAYS }, DENIED)
      const { hold, ended } = await trial.beginHeld('before', trial.hasty)
      const end = await ended
      await trial.endFaults()
      await trial.others((document) => document.commit('of another', { parent: 'any' }))
      await hold.release()
      await trial.expect(end, 'OutcomeUnknown', { landed: false, outcome: 'not-landed' })
    },
  },
]

function assertCause(ended: Ended, code: 'AccessDenied'): void {
  assert.ok('error' in ended)
  assert.ok(KeelstateError.is(ended.error.cause, code), `the cause should be ${code}`)
}

function casesOf(kind: HeadWrite): VerdictCase[] {
  return endings.map(({ name, needs = [], run }) => ({
    name: `${kind.name}: ${name}`,
    needs,
    run: async (context) => run(await Trial.prepare(context, kind)),
  }))
}

export const refusedCases: readonly VerdictCase[] = HEAD_WRITES.flatMap(casesOf)
