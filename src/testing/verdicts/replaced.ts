import assert from 'node:assert/strict'
import { type ErrorCode, KeelstateError } from '../../core/errors.ts'
import { type Ended, Trial, type VerdictCase } from './context.ts'
import { HEAD_WRITES, type HeadWrite, ON_A_BASE } from './head-writes.ts'

/** Heads that somebody with access to the bucket put in the place of the right one: old ones, and old ones that were written on. */

interface Replacement {
  readonly name: string
  /** Puts another head in place while the answer to the write is under way. */
  replace(trial: Trial): Promise<void>
}

/** Writes on whatever is stored now, as a process that remembers nothing. */
async function writeOn(trial: Trial, times: number): Promise<void> {
  const document = await trial.document()
  for (let n = 0; n < times; n++) await document.label('forged', 'current')
}

function copy(trial: Trial, fromEnd: number): Uint8Array {
  const bytes = trial.copies.at(-1 - fromEnd)
  assert.ok(bytes, 'the head had that many states')
  return bytes
}

const replacements: readonly Replacement[] = [
  { name: 'an older head', replace: (trial) => trial.replaceHead(copy(trial, 1)) },
  {
    name: 'a fork at its base',
    async replace(trial) {
      await trial.replaceHead(copy(trial, 1))
      await writeOn(trial, 1)
    },
  },
  {
    name: 'a fork below its base that has gone on beyond it',
    async replace(trial) {
      await trial.replaceHead(copy(trial, 2))
      await writeOn(trial, 5)
    },
  },
]

function casesOf(kind: HeadWrite): VerdictCase[] {
  return replacements.flatMap(({ name, replace }) =>
    (['after', 'before'] as const).map((when) => ({
      name: `${kind.name}: ${when === 'after' ? 'it lands' : 'it is lost'}, and ${name} is in its place when it is asked for`,
      needs: ['hold'],
      async run(context) {
        const trial = await Trial.prepare(context, kind)
        const { hold, subject, ended } = await trial.beginHeld(when)
        await replace(trial)
        await hold.drop()
        await assertRolledBack(trial, await ended, subject)
      },
    })),
  )
}

async function assertRolledBack(
  trial: Trial,
  ended: Ended,
  subject: { read(): Promise<unknown>; commit(value: string, options: { parent: 'any' }): Promise<unknown> },
): Promise<void> {
  assert.ok('error' in ended, 'a write whose base is gone is not acknowledged')
  assert.ok(KeelstateError.is(ended.error, 'RolledBack'), `RolledBack was expected, not ${ended.error.code}`)
  assert.match(ended.error.details.write ?? '', /^[0-9a-f]{32}@\d+$/, 'it names the write')
  const left = await trial.storedHead()
  await assertCode(subject.read(), 'RolledBack')
  await assertCode(subject.commit('more', { parent: 'any' }), 'RolledBack')
  assert.deepEqual(await trial.storedHead(), left, 'nothing is written on a head that does not follow')
}

async function assertCode(work: Promise<unknown>, code: ErrorCode): Promise<void> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  assert.ok(KeelstateError.is(error, code), `${code} was expected, not ${String(error)}`)
}

/** A lost write whose base is put back in its place has simply not landed; and nobody was told that it had. */
const baseRestored = ON_A_BASE.map(
  (kind): VerdictCase => ({
    name: `${kind.name}: it lands, is undone by whoever puts its base back, and is sent again`,
    needs: ['hold'],
    async run(context) {
      const trial = await Trial.prepare(context, kind)
      const { hold, ended } = await trial.beginHeld('after')
      await trial.replaceHead(copy(trial, 0))
      await hold.drop()
      await trial.expect(await ended, 'ok', { landed: true })
    },
  }),
)

const createdByAnother: VerdictCase = {
  name: 'create: another process creates the document first',
  needs: ['hold'],
  async run(context) {
    const trial = await Trial.prepare(context, HEAD_WRITES[0]!)
    const { hold, ended } = await trial.beginHeld('before')
    await trial.others((document) => document.commit('theirs', { parent: 'none' }))
    await hold.release()
    await trial.expect(await ended, 'Conflict', { landed: false })
  },
}

export const replacedCases: readonly VerdictCase[] = [...ON_A_BASE.flatMap(casesOf), ...baseRestored, createdByAnother]
